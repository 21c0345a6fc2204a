import contextlib
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data.sample import Labels
from zoo.errors import ZooError
from zoo.evaluation.coco import (
    NAMES,
    coco_evaluation,
    coco_numbers,
    ground_truth,
)
from zoo.evaluation.found import Found
from zoo.evaluation.run import class_map


class Two:
    """Two images, two classes; a crowd of the second class in the second image."""

    class_names = ("cat", "dog")
    category_ids = (17, 18)

    def __len__(self):
        return 2

    def id(self, index):
        return ("first", "second")[index]

    def labels(self, index):
        boxes = [[[0, 0, 40, 40]], [[10, 10, 50, 50], [0, 0, 100, 100]]][index]
        return Labels(
            boxes=np.array(boxes, "float32"),
            classes=np.array([[0], [0, 1]][index], "int32"),
            crowd=np.array([[False], [False, True]][index]),
            area=np.array([[1200.0], [1600.0, 10000.0]][index], "float32"),
        )


CAT, DOG = Two.category_ids


def found(*detections):
    """Of detections (image, xyxy, score, category)."""
    rows = Found()
    for image, xyxy, score, category in detections:
        rows.add(image, np.array([xyxy], "float32"), np.array([score]), np.array([category]))
    return rows


def numbers(*detections):
    return coco_numbers(ground_truth(Two()), found(*detections))


def test_perfect_detections_score_one():
    result = numbers((0, [0, 0, 40, 40], 0.9, CAT), (1, [10, 10, 50, 50], 0.8, CAT))
    assert result["AP"] == result["AP50"] == pytest.approx(1.0)
    assert result["APl"] == -1  # no large box but the crowd


def test_half_found_at_no_false_positive():
    # Precision is 1 up to recall 1/2: 51 of COCO's 101 recall points.
    assert numbers((0, [0, 0, 40, 40], 0.9, CAT))["AP50"] == pytest.approx(51 / 101)


def test_an_overlap_of_two_thirds_counts_up_to_its_threshold():
    # IoU 0.7 in the first image: right at 0.50 … 0.70, 5 of 10 thresholds.
    result = numbers((0, [0, 0, 40, 28], 0.9, CAT), (1, [10, 10, 50, 50], 0.8, CAT))
    assert result["AP50"] == pytest.approx(1.0)
    assert result["AP75"] < 0.6


def test_a_detection_in_a_crowd_is_ignored():
    cats = (0, [0, 0, 40, 40], 0.9, CAT), (1, [10, 10, 50, 50], 0.8, CAT)
    assert numbers(*cats, (1, [60, 60, 90, 90], 0.95, DOG))["AP"] == pytest.approx(1.0)


def test_no_detection_scores_zero():
    assert numbers()["AP"] == 0


def test_detections_are_rows_of_coco():
    rows = found((1, [10, 10, 50, 40], 0.75, CAT), (0, [0, 0, 40, 12], 0.5, CAT))
    first = {"image_id": 1, "category_id": 17, "bbox": [10, 10, 40, 30], "score": 0.75}
    second = {"image_id": 0, "category_id": 17, "bbox": [0, 0, 40, 12], "score": 0.5}
    assert list(rows) == rows[:] == list(Found.of([first, second])) == [first, second]
    assert rows[-1] == second
    assert rows[rows.array[:, 0] == 1] == [first]
    assert json.dumps(rows[0]) == json.dumps({**first, "bbox": [10.0, 10.0, 40.0, 30.0]})
    evaluation = coco_evaluation(ground_truth(Two()), rows)
    status = evaluation.image_diagnostics(iou_thr=0.5)["dt_status"]
    assert status == {1: "tp", 2: "fp"}  # detection n has id n + 1


def pycocotools(truth, detections):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        reference.dataset = truth
        reference.createIndex()
        evaluation = COCOeval(reference, reference.loadRes(detections), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(NAMES, evaluation.stats.tolist(), strict=True))


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), images=st.integers(1, 5))
def test_all_12_numbers_equal_pycocotools(seed, images):
    rng = np.random.default_rng(seed)

    def boxes(count):
        return [
            [*rng.integers(0, 80, 2).tolist(), *rng.integers(1, 99, 2).tolist()]
            for _ in range(count)
        ]

    annotations = [
        {"image_id": i, "category_id": int(rng.integers(1, 4)), "bbox": b,
         "area": float(b[2] * b[3]), "iscrowd": int(rng.random() < 0.1)}
        for i in range(images) for b in boxes(rng.integers(1, 6))
    ]  # fmt: skip
    annotations = [{**a, "id": n} for n, a in enumerate(annotations, 1)]
    detections = [
        {"image_id": a["image_id"], "category_id": a["category_id"],
         "bbox": (np.array(a["bbox"]) + rng.integers(0, 4, 4)).tolist(),
         "score": float(rng.integers(1, 9)) / 10}
        for a in annotations * 2
    ]  # fmt: skip
    truth = {
        "info": {}, "licenses": [],
        "images": [{"id": i} for i in range(images)],
        "annotations": annotations,
        "categories": [{"id": c, "name": str(c)} for c in (1, 2, 3)],
    }  # fmt: skip
    ours, theirs = coco_numbers(truth, Found.of(detections)), pycocotools(truth, detections)
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_the_coco_apis_own_example(oracle_dir):
    folder = oracle_dir / "eval" / "cocoapi"
    truth = json.loads((folder / "instances_val2014_100.json").read_text())
    found = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    # The published table, to its three digits [val2014_fake_eval_res.txt].
    published = (0.505, 0.697, 0.573, 0.586, 0.519, 0.501, 0.387, 0.594, 0.595, 0.640, 0.566, 0.564)
    got = coco_numbers(truth, Found.of(found))
    assert tuple(got.values()) == pytest.approx(published, abs=5e-4)


def test_ground_truth_keeps_crowd_and_area():
    annotations = ground_truth(Two())["annotations"]
    assert [a["iscrowd"] for a in annotations] == [0, 0, 1]
    assert [a["bbox"] for a in annotations][1] == [10, 10, 40, 40]
    assert [a["area"] for a in annotations] == [1200, 1600, 10000]  # the first less than its box
    assert [a["category_id"] for a in annotations] == [17, 17, 18]


def test_classes_are_matched_by_name():
    assert class_map(["dog", "bird", "cat"], ["cat", "dog"]).tolist() == [1, -1, 0]


def test_a_class_that_the_detector_lacks_is_named():
    with pytest.raises(
        ZooError, match=r"class 'cot', which the detector does not know; did .* cat"
    ):
        class_map(["cat"], ["cot"])


def test_a_detector_without_names_is_told_where_to_give_them():
    with pytest.raises(ZooError, match=r"its classes are 0 … 1: .* without class_names=FILE"):
        class_map(["0", "1"], ["cat", "dog"])
