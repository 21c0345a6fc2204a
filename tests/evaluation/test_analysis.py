import numpy as np
import pytest

from zoo.data.sample import Labels
from zoo.evaluation import found as found_module
from zoo.evaluation.analysis import Status, analyse
from zoo.evaluation.best_and_worst import ranked, save_best_and_worst
from zoo.evaluation.coco import coco_evaluation, coco_numbers, ground_truth
from zoo.evaluation.found import Found
from zoo.evaluation.run import Result


class Pets:
    """Two cats in image 0; a cat and a dog in image 1, with a crowd of dogs; image 2 is empty."""

    class_names = ("cat", "dog", "eel")
    category_ids = (17, 18, 19)
    boxes = (
        [[0, 0, 40, 40], [50, 50, 90, 90]],
        [[0, 0, 20, 20], [40, 40, 60, 60], [0, 60, 30, 100]],
        np.zeros((0, 4)),
    )
    classes = ([0, 0], [0, 1, 1], [])

    def __len__(self):
        return 3

    def id(self, index):
        return f"pet-{index}"

    def size(self, index):
        return 100, 200

    def image(self, index):
        return np.full((100, 200, 3), 60 * index, np.uint8)

    def labels(self, index):
        crowd = [box == [0, 60, 30, 100] for box in np.asarray(self.boxes[index]).tolist()]
        return Labels.of(self.boxes[index], self.classes[index], crowd)


def result(*rows, ids=(17, 18, 19)):
    """Of detections (image, class, score, left, top, width, height)."""
    source = Pets()
    source.category_ids = ids
    truth = ground_truth(source)
    found = Found.of(
        {"image_id": image, "category_id": ids[label], "score": score, "bbox": box}
        for image, label, score, *box in rows
    )
    return Result(coco_numbers(truth, found), source, truth, found, cut=2)


# A cat found, the other one missed; image 1: the cat is called a dog, the dog is found, the crowd
# is hit; image 2: an eel where nothing is.
ROWS = [
    (0, 0, 0.9, 0, 0, 40, 40),
    (1, 1, 0.8, 0, 0, 20, 20),
    (1, 1, 0.7, 40, 40, 20, 20),
    (1, 1, 0.6, 0, 70, 20, 20),
    (2, 2, 0.5, 0, 0, 10, 10),
]


@pytest.fixture(scope="module")
def analysis():
    return analyse(result(*ROWS))


def test_counts(analysis):
    keys = ("images", "objects", "detections", "cut")
    assert [analysis[key] for key in keys] == [3, 4, 5, 2]
    assert analysis["metrics"] == result(*ROWS).metrics


def test_classes_at_the_confidence_of_the_best_f1(analysis):
    # Dog: wrong at .8, right at .7, so 2/3 is its best F1, below .7; cat: 1 of 3 right, 2/4.
    assert analysis["confidence"] == pytest.approx(0.01)
    cat, dog, eel = analysis["per_class"]
    assert (cat["name"], cat["objects"], cat["P"], cat["R"], cat["F1"]) == (
        "cat", 3, 1.0, pytest.approx(1 / 3, abs=1e-4), 0.5)  # fmt: skip
    assert (dog["objects"], dog["P"], dog["R"]) == (1, 0.5, 1.0)
    assert (eel["objects"], eel["AP"], eel["F1"]) == (0, -1, -1)
    # Precision 1 up to recall 1/3 (34 of 101 points); 1/2 up to 1.
    assert cat["AP50"] == pytest.approx(34 / 101, abs=1e-6)
    assert dog["AP50"] == pytest.approx(0.5)


def test_curves_fall_where_detections_end(analysis):
    curves = analysis["curves"]
    at = {c: n for n, c in enumerate(curves["confidence"])}
    assert curves["R"][at[0.5]] == pytest.approx((1 / 3 + 1) / 2, abs=1e-4)
    assert curves["R"][at[0.75]] == pytest.approx(1 / 6, abs=1e-4)
    assert curves["R"][at[0.9]] == 0  # a detection scores more than the confidence
    assert curves["P"][at[0.75]] == pytest.approx(0.5)
    assert curves["precision"]["0.50"][100] == pytest.approx(0.25)  # mean of 0 and 1/2


def test_a_confusion_and_the_background(analysis):
    cells = {(row, column): count for row, column, count in analysis["confusion"]["cells"]}
    assert cells[0, 0] == 1  # cat found
    assert cells[0, 1] == 1  # cat called dog
    assert cells[0, 3] == 1  # cat missed
    assert cells[1, 1] == 1
    assert cells[3, 2] == 1  # an eel from nothing


def test_images_and_their_ranking(analysis):
    assert analysis["per_image"] == [[1, 0, 1], [1, 1, 1], [0, 1, 0]]
    # F1 2/3 and 1/2; the image without objects is neither good nor bad.
    assert ranked(analysis["per_image"]) == [1, 0]


def test_images_at_a_confidence_have_what_scores_more():
    found = result(*ROWS)
    status = Status(coco_evaluation(found.truth, found.found), found)
    # At 0.7 the cat called a dog, 0.8, is left of image 1, and of image 2 nothing.
    assert status.per_image(0.7).tolist() == [[1, 0, 1], [0, 1, 2], [0, 0, 0]]


def test_statuses_are_of_numbers_not_of_a_dictionary_a_detection(monkeypatch):
    monkeypatch.setattr(found_module, "_row", None)  # half a million take half a minute
    one = result(*ROWS)
    status = Status(coco_evaluation(one.truth, one.found), one)
    assert status.right.tolist() == [True, False, True, False]  # one in the crowd does not count
    assert status.labels.tolist() == [0, 1, 1, 2]
    assert status.scores.tolist() == [0.9, 0.8, 0.7, 0.5]
    assert status.images.tolist() == [0, 1, 1, 2]


def test_the_fuller_image_is_the_worse_and_the_better_one():
    assert ranked([[0, 0, 1], [0, 0, 9], [1, 0, 0], [9, 0, 0]]) == [1, 0, 2, 3]


def test_sizes_and_labels(analysis):
    assert [row["objects"] for row in analysis["sizes"]] == [2, 2, 0]  # 20² and 40² pixels
    labels = analysis["labels"]
    assert labels["per_image"] == [1, 0, 2]
    assert np.sum(labels["centres"]) == 4
    # (20, 20) of 200×100: column 1 of 12, row 2.
    assert labels["centres"][2][1] == 1
    assert labels["sides"][4][2] == 2  # 40 of 100 high, 40 of 200 wide


def test_ids_may_fall(analysis):
    turned = analyse(result(*ROWS, ids=(18, 19, 17)))
    for key in ("metrics", "per_class", "curves", "confusion"):
        assert turned[key] == analysis[key]


def test_a_class_is_of_all_sizes_and_a_size_of_all_classes():
    """Of three cats and a dog one small cat, at an IoU of 0.72: right at 0.50 … 0.70, half of 10.

    The cats' recall is 1/3 then, which has 34 of 101 points; the other small one is the dog.
    """
    analysis = analyse(result((1, 0, 0.7, 0, 0, 20, 14.4)))
    cat, small, medium = analysis["per_class"][0], *analysis["sizes"][:2]
    keys = ("AP", "AP50", "AR100")
    assert [cat[key] for key in keys] == pytest.approx([17 / 101, 34 / 101, 1 / 6], abs=1e-6)
    assert [small[key] for key in keys] == pytest.approx([1 / 4, 1 / 2, 1 / 4], abs=1e-6)
    assert [medium[key] for key in keys] == [0, 0, 0]


CATS = [(0, 0, 0.9, 0, 0, 40, 40), (0, 0, 0.8, 50, 50, 40, 40), (1, 0, 0.7, 0, 0, 20, 20)]


def test_recall_is_of_more_than_one_detection_in_an_image():
    assert analyse(result(*CATS))["per_class"][0]["AR100"] == 1


def test_what_an_error_costs():
    # A dog where nothing is, before the real one: its AP50 is 1/2, not 1 as that of the cats.
    errors = analyse(result(*CATS, (2, 1, 0.9, 0, 0, 9, 9), (1, 1, 0.5, 40, 40, 20, 20)))["errors"]
    assert errors.pop("Bkg") == {"count": 1, "AP50_lost": 0.25}
    assert {(kind["count"], kind["AP50_lost"]) for kind in errors.values()} == {(0, 0)}


def test_nothing_detected():
    empty = analyse(result())
    assert empty["metrics"]["AP"] == 0
    assert empty["per_image"] == [[0, 0, 2], [0, 0, 2], [0, 0, 0]]
    assert max(empty["curves"]["F1"]) == 0


def test_examples_are_small_and_their_boxes_relative(analysis, tmp_path):
    worst, best = save_best_and_worst(result(*ROWS), analysis, tmp_path)
    assert (worst["kind"], worst["id"], worst["file"]) == ("worst", "pet-1", "worst-1.jpg")
    assert (best["kind"], best["id"], best["width"], best["height"]) == ("best", "pet-0", 480, 240)
    assert best["truth"] == [[0, 0, 0, 0.2, 0.4], [0, 0.25, 0.5, 0.45, 0.9]]
    assert best["found"] == [[0, 0, 0, 0.2, 0.4, 0.9]]
    assert (tmp_path / "best-1.jpg").is_file()


def test_pictures_show_what_scores_more_than_the_confidence(analysis, tmp_path):
    worst, _ = save_best_and_worst(result(*ROWS), {**analysis, "confidence": 0.7}, tmp_path)
    assert [box[-1] for box in worst["found"]] == [0.8]  # of 0.8, 0.7 and 0.6


class Alone(Pets):
    """One cat in one image of 100×200, of classes that have no other objects."""

    def __init__(self, width, height):
        self.boxes, self.classes = ([[0, 0, width, height]],), ([0],)

    def __len__(self):
        return 1


def alone(sides, found, score=0.9):
    """Analysis of one object and one detection at (0, 0), width and height."""
    source = Alone(*sides)
    truth = ground_truth(source)
    rows = Found.of([{"image_id": 0, "category_id": 17, "score": score, "bbox": [0, 0, *found]}])
    return analyse(Result(coco_numbers(truth, rows), source, truth, rows, cut=0))


def test_three_quarters_of_overlap():
    hit, miss = (alone((100, 100), (100.0, height)) for height in (78.0, 72.0))
    assert hit["per_class"][0]["AP75"] == 1 and miss["per_class"][0]["AP75"] == 0
    assert set(hit["curves"]["precision"]["0.75"]) == {1}
    assert set(miss["curves"]["precision"]["0.75"]) == {0}


def test_classes_without_objects_do_not_count_in_sizes():
    assert alone((20, 20), (20.0, 20.0))["sizes"][0]["AP"] == 1


@pytest.mark.parametrize(("score", "expected"), [(0.004, 0), (0.006, 1 / 3)])
def test_darknet_looks_at_scores_above_its_own(score, expected):
    mean = alone((20, 20), (20.0, 20.0), score)["darknet"]["mAP"]["0"]
    assert mean == pytest.approx(expected)
