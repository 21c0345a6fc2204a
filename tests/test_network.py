"""A network has its weights still, whatever went wrong, and whoever else uses it."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

import zoo
from zoo.classifier import BackboneClassifier
from zoo.detector import Detector

IMAGES = np.full((2, 32, 32, 3), 0.5, "float32")
TRUTH = {"boxes": np.full((2, 1, 4), [4, 4, 20, 20], "float32"), "classes": np.zeros((2, 1), int)}


@pytest.fixture(scope="module")
def detector():
    detector = zoo.build("yolov4_tiny", ["a"])
    detector.compile(optimizer=keras.optimizers.SGD(0.0))
    return detector


def three_batches_and_an_error():
    for _ in range(3):
        yield IMAGES, TRUTH
    raise RuntimeError("no more pictures")


@pytest.mark.parametrize("call", ["fit", "evaluate", "predict"])
def test_what_fails_in_the_midst_leaves_weights(detector, call):
    before = detector.get_weights()
    steps = {"steps_per_epoch": 6, "shuffle": False} if call == "fit" else {"steps": 6}
    with pytest.raises(Exception, match="no more pictures"):
        getattr(detector, call)(three_batches_and_an_error(), **steps, verbose=0)
    after = detector.get_weights()
    assert all(np.isfinite(weights).all() for weights in after)
    if call != "fit":
        assert all(map(np.array_equal, before, after))


@pytest.mark.parametrize("windowed", [False, True])
def test_a_prediction_reads_the_weights_that_others_read_too(detector, windowed):
    """On JAX Keras gives them away, and a second thread finds none."""
    held = [variable.value for variable in detector.variables]
    model, inputs = detector, IMAGES
    if windowed:
        model = detector.predictor(windowed=True, score_threshold=0.5)
        inputs = [IMAGES, np.full((2, 4), [0, 0, 1, 1], "float32")]
    model.predict_on_batch(inputs)
    for value, variable in zip(held, detector.variables, strict=True):
        np.testing.assert_array_equal(convert_to_numpy(value), convert_to_numpy(variable))


def test_predictions_are_those_of_a_call():
    detector = zoo.build("yolov4_tiny", ["a"])
    called, predicted = detector(IMAGES), detector.predict_on_batch(IMAGES)
    assert called.keys() == predicted.keys()
    for level, values in predicted.items():
        assert isinstance(values, np.ndarray)
        np.testing.assert_allclose(values, convert_to_numpy(called[level]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("windowed", [False, True])
def test_a_predictor_takes_bytes_as_the_detector_does(detector, windowed):
    predictor = detector.predictor(windowed=windowed, score_threshold=0.001)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    window = [np.full((2, 4), [0, 0, 1, 1], "float32")] if windowed else []
    found, expected = (
        predictor.predict_on_batch([batch, *window] if windowed else batch)
        for batch in (images, images.astype("float32") / 255)
    )
    np.testing.assert_array_equal(found["candidates"], expected["candidates"])
    np.testing.assert_allclose(found["scores"], expected["scores"], rtol=1e-4, atol=1e-6)


@pytest.fixture(params=["any batch", "batches of two"])
def two_batches(request):
    if request.param == "any batch":
        return (batch for batch in [(IMAGES, TRUTH)] * 2)
    tf = pytest.importorskip("tensorflow")
    # Of a length that nobody knows before.
    return tf.data.Dataset.from_tensors((IMAGES, TRUTH)).repeat(2).take_while(lambda *_: True)


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed", "ignore:Your input ran out of data")
@pytest.mark.parametrize("kind", [Detector, BackboneClassifier])
def test_the_mean_loss_is_that_of_the_batches_there_are(kind, two_batches):
    """TensorFlow begins one step more, to learn that the data have ended."""
    model = kind(zoo.build("yolov4_tiny", ["a"]).cfg, ["a", "b"])
    model.compile(optimizer=keras.optimizers.SGD(0.0))
    (loss,) = model.fit(two_batches, verbose=0).history["loss"]
    raw = model(IMAGES, training=True)
    expected = float(convert_to_numpy(model.compute_loss(y=TRUTH, y_pred=raw)))
    assert loss == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", [Detector, BackboneClassifier])
def test_what_is_frozen_is_frozen_when_it_is_loaded(tmp_path, kind):
    model = kind(zoo.build("yolov4_tiny", ["a"]).cfg, ["a", "b"])
    model.get_layer("backbone").trainable = False
    model.compile(optimizer="adam")
    model.fit(IMAGES, TRUTH, verbose=0)
    model.save(tmp_path / "frozen.keras")
    loaded = keras.saving.load_model(tmp_path / "frozen.keras")
    assert not loaded.get_layer("backbone").trainable
    assert len(loaded.trainable_variables) == len(model.trainable_variables) > 0
    assert len(loaded.optimizer.variables) == len(model.optimizer.variables)
    assert "frozen" not in kind(model.cfg, ["a"]).get_config()
