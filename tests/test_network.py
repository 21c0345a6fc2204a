"""A network has its weights still, whatever went wrong, and whoever else uses it."""

import keras
import numpy as np
import pytest
from keras.ops import convert_to_numpy

import zoo
from zoo.classifier import BackboneClassifier
from zoo.detector import Detector
from zoo.errors import ZooError
from zoo.network import Network
from zoo.ops.policy import policy

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


def learning(model):
    return [variable.path for variable in model.trainable_variables]


def test_layers_within_a_part_stay_as_they_were_set(tmp_path):
    model = zoo.build("yolov4_tiny", ["a"])
    backbone = model.get_layer("backbone")
    for layer in backbone.layers[:10]:
        layer.trainable = False
    model.save(tmp_path / "a.keras")
    for again in (zoo.load(tmp_path / "a.keras"), keras.models.clone_model(model)):
        assert learning(again) == learning(model)
    backbone.trainable = False
    backbone.get_layer("stem2").trainable = True
    backbone.get_layer("stem1").normalization.trainable = True
    config = model.get_config()
    assert config["frozen"] == ["backbone"] and config["thawed"] == ["backbone/0/1", "backbone/1"]
    again = Detector.from_config(config)
    assert learning(again) == learning(model)
    assert again.get_config() == config
    model.trainable = False
    assert learning(Detector.from_config(model.get_config())) == []


def test_configs_of_zoo_0_2_name_whole_parts(detector):
    config = {**detector.get_config(), "frozen": ["images", "backbone"]}
    del config["dtype"]
    again = Detector.from_config(config)
    assert learning(again) == learning(again.get_layer("neck")) + learning(again.get_layer("head"))


def backbone_of(model):
    return model.get_layer("backbone")


@pytest.mark.parametrize("kind", [Detector, BackboneClassifier])
def test_a_model_keeps_the_policy_of_its_layers(tmp_path, kind):
    cfg = zoo.build("yolov4_tiny", ["a"]).cfg
    with policy("mixed_float16"):
        model = kind(cfg, ["a"])
        model.compile(optimizer="adam")
        model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "half.keras")
    again = keras.saving.load_model(tmp_path / "half.keras")
    assert keras.config.dtype_policy().name == "float32"
    assert again.dtype_policy.name == "mixed_float16"
    assert backbone_of(again).get_layer("stem1").convolution.compute_dtype == "float16"
    assert len(again.optimizer.variables) == len(model.optimizer.variables)
    images = np.random.default_rng(0).random((2, 32, 32, 3), "float32")
    found, expected = again.predict_on_batch(images), model.predict_on_batch(images)
    assert all(map(np.array_equal, keras.tree.flatten(found), keras.tree.flatten(expected)))


def test_what_a_user_sets_of_the_config_is_saved():
    model = zoo.build("yolov4_tiny", ["a"])
    model.image_size, model.resize = (320, 352), "letterbox"
    again = Detector.from_config(model.get_config())
    assert again.image_size == (320, 352) and again.resize == "letterbox"
    with pytest.raises(ZooError, match="image_size 100: height and width must be multiples"):
        model.image_size = 100


def test_a_detector_that_is_compiled_anew_is_traced_anew():
    """`enable_lora` gives layers variables that the old graph does not read."""
    model = zoo.build("yolov4_tiny", ["a"])
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    model.predictor().predict_on_batch(IMAGES)
    for layer in backbone_of(model).layers:
        if hasattr(layer, "convolution"):
            layer.convolution.enable_lora(2)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    model.fit(IMAGES, TRUTH, verbose=0)
    found, called = model.predictor().predict_on_batch(IMAGES), model.predictor()(IMAGES)
    boxes = convert_to_numpy(called["boxes"])
    np.testing.assert_allclose(found["boxes"], boxes, rtol=1e-3, atol=1e-4)
    assert model.predictor() is model.predictor()


def test_predictions_find_their_variables_whichever_of_them_learn():
    """On JAX the one graph serves both: as many variables learn, of the same shapes."""
    images = keras.Input((4,))
    hidden = keras.layers.Dense(4, name="one")(images)
    model = Network(images, keras.layers.Dense(4, name="two")(hidden))
    rows = np.random.default_rng(0).random((2, 4), "float32")
    for frozen in ("one", "two"):
        model.trainable = True
        model.get_layer(frozen).trainable = False
        found, expected = model.predict_on_batch(rows), convert_to_numpy(model(rows))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["yolov4_tiny", "yolov3_tiny", "yolov3"])
def test_the_global_image_format_is_of_no_account(name):
    shapes = {level: tensor.shape for level, tensor in zoo.build(name, ["a"]).output.items()}
    keras.config.set_image_data_format("channels_first")
    try:
        model = zoo.build(name, ["a"])
        classifier = BackboneClassifier(model.cfg, ["a", "b"])
    finally:
        keras.config.set_image_data_format("channels_last")
    assert {level: tensor.shape for level, tensor in model.output.items()} == shapes
    spec = model(keras.KerasTensor((2, 64, 96, 3)))
    assert {level: tuple(s.shape[1:3]) for level, s in spec.items()} == {
        level: (64 // 2 ** int(level[1:]), 96 // 2 ** int(level[1:])) for level in spec
    }
    assert classifier(np.ones((1, 64, 96, 3), "float32")).shape == (1, 2)
