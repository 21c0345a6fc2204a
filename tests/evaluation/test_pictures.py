"""Detections drawn on pictures: every label can be read, every picture written."""

import itertools
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import supervision as sv

from zoo.data.sources.shapes import Shapes
from zoo.errors import ZooError
from zoo.evaluation.best_and_worst import SIDE, save_best_and_worst
from zoo.evaluation.found import Found
from zoo.evaluation.pictures import SPREAD, contact_sheet, draw, save_examples, write_picture
from zoo.evaluation.run import Result

COLOURS = [colour.as_rgb() for colour in sv.ColorPalette.DEFAULT.colors]


def found(classes):
    """Detections in one place."""
    return sv.Detections(
        xyxy=np.array([[60, 60, 160, 130]] * len(classes), np.float32).reshape(-1, 4),
        class_id=np.array(classes),
        confidence=np.full(len(classes), 0.5),
        data={"class_name": np.array(["cat"] * len(classes))},
    )


def area(picture, colour):
    return int((picture == colour).all(-1).sum())


def test_labels_of_boxes_in_one_place_do_not_cover_each_other():
    image = np.zeros((200, 300, 3), np.uint8)
    one, two = (area(draw(image, found(classes)), COLOURS[0]) for classes in ([0], [0, 0]))
    # Of the box that is drawn first only the label shows: the second one's lines are over its own.
    assert two - one > 250  # another label
    assert area(draw(image, found([0, 1])), COLOURS[0]) == pytest.approx(two - one, abs=20)


def test_crowds_of_labels_stay_where_they_are():
    image = np.zeros((200, 300, 3), np.uint8)
    crowd = draw(image, found([0] * (SPREAD + 1)))
    np.testing.assert_array_equal(crowd, draw(image, found([0])))


def named(name):
    detections = found([0])
    detections.data["class_name"] = np.array([name])
    return draw(np.full((200, 300, 3), 90, np.uint8), detections)


def test_letters_that_opencv_has_not_are_drawn():
    """Its font has two question marks for each of two bytes."""
    pictures = [named(name) for name in ("Fußgänger", "Fuögünger", "Fu??g??nger", "дом")]
    for one, other in itertools.combinations(pictures, 2):
        assert not np.array_equal(one, other)
    plain = np.full((200, 300, 3), 90, np.uint8)
    labels = [np.argwhere((p != plain).any(-1))[:, 0].min() for p in (pictures[0], named("Fuss"))]
    assert labels[0] == pytest.approx(labels[1], abs=4)  # a label of the same height and place


@pytest.mark.parametrize("label", range(len(COLOURS)))
def test_text_is_dark_on_light_colours_and_white_on_dark(label):
    picture = draw(np.full((800, 800, 3), 90, np.uint8), found([label])).astype(int)
    dark, white = (int((abs(picture - shade) < 60).all(-1).sum()) for shade in (0, 255))
    light = np.dot(COLOURS[label], [0.299, 0.587, 0.114]) > 140
    assert (dark > 100) == light and (white > 100) != light


def test_the_picture_itself_is_not_written_to_and_keeps_its_colours():
    image = np.zeros((64, 96, 3), np.uint8)
    image[..., 0] = 200
    picture = draw(image, found([]))
    np.testing.assert_array_equal(picture, image)
    draw(image, found([2]))
    assert image[..., 0].min() == 200 and not image[..., 1:].any()


def test_pictures_keep_their_colours_on_disk(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    write_picture(tmp_path / "new" / "a.png", image)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "new" / "a.png"))[..., ::-1], image)


@pytest.mark.parametrize(
    ("name", "shape", "reason"),
    [
        pytest.param("a" * 300 + ".png", (2, 2, 3), "File name too long", id="name"),
        pytest.param("a.jpg", (1, 70_000, 3), r"no .jpg can be \(1, 70000\) pixels", id="size"),
    ],
)
def test_a_picture_that_cannot_be_written_is_an_error_with_the_reason(
    name, shape, reason, tmp_path
):
    with pytest.raises(ZooError, match=f"cannot write .*{reason}"):
        write_picture(tmp_path / name, np.zeros(shape, np.uint8))


def test_a_box_that_sticks_out_is_drawn_up_to_the_edge():
    image, out, cut = np.zeros((200, 300, 3), np.uint8), found([0]), found([0])
    out.xyxy[:], cut.xyxy[:] = [-50, -40, 100, 250], [0, 0, 100, 200]
    np.testing.assert_array_equal(draw(image, out), draw(image, cut))


def test_boxes_of_a_sheet_are_scaled_with_its_pictures(tmp_path):
    """Of 64×96 (height × width) three halves are 96×144."""
    source = Shapes(split="train", images=1, size=(64, 96))
    there, here = found([0]), found([0])
    there.xyxy[:], here.xyxy[:] = [10, 20, 60, 50], [15, 30, 90, 75]
    seeing = SimpleNamespace(detect=lambda image: [there])
    save_examples(seeing, source, tmp_path / "examples.png", side=144)
    sheet = cv2.imread(str(tmp_path / "examples.png"))[..., ::-1]
    image = cv2.resize(source.image(0), (144, 96), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(sheet[:96, :144], draw(image, here))


def test_a_sheet_has_room_for_several_sizes():
    cells = [np.full((size, size, 3), size, np.uint8) for size in (20, 30, 20, 20, 20)]
    sheet = contact_sheet(cells, columns=4)
    assert sheet.shape == (2 * 34, 4 * 34, 3)
    assert (sheet[:30, 34:64] == 30).all() and (sheet[34:54, :20] == 20).all()
    assert (sheet[20:34, :34] == 255).all()


class Thin(Shapes):
    """Images a thousand times as wide as high, or the other way round."""

    def size(self, index):
        return [(1, 1000), (1000, 1)][index % 2]

    def image(self, index):
        return np.zeros((*self.size(index), 3), np.uint8)


def test_very_thin_images_are_shown_one_pixel_wide(tmp_path):
    source = Thin(split="train", images=2)
    blind = SimpleNamespace(detect=lambda image: [found([])])
    save_examples(blind, source, tmp_path / "examples.png", side=100)
    assert cv2.imread(str(tmp_path / "examples.png")).shape == (104, 208, 3)
    truth = {"categories": [], "annotations": []}
    analysis = {"per_image": [[1, 0, 0], [0, 0, 1]], "confidence": 0.5}
    worst, best = save_best_and_worst(Result({}, source, truth, Found(), 0), analysis, tmp_path)
    assert (worst["width"], worst["height"]) == (1, SIDE)
    assert (best["width"], best["height"]) == (SIDE, 1)
