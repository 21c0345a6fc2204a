import logging

import numpy as np
import pytest

from zoo.data.anchors import anchor_fit, trainable_sides, used_anchors, warn_of_unfit_anchors
from zoo.data.geometry import resize, resized_sides
from zoo.data.sample import Labels

HEAD = {"anchors": [[1, 1], [10, 10], [20, 20]], "masks": {"P5": [1, 2], "P4": [1]}}


class Wide:
    """A 200×100 image (width × height) with a box of 40×20, a crowd, and one half a pixel wide."""

    class_names, category_ids, fingerprint = ("a",), (1,), ""

    def __len__(self):
        return 2

    def size(self, index):
        return 100, 200

    def labels(self, index):
        if index:
            return Labels.of([], [])
        return Labels.of([(10, 10, 50, 30), (0, 0, 9, 9), (0, 0, 0.5, 20)], [0, 0, 0],
                         [False, True, False])  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        pytest.param("stretch", (20, 20), id="stretch: halved and kept"),
        pytest.param("letterbox", (20, 10), id="letterbox: both halved"),
    ],
)
def test_sides_are_those_at_the_network_input(mode, expected):
    np.testing.assert_allclose(resized_sides(Wide(), (100, 100), mode=mode)[0], expected)
    np.testing.assert_allclose(trainable_sides(Wide(), (100, 100), mode), [expected])
    box = resize(np.zeros((100, 200, 3), np.uint8), (100, 100), mode=mode)[1].forward(
        [10, 10, 50, 30]
    )
    np.testing.assert_allclose(box[2:] - box[:2], expected)


def test_a_box_of_one_pixel_counts(monkeypatch):
    monkeypatch.setattr(Wide, "labels", lambda *_: Labels.of([(0, 0, 2, 1)], [0]))
    np.testing.assert_array_equal(trainable_sides(Wide(), (100, 100), "stretch"), [[1, 1]] * 2)


def test_fit_depends_on_the_mode():
    assert anchor_fit(Wide(), [[20, 20]], (100, 100), "stretch").average_iou == pytest.approx(1)
    assert anchor_fit(Wide(), [[20, 20]], (100, 100), "letterbox").average_iou == pytest.approx(0.5)


def test_an_anchor_of_no_level_does_not_count():
    assert used_anchors(HEAD) == [[10, 10], [20, 20]]
    assert used_anchors({}) == []


@pytest.mark.parametrize(
    ("size", "warned"),
    [
        pytest.param((100, 100), False, id="20 by 20 has its anchor"),
        pytest.param((1000, 1000), True, id="200 by 200 is ten times the largest"),
    ],
)
def test_a_misfit_is_said_before_training(caplog, size, warned):
    with caplog.at_level(logging.WARNING):
        warn_of_unfit_anchors(Wide(), HEAD, size, "stretch")
    assert ("anchors do not fit the data: 100.0 % of 2 boxes" in caplog.text) == warned
    warn_of_unfit_anchors(Wide(), {"name": "anchor_free"}, size, "stretch")


@pytest.mark.parametrize(
    ("anchors", "warned"),
    [
        pytest.param(HEAD["anchors"], False, id="the first of three is left out, as by Darknet"),
        pytest.param([*HEAD["anchors"], [30, 30]], True, id="the last of four"),
    ],
)
def test_anchors_beyond_the_masks_are_said_before_training(caplog, anchors, warned):
    with caplog.at_level(logging.WARNING):
        warn_of_unfit_anchors(Wide(), {**HEAD, "anchors": anchors}, (100, 100), "stretch")
    assert ("masks end at anchor 2 of 4 (counted from 0): no level" in caplog.text) == warned
