import json

import pytest

from zoo.evaluation.darknet_map import POINTS, darknet_map, darknet_order

MODELS = ["yolov4-tiny", "yolov3-tiny-mask123"]


def truth(*boxes, classes=2, images=()):
    """Objects (class, left, top, width, height) of image 0, or of `images`."""
    images = images or [0] * len(boxes)
    return {
        "categories": [{"id": 10 + label} for label in range(classes)],
        "annotations": [
            {"image_id": image, "category_id": 10 + label, "bbox": list(box), "iscrowd": 0}
            for image, (label, *box) in zip(images, boxes, strict=True)
        ],
    }


def found(*rows):
    """Detections (score, class, left, top, width, height) of image 0."""
    return [
        {"image_id": 0, "category_id": 10 + label, "bbox": list(box), "score": score}
        for score, label, *box in rows
    ]


A, B = (0, 0, 10, 10), (20, 0, 10, 10)


def test_areas_under_a_curve_of_one_half():
    """One of two objects found, a false one first: precision 0, then 1/2, at recall 1/2."""
    result = darknet_map(
        truth((0, *A), (0, *B), classes=1), found((0.9, 0, 50, 50, 9, 9), (0.8, 0, *A))
    )
    # Exactly: 1/2 · 1/2. Of 11 points 0, .1, … .5 have precision 1/2; of 101 points 51.
    assert result["mAP"] == pytest.approx({"0": 1 / 4, "11": 6 / 22, "101": 51 / 202})


def test_a_recall_on_the_grid_counts():
    """7 of 10: 0.7 is 7/10 and not 7 · 0.1, which is more."""
    boxes = [(0, 20 * n, 0, 10, 10) for n in range(10)]
    result = darknet_map(
        truth(*boxes, classes=1), found(*((0.9, 0, *box[1:]) for box in boxes[:7]))
    )
    assert result["mAP"]["11"] == pytest.approx(8 / 11)


def test_a_class_without_objects_counts_as_zero():
    assert darknet_map(truth((0, *A)), found((0.9, 0, *A)))["mAP"]["0"] == pytest.approx(1 / 2)


def test_nothing_found_and_nothing_there():
    assert darknet_map(truth((0, *A)), [])["FN"] == 1
    nothing = darknet_map(truth(), found((0.9, 0, *A)))
    assert (nothing["mAP"]["0"], nothing["TP"], nothing["FP"]) == (0, 0, 1)


def test_half_an_overlap_is_no_hit():
    """IoU 1/2 exactly: Darknet asks for more."""
    assert darknet_map(truth((0, *A)), found((0.9, 0, 0, 0, 10, 5)))["TP"] == 0
    assert darknet_map(truth((0, *A)), found((0.9, 0, 0, 0, 10, 6)))["TP"] == 1


def test_a_second_hit_of_an_object_is_wrong():
    result = darknet_map(truth((0, *A)), found((0.9, 0, *A), (0.8, 0, *A)))
    assert (result["TP"], result["FP"], result["FN"]) == (1, 1, 0)
    assert (result["precision"], result["recall"]) == (1 / 2, 1)
    assert result["F1"] == pytest.approx(2 / 3)


def test_a_score_at_the_confidence_is_not_above_it():
    result = darknet_map(truth((0, *A)), found((0.25, 0, *A)))
    assert (result["TP"], result["FP"], result["FN"]) == (0, 0, 1)


def test_average_iou_counts_false_ones_as_zero():
    """IoU 0.8 and a miss."""
    result = darknet_map(truth((0, *A)), found((0.9, 0, 0, 0, 10, 8), (0.3, 0, *B)))
    assert result["average_iou"] == pytest.approx(0.4)


def test_precision_goes_by_the_given_order_and_ap_by_score():
    """A weak detection listed first takes the object: the strong one is wrong at 0.25."""
    result = darknet_map(truth((0, *A), classes=1), found((0.1, 0, *A), (0.9, 0, *A)))
    assert (result["TP"], result["FP"]) == (0, 1)
    assert result["mAP"]["0"] == pytest.approx(1.0)


def test_a_crowd_is_no_object():
    crowd = truth((0, *A), (0, *B), classes=1)
    crowd["annotations"][1]["iscrowd"] = 1
    result = darknet_map(crowd, found((0.9, 0, *A), (0.8, 0, *B)))
    assert (result["TP"], result["FP"], result["FN"]) == (1, 1, 0)


def test_the_last_class_decides_darknets_order():
    one, other = (0, 0, 1, 1), (5, 5, 1, 1)
    rows = found((0.9, 0, *one), (0.2, 1, *other), (0.1, 0, *other))
    assert [row["score"] for row in darknet_order(rows)] == [0.1, 0.2, 0.9]


@pytest.mark.parametrize("model", MODELS)
def test_from_darknets_detections_comes_darknets_map(model, oracle_dir):
    labels = json.loads((oracle_dir / "eval" / "labels.json").read_text())["labels"]
    file = oracle_dir / "eval" / f"detections_{model}.json"
    rows = json.loads(file.read_text())["detections"]
    want = json.loads((oracle_dir / "eval" / f"map_{model}.json").read_text())["results"]
    boxes = [(image, row) for image, rows in labels.items() for row in rows]
    result = darknet_map(
        truth(*((row[0], *corner(row[1:])) for _, row in boxes), classes=80,
              images=[image for image, _ in boxes]),
        [
            {"image_id": image, "category_id": 10 + label, "bbox": corner(box), "score": score}
            for image, found in rows.items()
            for label, score, _, *box in found
        ],
    )  # fmt: skip
    for points in POINTS:
        golden = want[f"points_{points}"]
        assert result["mAP"][str(points)] == pytest.approx(golden["map"], abs=1e-5)
        assert result["AP_per_class"][str(points)] == pytest.approx(
            golden["ap_per_class"], abs=1e-5
        )
    assert (result["TP"], result["FP"], result["FN"]) == tuple(
        golden[k] for k in ("tp", "fp", "fn")
    )
    assert result["average_iou"] == pytest.approx(golden["average_iou"], abs=1e-5)


def corner(cxcywh):
    x, y, width, height = cxcywh
    return [x - width / 2, y - height / 2, width, height]
