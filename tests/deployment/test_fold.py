"""Folded batch normalisation, and the suppression of exported models."""

import keras
import numpy as np
import pytest

import zoo
from zoo.deployment.fold import fold
from zoo.layer.convolution import ConvBN
from zoo.registry import LAYERS


def statistics(detector, seed):
    """Batch normalisation that has seen something: factors near 1, as of trained weights."""
    r = np.random.default_rng(seed)
    for layer in detector._flatten_layers():
        if isinstance(layer, ConvBN) and layer.normalization is not None:
            norm = layer.normalization
            for value, low, high in (
                (norm.gamma, 0.5, 1.5), (norm.beta, -0.5, 0.5),
                (norm.moving_mean, -0.2, 0.2), (norm.moving_variance, 0.5, 2.0),
            ):  # fmt: skip
                value.assign(r.uniform(low, high, value.shape).astype("float32"))


#: yolov4_sam of few channels and layers.
NARROW_SAM = ["+model.backbone.stem=4", "+model.backbone.depths=[1,1,1,1,1]"]


@pytest.mark.parametrize(
    ("model", "overrides"),
    [
        pytest.param("yolov4_tiny", [], id="yolov4_tiny"),
        pytest.param("yolov3_tiny", [], id="yolov3_tiny"),
        pytest.param("yolov4_sam", NARROW_SAM, id="attention in the neck"),
        pytest.param("yolov4_tiny", ["+model.head.attention=sam"], id="attention in the head"),
    ],
)
def test_a_folded_detector_predicts_the_same(model, overrides):
    detector = zoo.build(model, ["a", "b"], overrides)
    statistics(detector, 0)
    light = fold(detector)
    assert not any(
        isinstance(layer, keras.layers.BatchNormalization) for layer in light._flatten_layers()
    )
    images = np.random.default_rng(1).random((2, 96, 64, 3), "float32")
    raw, folded = detector.predict_on_batch(images), light.predict_on_batch(images)
    for level, values in raw.items():
        scale = np.abs(values).max()
        np.testing.assert_allclose(folded[level], values, atol=1e-5 * max(scale, 1), rtol=0)
        assert np.std(values) > 1e-3  # the statistics reach the output


class Scaled(keras.layers.Layer):
    """Somebody's attention: a convolution, a normalisation and a factor of its own."""

    def build(self, shape):
        self.gate = ConvBN(shape[-1], 1, activation="sigmoid", name="gate")
        self.norm = keras.layers.BatchNormalization(name="norm")
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones", name="factor")
        self.gate.build(shape)
        self.norm.build(shape)

    def call(self, x, training=None):
        return self.norm(x, training=training) * self.gate(x, training=training) * self.factor

    def compute_output_shape(self, shape):
        return shape


def test_what_stands_beside_a_convolution_in_a_layer_is_kept():
    with LAYERS.temporarily("scaled", Scaled):
        detector = zoo.build("yolov4_tiny", ["a"], ["+model.head.attention=scaled"])
        statistics(detector, 0)
        for layer in detector._flatten_layers():
            if isinstance(layer, Scaled):
                layer.factor.assign(np.linspace(0.5, 2, layer.factor.shape[0]))
                layer.norm.moving_mean.assign(np.linspace(-1, 1, layer.factor.shape[0]))
        light = fold(detector)
    images = np.random.default_rng(1).random((1, 64, 64, 3), "float32")
    raw, folded = detector.predict_on_batch(images), light.predict_on_batch(images)
    for level, values in raw.items():
        np.testing.assert_allclose(folded[level], values, atol=1e-5 * np.abs(values).max(), rtol=0)


def test_a_model_that_its_config_does_not_make_is_refused():
    detector = zoo.build("yolov4_tiny", ["a"])
    detector.cfg["head"] = {**detector.cfg["head"], "attention": "sam"}  # two layers more a level
    with pytest.raises(zoo.ZooError, match="yolov4_tiny cannot be folded: its layers are not"):
        fold(detector)


def test_a_model_with_attention_is_exported(tmp_path):
    pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("exports are traced by TensorFlow")
    from zoo.deployment.exporting import export

    detector = zoo.build("yolov4_sam", ["a", "b"], [*NARROW_SAM, "+model.head.prior=0.5"])
    statistics(detector, 0)
    path = export(detector, tmp_path / "m", format="saved_model", image_size=64, suppress=False)
    images = np.random.default_rng(1).random((1, 64, 64, 3), "float32")
    found = zoo.load(path).run({"images": images})
    want = detector.head.decode(detector(images, training=False))
    # (8² + 4² + 2²) cells of 3 anchors each
    assert np.shape(found["boxes"]) == (1, 252, 4) and np.std(found["scores"]) > 1e-3
    for key, values in zip(("boxes", "scores"), want, strict=True):
        np.testing.assert_allclose(found[key], keras.ops.convert_to_numpy(values), atol=1e-4)


def test_a_folded_detector_is_a_copy_and_saves(tmp_path):
    detector = zoo.build("yolov4_tiny", ["a"])
    light = fold(detector)
    images = np.random.default_rng(1).random((1, 64, 64, 3), "float32")
    before = light.predict_on_batch(images)["P5"]
    statistics(detector, 2)
    np.testing.assert_array_equal(light.predict_on_batch(images)["P5"], before)
    light.save(tmp_path / "light.keras")
    again = zoo.load(tmp_path / "light.keras")
    np.testing.assert_array_equal(again.predict_on_batch(images)["P5"], before)
    refolded = fold(again)
    np.testing.assert_array_equal(refolded.predict_on_batch(images)["P5"], before)


def boxes_and_scores(seed, candidates, n=200, classes=3):
    r = np.random.default_rng(seed)
    centre, side = r.random((2, n, 2)), r.random((2, n, 2)) * 0.3 + 0.05
    scores = r.random((2, n, classes)) * 0.2
    which = r.permuted(np.tile(np.arange(n * classes), (2, 1)), axis=1)[:, :candidates]
    np.put_along_axis(scores.reshape(2, -1), which, r.choice([0.3, 0.5, 0.9], which.shape), axis=1)
    corners = np.concatenate([centre - side / 2, centre + side / 2], axis=-1)
    return corners.astype("float32"), scores.astype("float32")


@pytest.mark.parametrize("whole", [True, False], ids=["known", "factors"])
@pytest.mark.parametrize(
    ("candidates", "cfg"),
    [
        pytest.param(0, {"name": "default"}, id="none"),
        pytest.param(40, {"name": "default"}, id="IoU, equal scores"),
        pytest.param(40, {"name": "greedynms"}, id="distance"),
        pytest.param(90, {"name": "diounms", "beta": 0.7}, id="another exponent"),
        pytest.param(90, {"name": "default", "class_agnostic": True}, id="across classes"),
        pytest.param(90, {"name": "default", "multi_label": False}, id="best class alone"),
        pytest.param(400, {"name": "default", "max_detections": 20}, id="more than are returned"),
        pytest.param(400, {"name": "default", "max_candidates": 128}, id="more than are looked at"),
    ],
)
def test_suppression_of_exports_is_that_of_the_model(candidates, cfg, whole):
    tf = pytest.importorskip("tensorflow")
    from zoo.deployment.suppression import Factors, Known, suppress
    from zoo.registry import NMS

    if keras.backend.backend() != "tensorflow":
        pytest.skip("exports are traced by TensorFlow")
    boxes, scores = boxes_and_scores(7, candidates)
    cfg = {"score_threshold": 0.25, "iou_threshold": 0.45, **cfg}
    expected = NMS.build(cfg, tf.constant(boxes), tf.constant(scores))
    if whole:
        given = Known(tf.constant(scores))
    else:  # a score is a factor of 1 or less, which halves are exactly, times what is left
        objectness = np.where(scores.max(axis=-1, keepdims=True) <= 0.5, 0.5, 1).astype("float32")
        given = Factors(tf.constant(objectness), tf.constant(scores / objectness), tf.identity)
        np.testing.assert_array_equal(np.asarray(given.all()), scores)
    found = suppress(tf.constant(boxes), given, cfg)
    # The model stops counting when it has enough.
    at_least = np.asarray(expected.pop("candidates"))
    assert (np.asarray(found["candidates"]) >= at_least).all()
    for key, values in expected.items():
        np.testing.assert_array_equal(np.asarray(found[key]), np.asarray(values), err_msg=key)


def test_other_kinds_of_suppression_are_refused():
    from zoo.deployment.suppression import Known, suppress

    sentence = (
        r"no nms 'soft'; export it with \+name=default or \+name=greedynms or \+name=diounms, or "
        "with suppress=false"
    )
    with pytest.raises(zoo.ZooError, match=sentence):
        suppress(np.zeros((1, 1, 4)), Known(np.zeros((1, 1, 1))), {"name": "soft"})
