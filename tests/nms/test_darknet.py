"""Darknet's own results: the same boxes kept, and none other."""

import numpy as np
import pytest
from keras import ops

from zoo.building import build
from zoo.config import compose, plain
from zoo.data.geometry import resize
from zoo.ops.boxes import within
from zoo.ops.compile import xla
from zoo.registry import NMS

KINDS = ("default", "greedynms", "diounms")


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


class OneClass:
    """A class of one of the 200 sets, its rows in the order that settles Darknet's ties."""

    def __init__(self, golden, number, label, order, rows):
        xyxy = golden["boxes"][rows][order]
        half = xyxy[:, 2:4] / 2
        self.boxes = np.concatenate([xyxy[:, :2] - half, xyxy[:, :2] + half], axis=1)
        self.scores = golden["probs"][rows][order, label]
        self.threshold, self.beta = golden["thresh"][number], float(golden["beta"][number])
        self.kept = {}
        for kind in KINDS:
            start = golden[f"kept_n_{kind}"][:number].sum()
            part = slice(start, start + golden[f"kept_n_{kind}"][number])
            its = golden[f"kept_class_{kind}"][part] == label
            kept = np.flatnonzero(np.isin(order, golden[f"kept_row_{kind}"][part][its]))
            self.kept[kind] = kept[np.argsort(-self.scores[kept], kind="stable")]


@pytest.fixture(scope="module")
def classes(oracle_dir):
    """All classes of all sets, the smallest first."""
    with np.load(oracle_dir / "boxes" / "nms.npz") as file:
        golden = {key: file[key] for key in file.files}
    found, starts = [], np.cumsum([0, *golden["n"]])
    for number, count in enumerate(golden["classes"]):
        rows = slice(starts[number], starts[number + 1])
        orders = darknets_orders(golden["boxes"][rows, 4], golden["probs"][rows, :count])
        found += [
            OneClass(golden, number, label, order, rows) for label, order in enumerate(orders)
        ]
    return sorted(found, key=lambda one: len(one.boxes))


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        pytest.param("default", {}, id="default"),
        pytest.param("greedynms", {}, id="greedynms"),
        pytest.param("diounms", {"beta": 0.5}, id="diounms, beta_nms=0.5"),
        pytest.param("diounms", {"beta": 0.6}, id="diounms, beta_nms=0.6"),
        pytest.param("diounms", {"beta": 0.9}, id="diounms, beta_nms=0.9"),
    ],
)
def test_the_same_rows_are_kept_in_the_same_order(classes, kind, keys):
    size = 1920  # one compiled shape, each class an image of its own
    options = {"score_threshold": 0.0, "max_candidates": size, "max_detections": 256, **keys}
    run = xla(lambda boxes, scores, at: NMS[kind](boxes, scores, iou_threshold=at, **options))
    chosen = [one for one in classes if keys.get("beta", one.beta) == pytest.approx(one.beta)]
    for one in chosen:
        boxes, scores = np.zeros((1, size, 4), "float32"), np.zeros((1, size, 1), "float32")
        boxes[0, : len(one.boxes)], scores[0, : len(one.boxes), 0] = one.boxes, one.scores
        out = run(*map(ops.convert_to_tensor, (boxes, scores, np.float32(one.threshold))))
        out = {key: ops.convert_to_numpy(value)[0] for key, value in out.items()}
        count, kept = out["count"], one.kept[kind]
        np.testing.assert_array_equal(out["scores"][:count], one.scores[kept])
        np.testing.assert_array_equal(out["boxes"][:count], one.boxes[kept])
    assert len(chosen) > 150


MODELS = {"yolov4-tiny": "yolov4_tiny", "yolov3-tiny-mask123": "yolov3_tiny"}
PICTURES = {"dog": (576, 768), "person": (424, 640)}


@pytest.fixture(scope="module")
def decoded(oracle_dir):
    """Golden files whose heads are known, and these decoded by our head: boxes, scores, batched.

    Boxes are relative to the picture, as Darknet suppresses them: d²/c² of a letterboxed input is
    another.
    """
    files, boxes, scores = [], [], []
    for model, name in MODELS.items():
        head = build("head", plain(compose(f"model/{name}"))["model"]["head"], num_classes=80)
        for path in sorted((oracle_dir / "forward" / "real").glob(f"{model}_*.npz")):
            golden = np.load(path)
            if "head0_in" not in golden:
                continue  # too large to be there
            raw = [golden[f"head{k}_in"].transpose(1, 2, 0)[None] for k in range(2)]
            b, s = head.decode(dict(zip(("P5", "P4"), raw, strict=True)))
            _, picture, mode = path.stem.rsplit("_", 2)
            files.append(golden)
            boxes.append(in_picture(ops.convert_to_numpy(b), picture, mode))
            scores.append(ops.convert_to_numpy(s))
    return files, np.concatenate(boxes), np.concatenate(scores)


def in_picture(boxes, picture, mode):
    """Boxes relative to a square network input of 416 → relative to the picture."""
    blank = np.zeros((*PICTURES[picture], 3), np.uint8)
    _, geometry = resize(blank, (416, 416), mode=mode, interpolation="darknet")
    window = geometry.window((416, 416))[None]
    return ops.convert_to_numpy(within(*map(ops.convert_to_tensor, (boxes, window))))


@pytest.mark.parametrize("kind", ["raw", *KINDS])
@pytest.mark.parametrize("threshold", [0.25, 0.005, 0.001])
def test_detections_of_real_photographs(decoded, kind, threshold):
    files, boxes, scores = decoded
    options = {"score_threshold": threshold, "max_candidates": 512, "max_detections": 400}
    if kind == "raw":  # what no overlap suppresses
        options["iou_threshold"] = 1.0
    part = NMS["default" if kind == "raw" else kind]
    found = part(ops.convert_to_tensor(boxes), ops.convert_to_tensor(scores), **options)
    found = {key: ops.convert_to_numpy(value) for key, value in found.items()}
    assert len(files) == 6
    for image, golden in enumerate(files):
        rows = golden[f"dets_{kind}_{threshold}"]
        rows = rows[np.argsort(-rows[:, 1], kind="stable")]
        count = int(found["count"][image])
        assert found["classes"][image, :count].tolist() == rows[:, 0].astype(int).tolist()
        np.testing.assert_allclose(found["scores"][image, :count], rows[:, 1], atol=1e-4, rtol=0)
        xyxy = np.concatenate([rows[:, 3:5] - rows[:, 5:7] / 2, rows[:, 3:5] + rows[:, 5:7] / 2], 1)
        np.testing.assert_allclose(found["boxes"][image, :count], xyxy, atol=1e-5, rtol=0)
        assert found["candidates"][image] == len(golden[f"dets_raw_{threshold}"])
