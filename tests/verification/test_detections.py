"""Detections of two sides: partners, order, thresholds."""

import numpy as np
import pytest
import supervision as sv

from zoo.data.geometry import Geometry
from zoo.verification.detections import _same_order, compare_detections
from zoo.verification.inputs import Input
from zoo.verification.reference import Tolerances

PICTURE = Input(
    "none", np.zeros((100, 200, 3), np.uint8), np.zeros((32, 32, 3), np.float32),
    Geometry(0.16, 0.32, 0, 0, (100, 200)), ["a", "b"],
)  # fmt: skip


def found(*rows):
    """`supervision.Detections` of (class, score, x)."""
    return sv.Detections(
        xyxy=np.array([[x, 10, x + 20, 30] for _, _, x in rows], np.float32).reshape(-1, 4),
        confidence=np.array([score for _, score, _ in rows], np.float32),
        class_id=np.array([label for label, _, _ in rows], int),
    )


class Known:
    """A reference that says what it is told."""

    tolerances = Tolerances(layer=0, logit=0, box=1e-3, score=1e-2)
    thresholds = (0.25,)

    def __init__(self, theirs):
        self.theirs = theirs

    def detections(self, threshold):
        return self.theirs


A, B, C = (0, 0.9, 10), (1, 0.6, 50), (0, 0.4, 90)


@pytest.mark.parametrize(
    ("ours", "theirs", "rows", "order", "verdict"),
    [
        pytest.param([A, B, C], [A, B, C], True, True, "agrees", id="the same"),
        pytest.param([], [], True, True, "agrees", id="nothing on either side"),
        pytest.param([A, B], [A, B, C], False, True, "differs", id="one is missing"),
        pytest.param([A, B, C], [A, B], False, True, "differs", id="one too many"),
        pytest.param([A, B, (0, 0.255, 90)], [A, B], True, True, "agrees",
                     id="one at the threshold itself"),
        pytest.param([A, (1, 0.2, 50)], [A], True, True, "agrees", id="one below the threshold"),
        pytest.param([A, (0, 0.6, 50)], [A, B], False, True, "differs", id="another class"),
        pytest.param([A, (1, 0.62, 50)], [A, B], True, True, "differs", id="score 0.02 off"),
        pytest.param([A, (1, 0.6, 50.1)], [A, B], True, True, "agrees",
                     id="0.1 of 200 pixels: 5e-4"),
        pytest.param([A, (1, 0.6, 51)], [A, B], True, True, "differs", id="a pixel: 5e-3"),
    ],
)  # fmt: skip
def test_verdict(ours, theirs, rows, order, verdict):
    (row,) = compare_detections(found(*ours), Known(found(*theirs)), PICTURE)
    assert (row.same_rows, row.same_order, row.verdict) == (rows, order, verdict)


def test_errors_are_relative_to_the_picture():
    (row,) = compare_detections(found(A, (1, 0.605, 52)), Known(found(A, B)), PICTURE)
    assert row.max_box_error == pytest.approx(2 / 200)
    assert row.max_score_error == pytest.approx(0.005, abs=1e-6)


@pytest.mark.parametrize(
    ("ranks", "scores", "same"),
    [
        pytest.param([0, 1, 2], [0.9, 0.5, 0.1], True, id="in order"),
        pytest.param([1, 0], [0.9, 0.5], False, id="the worse first"),
        pytest.param([1, 0], [0.501, 0.5], True, id="scores equal within the tolerance"),
        pytest.param([], [], True, id="none"),
    ],
)
def test_order(ranks, scores, same):
    assert _same_order(np.array(ranks, int), np.array(scores), 1e-3) is same
