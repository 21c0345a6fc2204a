"""Pictures go through a detector in batches, read ahead."""

import numpy as np
import pytest
from brightness import Brightness

from zoo import inference
from zoo.errors import ZooError
from zoo.inference import ahead, detect

GREYS = [0, 51, 102, 153, 204]


def pictures(*greys):
    return [np.full((10, 20, 3), grey, np.uint8) for grey in greys]


@pytest.mark.parametrize("limits", [{}, {"score_threshold": 0.1}, {"iou_threshold": 1}])
def test_what_nobody_asks_for_is_left_to_the_model(limits, monkeypatch):
    detector, given = Brightness(), {}
    monkeypatch.setattr(detector, "predictor", lambda **options: given.update(options) or detector)
    list(detect(detector, pictures(51), **limits))
    assert given == {"windowed": True, **limits}


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ({"resize": "squash"}, "no resize mode 'squash'"),
        ({"interpolation": "cubic"}, "no resize interpolation 'cubic'"),
    ],
)
def test_wrong_options_are_no_pictures_that_cannot_be_read(option, sentence):
    with pytest.raises(ZooError, match=sentence):
        list(detect(Brightness(), pictures(51), unreadable=pytest.fail, **option))


@pytest.mark.parametrize(
    ("number", "batch_size", "rows"),
    [
        pytest.param(5, 1, [1] * 5, id="one by one"),
        pytest.param(5, 2, [2, 2, 2], id="the last one is filled up"),
        pytest.param(4, 2, [2, 2], id="full"),
        pytest.param(3, 8, [3], id="a single batch is as large as it is"),
    ],
)
def test_batches_are_of_one_size(number, batch_size, rows):
    detector = Brightness()
    found = [each for _, each in detect(detector, pictures(*GREYS[:number]), batch_size=batch_size)]
    assert detector.shapes == [((n, 32, 32, 3), (n, 4)) for n in rows]
    scores = [each.confidence[0] for each in found]
    np.testing.assert_allclose(scores, np.array(GREYS[:number]) / 255, rtol=1e-6)
    assert all(each.xyxy.tolist() == [[0, 0, 20, 10]] for each in found)


def test_a_batch_that_lost_a_picture_is_filled_up(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    detector, errors = Brightness(), []
    source = [*pictures(0, 51, 102), tmp_path / "a.png"]
    found = list(detect(detector, source, batch_size=2, unreadable=errors.append))
    assert [len(errors), len(found)] == [1, 3]
    assert detector.shapes == [((2, 32, 32, 3), (2, 4))] * 2


@pytest.mark.parametrize(
    ("resize", "window"), [(None, [0, 0, 1, 1]), ("letterbox", [0, 0.25, 1, 0.75])]
)
def test_a_picture_is_resized_as_is_asked_for(resize, window):
    detector = Brightness()
    list(detect(detector, pictures(0), resize=resize))
    assert detector.window == window


def test_an_exported_model_fills_up_batches_itself():
    detector = Brightness()
    detector.batch_size = 2
    assert len(list(detect(detector, pictures(0, 51, 102)))) == 3
    assert [images[0] for images, _ in detector.shapes] == [2, 1]


@pytest.mark.parametrize(
    "suffix", [".bmp", ".jpeg", ".JPG", ".png", ".ppm", ".tif", ".TIFF", ".webp"]
)
def test_a_folder_has_the_pictures_of_every_format_in_order(tmp_path, suffix):
    for name in (f"c{suffix}", f"a{suffix}", f"b{suffix}", "a.txt"):
        (tmp_path / name).touch()
    expected = [str(tmp_path / f"{letter}{suffix}") for letter in "abc"]
    assert [name for name, _ in inference.pictures(tmp_path)] == expected
    assert [name for name, _ in inference.pictures(f"{tmp_path}/*{suffix}")] == expected


def test_a_folder_called_like_a_picture_is_none(tmp_path):
    (tmp_path / "a.jpg").mkdir()
    (tmp_path / "b.jpg").touch()
    assert inference.pictures(tmp_path) == [(str(tmp_path / "b.jpg"), tmp_path / "b.jpg")]


def test_pictures_are_read_ahead_in_order_and_errors_come_in_their_place():
    assert list(ahead(lambda x: x * x, list(range(9)))) == [x * x for x in range(9)]

    def fails(x):
        if x == 3:
            raise ZooError("three")
        return x

    results, seen = ahead(fails, list(range(9))), []
    with pytest.raises(ZooError, match="three"):
        for x in results:
            seen.append(x)
    assert seen == [0, 1, 2]
