import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zoo.data import image
from zoo.data.image import decode_image, encoded_size, image_size, read_for, read_image
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


@pytest.mark.parametrize("kind", ["png", "webp", "tif"])
def test_alpha_is_dropped_and_not_multiplied(tmp_path, kind):
    pixels = np.full((20, 30, 4), (200, 100, 40, 128), np.uint8)
    pixels[:10, :, 3] = 0
    keywords = {"lossless": True, "exact": True} if kind == "webp" else {}
    Image.fromarray(pixels).save(tmp_path / f"a.{kind}", **keywords)
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{kind}"), pixels[..., :3])


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", [0, 1, 3, 5, 6, 7, 8, 9, 255])
def test_exif_orientation_turns_pixels_and_size_alike(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    keywords = {"tiffinfo": {274: orientation}} if kind == "tif" else {"exif": exif}
    path = tmp_path / f"a.{kind}"
    Image.fromarray(PIXELS).save(path, **keywords)
    turned = (30, 20) if 5 <= orientation <= 8 else (20, 30)
    assert image_size(path) == turned
    assert read_image(path).shape[:2] == turned
    assert read_for(path, (20, 20))[1] == turned
    if kind != "tif":
        stored = path.read_bytes()
        assert encoded_size(stored, "a", upright=False) == (20, 30)
        assert decode_image(stored, "a", upright=False).shape == (20, 30, 3)


@pytest.mark.parametrize("kind", [3, 4, 2, 7])  # short, long, ASCII, undefined
@pytest.mark.parametrize("order", ["<", ">"])
def test_pixels_and_size_are_alike_whatever_the_type_of_the_orientation(tmp_path, kind, order):
    exif = struct.pack(
        f"{order}2sHIHHHII", b"II" if order == "<" else b"MM", 42, 8, 1, 274, kind, 1, 6
    )
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif + bytes(4))
    assert image_size(tmp_path / "a.jpg") == read_image(tmp_path / "a.jpg").shape[:2]


def test_an_orientation_outside_of_exif_turns_nothing(tmp_path):
    """OpenCV does not look there, so neither may the size."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6"/>'
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", xmp=xmp + b"</rdf:RDF></x:xmpmeta>")
    with Image.open(tmp_path / "a.jpg") as opened:
        assert opened.getexif().get(274) == 6
    assert image_size(tmp_path / "a.jpg") == read_image(tmp_path / "a.jpg").shape[:2] == (20, 30)


def test_the_size_of_a_png_is_told_without_its_pixels(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[data.index(b"IDAT") + 8] ^= 0x55
    (tmp_path / "a.png").write_bytes(data)
    assert image_size(tmp_path / "a.png") == (20, 30)
    with pytest.raises(ZooError, match=r"a\.png is no image that can be decoded"):
        read_image(tmp_path / "a.png")


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


@pytest.mark.parametrize("read", [read_image, lambda path: read_for(path, (8, 8))])
@pytest.mark.parametrize("kind", ["webp", "tif", "bmp", "png", "jpg"])
def test_a_part_of_any_file_is_an_error_that_names_it(tmp_path, kind, read):
    Image.fromarray(PIXELS).save(tmp_path / f"a.{kind}")
    data = (tmp_path / f"a.{kind}").read_bytes()
    for part in (0, 1, 9, 20, 40, len(data) // 3):
        (tmp_path / "b.xyz").write_bytes(data[:part])
        with pytest.raises(ZooError, match=r"b\.xyz"):
            read(tmp_path / "b.xyz")


def test_too_many_pixels_to_be_safe_are_an_error(tmp_path, monkeypatch):
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ZooError, match=r"a\.png has too many pixels .*600.*; make it smaller"):
        read_for(tmp_path / "a.png", (8, 8))


def test_data_after_the_end_of_a_jpeg_does_no_harm(jpeg):
    pixels = read_image(jpeg)
    jpeg.write_bytes(jpeg.read_bytes() + b"appended by a camera" * 10)
    np.testing.assert_array_equal(read_image(jpeg), pixels)
    assert image_size(jpeg) == (64, 96)


@st.composite
def segments(draw):
    """A segment of a JPEG with anything in it, or a scan, in which a zero follows each 0xff."""
    inside = draw(st.lists(st.sampled_from([b"\xff\xd9", b"\xff\xda", b"\0", b"\xff"]), max_size=4))
    payload = b"".join(inside)
    marker = draw(st.sampled_from([0xE1, 0xDB, 0xC4, 0xFE, 0xDA]))
    segment = bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2) + payload
    if marker == 0xDA:
        scan = draw(st.lists(st.sampled_from([b"\x12", b"\xff\0", b"\xff\xd3"]), max_size=6))
        segment += b"".join(scan)
    return segment


@settings(max_examples=300)
@given(st.lists(segments(), max_size=4), st.binary(max_size=8), st.data())
def test_a_jpeg_is_whole_if_its_segments_lead_to_an_end(parts, behind, data):
    whole = image.START + b"".join(parts) + image.END
    image._refuse_truncated(whole + behind, "a.jpg")
    cut = data.draw(st.integers(2, len(whole) - 1))
    with pytest.raises(ZooError, match="truncated JPEG"):
        image._refuse_truncated(whole[:cut], "a.jpg")


def test_a_film_behind_a_photo_may_hold_any_bytes(jpeg):
    pixels = read_image(jpeg)
    jpeg.write_bytes(jpeg.read_bytes() + b"film \xff\xd9 and \xff\xda and \xff\xd8 in it")
    np.testing.assert_array_equal(read_image(jpeg), pixels)
    assert image_size(jpeg) == (64, 96)


def test_a_photo_that_ends_within_its_thumbnail_is_truncated(tmp_path):
    thumbnail = io.BytesIO()
    Image.fromarray(PIXELS).save(thumbnail, "JPEG")
    exif = b"Exif\0\0" + thumbnail.getvalue()
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=exif)
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: data.index(image.END) + 2] + b"\0\1\2")
    with pytest.raises(ZooError, match="truncated JPEG"):
        read_image(tmp_path / "a.jpg")
