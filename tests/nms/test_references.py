"""Every kind, with every limit, against its rule as Darknet or the paper writes it down."""

import keras
import numpy as np
import pytest
from keras import ops
from references import REFERENCES, candidates

from zoo.errors import ZooError
from zoo.ops.compile import xla
from zoo.registry import NMS


@pytest.fixture(scope="module")
def images():
    """Five images of 24 boxes and 3 classes: crowds, equal scores, copies, odd numbers, nothing."""
    rng = np.random.default_rng(3)
    corner = rng.uniform(0, 20, (5, 24, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 25, (5, 24, 2))], -1).astype("float32")
    scores = rng.uniform(0, 1, (5, 24, 3)).astype("float32")
    scores[1] = np.round(scores[1] * 4) / 4  # equal scores
    boxes[2, 8:16] = boxes[2, :8]  # copies
    boxes[3, :4, 2:] = boxes[3, :4, :2]  # no area
    boxes[3, 4, 0], boxes[3, 5, 3], scores[3, 6:9] = np.nan, np.inf, np.nan
    scores[3, 9, 1] = np.nan  # of whose box the other two are no candidates, either
    scores[4] *= 0.2
    return boxes, scores


KINDS = [
    pytest.param("default", {}, {}, id="default"),
    pytest.param("greedynms", {}, {"beta": 0.6}, id="greedynms: its exponent is 0.6"),
    pytest.param("diounms", {"beta": 0.9}, {}, id="diounms: any exponent"),
    pytest.param("fast", {}, {}, id="fast"),
    pytest.param("matrix", {"sigma": 1.5}, {}, id="matrix, gaussian"),
    pytest.param("matrix", {"decay": "linear"}, {}, id="matrix, linear"),
    pytest.param("soft", {"sigma": 0.4}, {}, id="soft, gaussian"),
    pytest.param("soft", {"decay": "linear", "iou_threshold": 0.3}, {}, id="soft, linear"),
]
LIMITS = [
    pytest.param({}, id="as it is"),
    pytest.param({"class_agnostic": True}, id="a box suppresses those of other classes"),
    pytest.param({"max_per_class": 2}, id="two of each class"),
    pytest.param({"max_per_class": 1, "class_agnostic": True}, id="one of each, across classes"),
    pytest.param({"multi_label": False}, id="only the best class of a box"),
    pytest.param({"max_candidates": 7}, id="only the seven best pairs are looked at"),
    pytest.param({"max_detections": 3}, id="only the three best are returned"),
]


@pytest.mark.parametrize(("kind", "keys", "fixed"), KINDS)
@pytest.mark.parametrize("limits", LIMITS)
def test_as_written_down(images, kind, keys, fixed, limits):
    options = {"score_threshold": 0.25, "max_detections": 80, "max_candidates": 128}
    options |= {**keys, **limits}

    def run(boxes, scores):
        return NMS[kind](boxes, scores, **options)

    if keras.backend.backend() == "jax":  # op by op it compiles every loop anew at each call
        run = xla(run)
    found = arrays(run(*map(ops.convert_to_tensor, images)))
    for image, (boxes, scores) in enumerate(zip(*images, strict=True)):
        want = REFERENCES[kind](boxes, scores, **options, **fixed)
        count = found["count"][image]
        assert found["classes"][image, :count].tolist() == [pair.label for pair in want]
        rows = [pair.row for pair in want]
        np.testing.assert_array_equal(found["boxes"][image, :count], boxes[rows])
        np.testing.assert_allclose(
            found["scores"][image, :count], [pair.score for pair in want], rtol=1e-5
        )
        assert not any(found[key][image, count:].any() for key in ("boxes", "scores", "classes"))


@pytest.mark.parametrize("multi_label", [True, False])
@pytest.mark.parametrize("kind", ["default", "matrix", "soft"])
def test_more_candidates_than_are_looked_at_are_told(images, kind, multi_label):
    options = {"score_threshold": 0.25, "multi_label": multi_label}
    found = NMS[kind](*map(ops.convert_to_tensor, images), **options, max_candidates=5)
    want = [len(candidates(*image, **options)) for image in zip(*images, strict=True)]
    told = arrays(found)["candidates"].tolist()
    assert [count > 5 for count in told] == [count > 5 for count in want]
    assert [count for count in told if count <= 5] == [count for count in want if count <= 5]
    assert want[0] > 5


@pytest.mark.parametrize("kind", ["matrix", "soft"])
def test_eager_equals_xla(images, kind):
    options = {"score_threshold": 0.25, "max_candidates": 128, "max_detections": 80}
    eager = arrays(NMS[kind](*map(ops.convert_to_tensor, images), **options))
    fast = arrays(xla(lambda b, s: NMS[kind](b, s, **options))(*map(ops.convert_to_tensor, images)))
    for key in eager:
        np.testing.assert_allclose(eager[key], fast[key], rtol=1e-6)


@pytest.mark.parametrize("kind", REFERENCES)
def test_a_misspelt_key_is_answered_with_the_nearest(kind):
    boxes, scores = np.zeros((1, 1, 4), "float32"), np.zeros((1, 1, 1), "float32")
    cfg = {"name": kind, "score_treshold": 0.5}
    with pytest.raises(ZooError, match=rf"{kind}.*'score_treshold'; did you mean score_threshold"):
        NMS.build(cfg, boxes, scores)


@pytest.mark.parametrize("kind", ["matrix", "soft"])
def test_an_unknown_decay_is_refused(images, kind):
    with pytest.raises(ZooError, match="'gausian'; did you mean gaussian"):
        NMS[kind](*images, decay="gausian")


@pytest.mark.parametrize("kind", ["default", "matrix", "soft"])
@pytest.mark.parametrize("limit", ["max_candidates", "max_detections", "max_per_class"])
def test_a_limit_below_one_is_refused(images, kind, limit):
    with pytest.raises(ZooError, match=f"{limit}=0"):
        NMS[kind](*images, **{limit: 0})


def arrays(found):
    return {key: ops.convert_to_numpy(value) for key, value in found.items()}
