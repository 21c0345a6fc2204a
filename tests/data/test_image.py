import contextlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zoo.data import image
from zoo.data.image import image_size, read_image
from zoo.errors import ZooError

PIXELS = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


@pytest.fixture
def jpeg(tmp_path):
    path = tmp_path / "photo.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    cv2.imwrite(str(path), noise)
    return path


def test_channels_are_rgb(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), PIXELS)


def test_grey_becomes_rgb(tmp_path):
    Image.fromarray(PIXELS[..., 0]).save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.png"), np.repeat(PIXELS[..., :1], 3, axis=2)
    )


@pytest.mark.parametrize("orientation, size", [(1, (20, 30)), (3, (20, 30)), (6, (30, 20))])
def test_exif_orientation_turns_pixels_and_size_alike(tmp_path, orientation, size):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=exif, quality=100)
    assert image_size(tmp_path / "a.jpg") == size
    assert read_image(tmp_path / "a.jpg").shape[:2] == size


@pytest.mark.parametrize("read", [read_image, image_size])
class TestUnreadable:
    @pytest.mark.parametrize("part", [0.3, 0.9, 0.999])
    def test_truncated_jpeg(self, jpeg, read, part):
        data = jpeg.read_bytes()
        jpeg.write_bytes(data[: int(len(data) * part)])
        with pytest.raises(ZooError, match=r"photo\.jpg is a truncated JPEG"):
            read(jpeg)

    def test_truncated_png(self, tmp_path, read):
        Image.fromarray(PIXELS).save(tmp_path / "a.png")
        data = (tmp_path / "a.png").read_bytes()
        (tmp_path / "a.png").write_bytes(data[:-20])
        with pytest.raises(ZooError, match=r"a\.png is a truncated PNG"):
            read(tmp_path / "a.png")

    def test_text(self, tmp_path, read):
        (tmp_path / "a.jpg").write_text("not found")
        with pytest.raises(ZooError, match=r"a\.jpg is no image"):
            read(tmp_path / "a.jpg")

    def test_empty(self, tmp_path, read):
        (tmp_path / "a.jpg").touch()
        with pytest.raises(ZooError, match=r"a\.jpg is no image"):
            read(tmp_path / "a.jpg")

    def test_missing(self, tmp_path, read):
        with pytest.raises(ZooError, match=r"a\.jpg cannot be read: No such file"):
            read(tmp_path / "a.jpg")


@pytest.mark.parametrize("reduction", [2, 4, 8])
def test_a_jpeg_at_a_part_of_its_size_is_the_mean_of_its_pixels(tmp_path, reduction):
    """Over blocks from the upper left; the last ones reach out of a picture of 67×101."""
    rough = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    smooth = cv2.resize(rough, (101, 67), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "a.jpg"), smooth, [cv2.IMWRITE_JPEG_QUALITY, 100])
    whole, part = read_image(tmp_path / "a.jpg"), read_image(tmp_path / "a.jpg", reduction)
    assert part.shape == (-(-67 // reduction), -(-101 // reduction), 3)
    rows, columns = 67 // reduction, 101 // reduction
    blocks = whole[: rows * reduction, : columns * reduction]
    blocks = blocks.reshape(rows, reduction, columns, reduction, 3).mean(axis=(1, 3))
    assert np.abs(part[:rows, :columns] - blocks).mean() < 1


def test_another_format_is_averaged(tmp_path):
    """Over the same blocks, the last pixels of a row seen again where a block reaches out."""
    pixels = np.random.default_rng(0).integers(0, 256, (67, 101, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    filled = np.pad(pixels, ((0, 1), (0, 3), (0, 0)), mode="edge")
    expected = filled.reshape(17, 4, 26, 4, 3).mean(axis=(1, 3))
    assert np.abs(read_image(tmp_path / "a.png", 4) - expected).max() <= 0.5


def test_data_after_the_end_of_a_jpeg_does_no_harm(jpeg):
    pixels = read_image(jpeg)
    jpeg.write_bytes(jpeg.read_bytes() + b"appended by a camera" * 10)
    np.testing.assert_array_equal(read_image(jpeg), pixels)
    assert image_size(jpeg) == (64, 96)


@settings(max_examples=300)
@given(st.lists(st.sampled_from([image.SCAN, image.END, b"\0", b"\xff"]), max_size=6))
def test_a_jpeg_is_whole_if_its_last_end_is_after_its_last_scan(pieces):
    data = image.START + b"".join(pieces)
    whole = data.rfind(image.END) > data.rfind(image.SCAN)
    with contextlib.nullcontext() if whole else pytest.raises(ZooError, match="truncated JPEG"):
        image._refuse_truncated(data, "a.jpg")
