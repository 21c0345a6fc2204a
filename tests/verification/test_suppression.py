"""Darknet's suppression in NumPy against Darknet's own results, and against ours on tensors."""

import numpy as np
import pytest
from keras import ops

from zoo.errors import ZooError
from zoo.registry import NMS
from zoo.verification.suppression import check_nms, overlaps, suppressed

UNIT = [0, 0, 10, 10]


@pytest.mark.parametrize(
    ("other", "exponent", "expected"),
    [
        pytest.param([0, 0, 10, 8], None, 0.8, id="80 of 100"),
        pytest.param([20, 0, 30, 10], None, 0.0, id="apart"),
        # centres 1 apart, diagonal² 200: 0.8 − 0.005 with exponent 1
        pytest.param([0, 0, 10, 8], 1.0, 0.8 - 1 / 200, id="distance is taken off"),
        pytest.param([0, 0, 10, 8], 0.6, 0.8 - (1 / 200) ** 0.6, id="to Darknet's power"),
    ],
)
def test_overlap(other, exponent, expected):
    found = overlaps(np.array(UNIT, float), np.array([other], float), exponent)
    assert found.tolist() == pytest.approx([expected])


@pytest.fixture(scope="module")
def sets(oracle_dir):
    """Boxes, scores and what Darknet kept of 200 sets, as (row, class) pairs by kind."""
    with np.load(oracle_dir / "boxes" / "nms.npz") as file:
        arrays = {key: file[key] for key in file.files}
    ends = np.cumsum(arrays["n"])
    found = []
    for number, (start, end) in enumerate(zip(ends - arrays["n"], ends, strict=True)):
        boxes, classes = arrays["boxes"][start:end], arrays["classes"][number]
        kept = {}
        for kind in ("default", "greedynms", "diounms"):
            stops = np.cumsum(arrays[f"kept_n_{kind}"])
            part = slice(stops[number] - arrays[f"kept_n_{kind}"][number], stops[number])
            pairs = (arrays[f"kept_row_{kind}"][part], arrays[f"kept_class_{kind}"][part])
            kept[kind] = set(zip(*(side.tolist() for side in pairs), strict=True))
        limits = (float(arrays["thresh"][number]), float(arrays["beta"][number]))
        found.append((boxes, arrays["probs"][start:end, :classes], limits, kept))
    return found


@pytest.mark.parametrize("kind", ["default", "greedynms", "diounms"])
def test_darknet_keeps_the_same(sets, kind):
    compared = 0
    for boxes, scores, (threshold, beta), kept in sets:
        # Equal scores are kept in an order that Darknet carries over from class to class, and
        # boxes of no objectness are no candidates: such sets are another matter.
        equal = any(len(np.unique(c[c > 0])) < (c > 0).sum() for c in scores.T)
        if len(boxes) > 120 or equal or (boxes[:, 4] == 0).any():
            continue
        found = suppressed(
            boxes[:, :4], scores, name=kind, score_threshold=0, iou_threshold=threshold, beta=beta,
            max_candidates=10**6, max_detections=10**6,
        )  # fmt: skip
        assert int(found["count"][0]) == len(kept[kind])
        want = sorted((label, float(scores[row, label])) for row, label in kept[kind])
        got = sorted(zip(found["classes"][0].tolist(), found["scores"][0].tolist(), strict=True))
        assert got == want
        compared += 1
    assert compared > 30


@pytest.mark.parametrize("kind", ["default", "greedynms", "diounms"])
def test_ours_on_tensors_gives_the_same(kind):
    random = np.random.default_rng(0)
    boxes = np.concatenate([random.random((60, 2)), random.random((60, 2)) * 0.5], 1)
    scores = random.random((60, 3))
    boxes, scores = boxes.astype("float32"), scores.astype("float32")
    limits = {"score_threshold": 0.2, "max_candidates": 128, "max_detections": 50}
    want = suppressed(boxes, scores, name=kind, **limits)
    xyxy = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
    got = NMS[kind](*(ops.convert_to_tensor(array[None]) for array in (xyxy, scores)), **limits)
    count = int(want["count"][0])
    assert int(got["count"][0]) == count > 10
    for key in ("boxes", "scores", "classes"):
        mine = ops.convert_to_numpy(got[key])[:, :count]
        np.testing.assert_allclose(mine, want[key], atol=1e-6)
    assert count < int(got["candidates"][0]) <= int(want["candidates"][0])


def test_a_suppression_that_darknet_has_not():
    with pytest.raises(ZooError, match="no NMS 'diounm'; did you mean diounms"):
        suppressed(np.zeros((1, 4)), np.ones((1, 1)), name="diounm", score_threshold=0.1)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("class_agnostic", True, "nms class_agnostic=true: .* leave it false"),
        ("multi_label", False, "nms multi_label=false: .* leave it true"),
        ("max_per_class", 5, "nms max_per_class=5: .* leave it null"),
    ],
)
def test_settings_that_darknet_has_not(key, value, sentence):
    boxes, scores = np.array([[0.5, 0.5, 1, 1]]), np.ones((1, 1))
    limits = {"name": "default", "score_threshold": 0.1}
    with pytest.raises(ZooError, match=sentence):
        suppressed(boxes, scores, **limits, **{key: value})
    with pytest.raises(ZooError, match=sentence):
        check_nms({**limits, key: value})
    darknets = {"class_agnostic": False, "multi_label": True, "max_per_class": None}
    check_nms({**limits, **darknets})
    assert suppressed(boxes, scores, **limits, **darknets)["count"] == [1]
