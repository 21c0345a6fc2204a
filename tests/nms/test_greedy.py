import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from zoo.ops.compile import xla
from zoo.registry import NMS

PIXELS = {"score_threshold": 0.1, "iou_threshold": 0.45, "max_candidates": 32, "max_detections": 8}


def run(kind, boxes, scores, **limits):
    out = NMS[kind](
        ops.convert_to_tensor(np.asarray(boxes, "float32")[None]),
        ops.convert_to_tensor(np.asarray(scores, "float32")[None]),
        **{**PIXELS, **limits},
    )
    out = {key: ops.convert_to_numpy(value)[0] for key, value in out.items()}
    n = int(out["count"])
    return [
        (int(c), round(float(s), 6), b.tolist())
        for c, s, b in zip(out["classes"][:n], out["scores"][:n], out["boxes"][:n], strict=True)
    ], out


A, SHIFTED, FAR = [0, 0, 10, 10], [0, 0, 10, 8], [50, 50, 60, 60]  # IoU(A, SHIFTED) = 0.8


@pytest.mark.parametrize(
    ("boxes", "scores", "kept"),
    [
        pytest.param([A, SHIFTED], [[0.9], [0.8]], [(0, 0.9)], id="the better of two is kept"),
        pytest.param([A, FAR], [[0.5], [0.9]], [(0, 0.9), (0, 0.5)], id="far boxes stay, sorted"),
        pytest.param([A, SHIFTED], [[0.9, 0], [0, 0.8]], [(0, 0.9), (1, 0.8)], id="per class"),
        pytest.param([A], [[0.9, 0.8]], [(0, 0.9), (1, 0.8)], id="one box, two labels"),
        pytest.param([A], [[0.1]], [], id="the threshold is strict"),
        pytest.param([[0, 0, np.inf, 9], A], [[0.9], [0.8]], [(0, 0.8)], id="infinite box"),
        pytest.param([A, FAR], [[np.nan], [0.8]], [(0, 0.8)], id="score that is no number"),
        pytest.param([A, A], [[0.5], [0.5]], [(0, 0.5)], id="identical boxes, equal scores"),
        pytest.param([[0, 0, 0, 0]] * 2, [[0.5], [0.4]], [(0, 0.5), (0, 0.4)], id="empty boxes"),
    ],
)
def test_default_keeps(boxes, scores, kept):
    found, out = run("default", boxes, scores)
    assert [(label, score) for label, score, _ in found] == [
        (label, pytest.approx(score)) for label, score in kept
    ]
    assert not out["boxes"][len(kept) :].any()


def test_a_suppressed_box_suppresses_nobody():
    # A–B and B–C overlap by 2/3, A–C by 3/7 < 0.45: A removes B, so C stays.
    boxes = [[0, 0, 10, 10], [2, 0, 12, 10], [4, 0, 14, 10]]
    found, _ = run("default", boxes, [[0.9], [0.8], [0.7]])
    assert [score for _, score, _ in found] == [pytest.approx(0.9), pytest.approx(0.7)]


def test_limits_are_kept_and_told():
    boxes = [[20 * i, 0, 20 * i + 10, 10] for i in range(40)]
    found, out = run("default", boxes, [[0.5 + i / 100] for i in range(40)])
    assert len(found) == 8
    assert out["candidates"] == 40  # more than max_candidates = 32
    assert found[0][1] == pytest.approx(0.89)


def greedy(boxes, scores, overlap, threshold, limit):
    """Darknet's rule, written down once more, slowly."""
    kept = []
    for label in range(scores.shape[1]):
        survivors = []
        for index in np.argsort(-scores[:, label], kind="stable"):
            if scores[index, label] <= threshold:
                continue
            if all(overlap(boxes[index], boxes[other]) <= limit for other in survivors):
                survivors.append(index)
        kept += [(label, int(index)) for index in survivors]
    return sorted(kept)


def slow_iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    inter = max(w, 0) * max(h, 0)
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 20), classes=st.integers(1, 4))
def test_the_fixed_point_is_the_greedy_result(seed, count, classes):
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 20, (count, 2)).astype("float32")
    boxes = np.concatenate([corner, corner + rng.integers(1, 20, (count, 2))], 1).astype("float32")
    # Different scores: among equal ones the order of boxes decides, and with it the result.
    scores = rng.permutation(count * classes).reshape(count, classes).astype("float32") / 80
    found, _ = run("default", boxes, scores, max_candidates=128, max_detections=128)
    lookup = {round(float(scores[i, c]), 6): (c, i) for i in range(count) for c in range(classes)}
    assert sorted(lookup[score] for _, score, _ in found) == greedy(
        boxes, scores, slow_iou, 0.1, 0.45
    )


@pytest.mark.parametrize("kind", ["default", "greedynms", "diounms"])
def test_eager_equals_xla(kind):
    rng = np.random.default_rng(0)
    corner = rng.random((2, 50, 2), "float32")
    boxes = np.concatenate([corner, corner + 0.2 * rng.random((2, 50, 2), "float32")], -1)
    scores = rng.random((2, 50, 3), "float32")
    eager = NMS[kind](ops.convert_to_tensor(boxes), ops.convert_to_tensor(scores), **PIXELS)
    fast = xla(lambda b, s: NMS[kind](b, s, **PIXELS))(boxes, scores)
    for key in eager:
        np.testing.assert_array_equal(
            ops.convert_to_numpy(eager[key]), ops.convert_to_numpy(fast[key])
        )


def darknets_orders(objectness, probabilities):
    """The order of rows before each class is suppressed [box.c:do_nms_sort].

    Rows of objectness 0 are swapped with the last and take no part; the stable sort of each class
    starts from the order that the class before left.
    """
    order, last, row = list(range(len(objectness))), len(objectness) - 1, 0
    while row <= last:
        if objectness[order[row]] == 0:
            order[row], order[last] = order[last], order[row]
            last -= 1
        else:
            row += 1
    order = np.array(order[: last + 1], int)
    for label in range(probabilities.shape[1]):
        yield order
        order = order[np.argsort(-probabilities[order, label], kind="stable")]


@pytest.mark.parametrize("kind", ["default", "greedynms", "diounms"])
def test_kept_rows_equal_darknets(oracle_dir, kind):
    golden = np.load(oracle_dir / "boxes" / "nms.npz")
    starts = np.cumsum([0, *golden["n"]])
    ends = np.cumsum([0, *golden[f"kept_n_{kind}"]])
    size, most = 1920, golden["probs"].shape[1]
    compiled = {}
    for index in range(200):
        rows = slice(starts[index], starts[index + 1])
        probabilities, objectness = golden["probs"][rows], golden["boxes"][rows, 4]
        centre, half = golden["boxes"][rows, :2], golden["boxes"][rows, 2:4] / 2
        xyxy = np.concatenate([centre - half, centre + half], 1)
        orders = list(darknets_orders(objectness, probabilities))
        # Each class as an image of its own, its rows in the order that settles Darknet's ties.
        boxes, scores = np.zeros((most, size, 4), "float32"), np.zeros((most, size, 1), "float32")
        for label, order in enumerate(orders):
            boxes[label, : len(order)] = xyxy[order]
            scores[label, : len(order), 0] = probabilities[order, label]
        beta = float(golden["beta"][index])
        options = {"beta": beta} if kind == "diounms" else {}
        limits = {"score_threshold": 0.0, "max_candidates": size, "max_detections": size}
        run = compiled.setdefault(
            tuple(options.items()),
            xla(lambda b, s, t, o=options: NMS[kind](b, s, iou_threshold=t, **limits, **o)),
        )
        out = run(boxes, scores, np.float32(golden["thresh"][index]))
        out = {key: ops.convert_to_numpy(value) for key, value in out.items()}
        kept = slice(ends[index], ends[index + 1])
        for label in range(int(golden["classes"][index])):
            row = golden[f"kept_row_{kind}"][kept][golden[f"kept_class_{kind}"][kept] == label]
            row = orders[label][np.isin(orders[label], row)]
            row = row[np.argsort(-probabilities[row, label], kind="stable")]
            n = out["count"][label]
            np.testing.assert_array_equal(out["scores"][label, :n], probabilities[row, label])
            np.testing.assert_array_equal(out["boxes"][label, :n], xyxy[row])
