import json
import subprocess
import sys
from pathlib import Path
from threading import Thread

import keras
import numpy as np
import pytest

import zoo
from zoo import config
from zoo.classifier import BackboneClassifier
from zoo.darknet.order import darknet_order
from zoo.detector import PREDICTORS, Detector
from zoo.errors import ZooError
from zoo.layer import serializable
from zoo.registry import BACKBONES, LAYERS, LOSSES, NMS, OPTIMIZERS
from zoo.training.schedules.cosine import Cosine
from zoo.training.sgd import SGD


@pytest.fixture(scope="module")
def tiny():
    return zoo.build("yolov4_tiny", ["a", "b", "c"])


@pytest.mark.parametrize("model", ["yolov3_tiny", "yolov4_tiny"])
@pytest.mark.parametrize(
    ("height", "width"), [pytest.param(64, 64, id="square"), pytest.param(96, 160, id="wide")]
)
def test_grids_are_the_input_over_the_strides(model, height, width):
    detector = zoo.build(model, ["a", "b", "c"])
    for batch in (1, 3):
        images = np.zeros((batch, height, width, 3), "float32")
        shapes = {level: tuple(t.shape) for level, t in detector(images).items()}
        channels = 3 * (5 + 3)
        assert shapes == {
            "P5": (batch, height // 32, width // 32, channels),
            "P4": (batch, height // 16, width // 16, channels),
        }


def test_summary_shows_the_parts(tiny):
    lines = []
    tiny.summary(print_fn=lines.append, line_length=120)
    text = "\n".join(lines)
    assert all(f"{part} (Functional)" in text for part in ("backbone", "neck", "head"))


def test_bytes_are_divided_by_255(tiny):
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    floats = images.astype("float32") / 255
    raw, expected = tiny(images), tiny(floats)
    for level, values in expected.items():
        np.testing.assert_allclose(raw[level], values, rtol=1e-4, atol=1e-4)
    spec = tiny(keras.KerasTensor((2, 64, 64, 3), "uint8"))  # as `fit` looks at shapes
    assert spec["P5"].shape == expected["P5"].shape


def test_a_fresh_head_expects_nothing(tiny):
    images = np.random.default_rng(0).random((1, 64, 64, 3), "float32")
    raw = keras.ops.convert_to_numpy(tiny(images)["P5"]).reshape(-1, 8)
    objectness = 1 / (1 + np.exp(-raw[:, 4]))
    assert objectness.mean() == pytest.approx(0.01, abs=0.01)  # prior of the head


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        pytest.param("diounms", {"beta": 0.7, "iou_threshold": 0.5}, id="the same kind keeps all"),
        pytest.param("default", {"iou_threshold": 0.5}, id="IoU alone takes no exponent over"),
        pytest.param("matrix", {}, id="matrix NMS has no iou_threshold"),
    ],
)
def test_another_nms_takes_over_the_thresholds_that_it_knows(name, kept):
    nms = {"name": "diounms", "score_threshold": 0.3, "iou_threshold": 0.5, "beta": 0.7}
    detector = zoo.build("yolov4_tiny", ["a"])
    detector.cfg["nms"] = nms
    assert detector.nms(name=name) == {"name": name, "score_threshold": 0.3, **kept}
    assert detector.nms(name=name, score_threshold=0.1)["score_threshold"] == 0.1


def test_an_nms_that_does_not_exist_is_answered_with_the_nearest(tiny):
    with pytest.raises(ZooError, match="no nms 'diounm'; did you mean diounms"):
        tiny.predictor(name="diounm")


def test_the_shape_of_detections_is_the_parts_own_default(tiny):
    assert tiny.predictor(name="soft").output["boxes"].shape == (None, 300, 4)
    assert tiny.predictor(max_detections=7).output["boxes"].shape == (None, 7, 4)


def test_a_detector_without_a_loss_says_so(tiny):
    cfg = {key: value for key, value in tiny.cfg.items() if key != "loss"}
    with pytest.raises(ZooError, match=r"^model 'yolov4_tiny' has no loss in its config; add"):
        Detector(cfg, ["a"]).compute_loss(y=training_batch()[1], y_pred={})


def test_the_predictors_that_were_asked_for_last_are_kept():
    detector = zoo.build("yolov4_tiny", ["a"])
    layers = len(detector._layers)
    first = detector.predictor(max_detections=1)
    for number in range(2, PREDICTORS + 1):
        detector.predictor(max_detections=number)
    assert detector.predictor(max_detections=1) is first
    detector.predictor(max_detections=99)  # in the place of that of 2
    assert detector.predictor(max_detections=1) is first
    assert len(detector._kept.predictors) == PREDICTORS
    assert not any("('max_detections', 2)" in key for key in detector._kept.predictors)
    assert len(detector._layers) == layers


def test_a_predictor_can_be_saved(tiny, tmp_path):
    images = np.random.default_rng(0).random((1, 64, 64, 3), "float32")
    predictor = tiny.predictor()
    predictor.save(tmp_path / "predictor.keras")
    again = keras.saving.load_model(tmp_path / "predictor.keras").predict_on_batch(images)
    for key, found in predictor.predict_on_batch(images).items():
        np.testing.assert_array_equal(again[key], found)


def test_threads_share_a_predictor():
    detector, found = zoo.build("yolov4_tiny", ["a"]), []
    threads = [Thread(target=lambda: found.append(detector.predictor())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(map(id, found))) == 1


def test_predictors_of_other_limits_are_others(tiny):
    one, again = (tiny.predictor(max_detections=7) for _ in range(2))
    assert one is again
    assert tiny.predictor(max_detections=8).output["boxes"].shape == (None, 8, 4)
    assert len(tiny.predictor(max_detections=7, windowed=True).inputs) == 2


def test_freezing_by_part_name():
    detector = zoo.build("yolov4_tiny", ["a"])
    before = len(detector.trainable_variables)
    detector.get_layer("backbone").trainable = False
    backbone = len(detector.get_layer("backbone").variables)
    # 15 convolutions: kernel, beta, gamma train; mean and variance never do.
    assert backbone == 15 * 5
    assert before - len(detector.trainable_variables) == 15 * 3


@pytest.mark.parametrize("size", [100, [416, 400], [0, 32], "big", [32, 32, 32]])
def test_a_size_that_is_no_multiple_of_the_coarsest_stride_is_refused(tiny, size):
    with pytest.raises(ZooError, match="multiples of 32 for yolov4_tiny"):
        tiny.check_size(size)


def test_keras_archive_predicts_the_same_in_a_new_process(tiny, tmp_path):
    images = np.random.default_rng(1).random((2, 64, 96, 3), "float32")
    np.save(tmp_path / "images.npy", images)
    tiny.save(tmp_path / "tiny.keras")
    code = (
        "import sys, numpy as np, zoo; d = zoo.load(sys.argv[1] + '/tiny.keras');"
        "y = d.predict_on_batch(np.load(sys.argv[1] + '/images.npy'));"
        "np.savez(sys.argv[1] + '/there.npz', **{k: np.asarray(v) for k, v in y.items()});"
        "print(d.class_names)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['a', 'b', 'c']"
    here = tiny.predict_on_batch(images)
    with np.load(tmp_path / "there.npz") as there:
        for level, values in here.items():
            np.testing.assert_array_equal(np.asarray(values), there[level])


def test_the_archive_holds_no_code(tiny, tmp_path):
    import zipfile

    tiny.save(tmp_path / "tiny.keras")
    with zipfile.ZipFile(tmp_path / "tiny.keras") as archive:
        text = archive.read("config.json").decode()
    assert "Lambda" not in text
    assert json.loads(text)["config"]["class_names"] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [pytest.param(b"not a zip", "is not a detector", id="foreign file")],
)
def test_a_foreign_archive_is_one_clear_error(tmp_path, content, sentence):
    (tmp_path / "x.keras").write_bytes(content)
    with pytest.raises(ZooError, match=sentence):
        zoo.load(tmp_path / "x.keras")


def test_a_saved_detector_names_the_plugin_that_it_misses(tiny, tmp_path):
    with NMS.temporarily("acme_nms", NMS["greedynms"]):
        cfg = {**tiny.cfg, "nms": {"name": "acme_nms"}}
        with BACKBONES.temporarily("acme_backbone", BACKBONES[tiny.cfg["backbone"]["name"]]):
            cfg["backbone"] = {**tiny.cfg["backbone"], "name": "acme_backbone"}
            Detector(cfg, ["a"]).save(tmp_path / "acme.keras")
        with pytest.raises(ZooError, match=r"acme.keras needs backbone 'acme_backbone', which"):
            zoo.load(tmp_path / "acme.keras")


def test_a_saved_detector_names_the_layer_of_a_plugin_that_it_misses(tiny, tmp_path):
    with LAYERS.temporarily("acme_relu", LAYERS["relu"]):
        cfg = {**tiny.cfg, "backbone": {**tiny.cfg["backbone"], "activation": "acme_relu"}}
        Detector(cfg, ["a"]).save(tmp_path / "acme.keras")
    with pytest.raises(ZooError, match=r"acme.keras needs layer 'acme_relu', which no installed"):
        zoo.load(tmp_path / "acme.keras")


def test_the_config_that_a_detector_gives_away_is_not_its_own(tiny):
    tiny.get_config()["model"]["nms"]["name"] = "other"
    assert tiny.cfg["nms"]["name"] != "other"


def test_a_missing_archive_and_an_empty_run_are_named(tmp_path):
    with pytest.raises(ZooError, match="no file"):
        zoo.load(tmp_path / "none.keras")
    with pytest.raises(ZooError, match=r"has none of best.keras"):
        zoo.load(tmp_path)


def test_a_level_that_the_neck_lacks_is_named():
    cfg = config.plain(config.compose("model/yolov4_tiny"))["model"]
    cfg["head"] = {**cfg["head"], "masks": {"P5": [3], "P3": [0]}, "widths": None}
    with pytest.raises(ZooError, match=r"masks name \['P3'\], the neck gives"):
        Detector(cfg, ["a"])


def test_one_detector_detects_at_one_size_after_another(tiny):
    """As a fresh one at each; TensorFlow traces the second with open sides."""
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    again = Detector(tiny.cfg, tiny.class_names)
    again.set_weights(tiny.get_weights())
    for size in (96, 64, (32, 160)):
        fresh = Detector(tiny.cfg, tiny.class_names)
        fresh.set_weights(tiny.get_weights())
        (found,), (expected,) = (
            detector.detect(image, image_size=size, score_threshold=0.001)
            for detector in (again, fresh)
        )
        assert len(found) == len(expected) > 0
        np.testing.assert_allclose(found.xyxy, expected.xyxy, atol=1e-3)
        np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-6)


@pytest.mark.parametrize("size", [64.0, "64", (64, 64.0), (64,), None])
def test_a_size_is_one_or_two_whole_numbers(tiny, size):
    with pytest.raises(ZooError, match="height and width must be multiples of 32"):
        tiny.check_size(size)
    assert tiny.check_size(np.int64(64)) == (64, 64)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param(
            {"score_threshold": 25}, "score_threshold=25: must be a number from 0", id="percent"
        ),
        pytest.param({"score_threshold": float("nan")}, "score_threshold=nan", id="NaN"),
        pytest.param({"iou_threshold": "high"}, "iou_threshold=high: must be a number", id="word"),
        pytest.param({"batch_size": -1}, "batch_size=-1: must be a whole", id="negative batch"),
        pytest.param({"batch_size": True}, "batch_size=True: must be a whole", id="yes"),
        pytest.param({"batch_size": 0}, "batch_size=0: must be a whole number", id="empty batch"),
    ],
)
def test_options_of_detection_are_within_their_ranges(tiny, options, sentence):
    with pytest.raises(ZooError, match=sentence):
        tiny.detect(np.zeros((40, 60, 3), "uint8"), **options)


def test_an_option_that_detection_lacks_is_answered_with_the_nearest(tiny):
    with pytest.raises(ZooError, match=r"detect takes no 'score_treshold'; did you mean score_thr"):
        tiny.detect(np.zeros((9, 9, 3), np.uint8), score_treshold=0.3)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        pytest.param(None, "source is a NoneType; give a file", id="nothing"),
        pytest.param(b"a.jpg", "source is a bytes", id="bytes"),
        pytest.param([5], "source is a int", id="number in a list"),
        pytest.param(np.zeros((9, 9, 3)), "float64 .*; of floats in .*255", id="floats"),
        pytest.param(np.zeros((9, 9), "uint8"), "uint8 .*; of gray np.repeat", id="gray"),
        pytest.param(np.zeros((9, 9, 4), "uint8"), "; of RGBA image", id="RGBA"),
        pytest.param(np.zeros((2, 9, 9, 3), "uint8"), "; of a batch give list", id="a batch"),
        pytest.param(np.zeros((0, 9, 3), "uint8"), "an image array is", id="no pixels"),
        pytest.param("a" * 300, "source 'aaa.*File name too long", id="no possible name"),
    ],
)
def test_a_source_that_is_no_picture_is_one_clear_error(tiny, source, sentence):
    with pytest.raises(ZooError, match=sentence):
        tiny.detect(source)


def test_a_folder_that_may_not_be_read_is_named(tiny, tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)  # root may read everything
    with pytest.raises(ZooError, match=f"source '{tmp_path}': Permission denied"):
        tiny.detect(tmp_path)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        pytest.param(lambda images: {"P5": keras.layers.Conv2D(8, 1, strides=32)(images)},
                     "the neck asks for level 'P4', which what is before it does not give; there "
                     "are: P5", id="too few levels"),
        pytest.param(lambda images: [images], "backbone 'strange' gives a list, not levels by name",
                     id="a list"),
        pytest.param(lambda images: {level: keras.layers.Conv2D(8, 1, strides=16)(images)
                                     for level in ("P4", "P5")},
                     r"backbone 'strange' gives level 'P5' as \(1, 4, 4, 8\) for images of 64×64, "
                     "not of stride 32", id="another stride"),
    ],
)  # fmt: skip
def test_a_strangers_backbone_without_the_levels_is_told_so(tiny, part, sentence):
    with BACKBONES.temporarily("strange", part), pytest.raises(ZooError, match=sentence):
        Detector({**tiny.cfg, "backbone": {"name": "strange"}}, ["a"])


class Distances:
    """Half of the sum of all predictions of each image, and all of it."""

    parts = ("dfl", "quality")

    def __init__(self, head):
        self.head = head

    def __call__(self, truth, predictions):
        sums = sum(keras.ops.sum(raw, axis=(1, 2, 3)) for raw in predictions.values())
        return {"quality": sums, "dfl": sums / 2}


class Unnamed(Distances):
    parts = ("box",)


class Alone(Distances):
    def __call__(self, truth, predictions):
        return keras.ops.sum(predictions["P5"], axis=(1, 2, 3))


def training_batch():
    truth = {"boxes": np.zeros((2, 1, 4), "float32"), "classes": -np.ones((2, 1), "int32")}
    return np.ones((2, 64, 64, 3), "float32"), truth


def test_a_strangers_loss_names_its_parts(tiny):
    with LOSSES.temporarily("distances", Distances):
        detector = Detector({**tiny.cfg, "loss": {"name": "distances"}}, ["a"])
        detector.compile(optimizer="sgd")
        logs = detector.train_on_batch(*training_batch(), return_dict=True)
    assert sorted(logs) == ["dfl_loss", "loss", "quality_loss"]
    assert logs["dfl_loss"] == pytest.approx(logs["quality_loss"] / 2)
    assert logs["loss"] == pytest.approx(logs["quality_loss"] * 1.5)


def test_losses_of_layers_are_added(tiny):
    with LOSSES.temporarily("distances", Distances):
        detector = Detector({**tiny.cfg, "loss": {"name": "distances"}}, ["a"])
    bias = darknet_order(detector)[-1].convolution.bias
    bias.assign(np.eye(18, dtype="float32")[0] * 2)
    bias.regularizer = keras.regularizers.L2(0.1)  # 0.1 · 2²
    predictions = {level: np.zeros((2, 2, 2, 18), "float32") for level in ("P4", "P5")}
    loss = detector.compute_loss(y=training_batch()[1], y_pred=predictions)
    assert float(loss) == pytest.approx(0.4)
    assert float(detector.get_metrics_result()["loss"]) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (Unnamed, "gives quality, dfl where the parts box are expected; its attribute `parts`"),
        (Alone, r"gives a \w+ where the parts dfl, quality are expected"),
    ],
)
def test_a_strangers_loss_with_other_parts_is_told_so(tiny, loss, sentence):
    with LOSSES.temporarily("strange", loss):
        detector = Detector({**tiny.cfg, "loss": {"name": "strange"}}, ["a"])
        detector.compile(optimizer="sgd")
        with pytest.raises(ZooError, match=sentence):
            detector.train_on_batch(*training_batch())


def gives(result):
    """An NMS of a stranger that gives what `result` makes of boxes and scores."""

    def nms(boxes, scores, *, score_threshold: float = 0.25, max_detections: int = 3):
        return result(boxes, scores)

    return nms


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"iou_threshold": 3}, "nms iou_threshold=3: must be a number from 0 to 1"),
        ({"iou_treshold": 0.3}, "nms 'greedynms' takes no 'iou_treshold'; did you mean .*"),
        ({"max_detections": 0}, "nms max_detections=0: must be a whole number, at least 1"),
        ({"max_candidates": 0}, "nms max_candidates=0: must be a whole number, at least 1"),
        ({"max_per_class": 0}, "nms max_per_class=0: must be a whole number, at least 1"),
        ({"name": "diounms", "beta": -1}, "nms beta=-1: must be a number above 0"),
        ({"name": "matrix", "sigma": -1.0}, "nms sigma=-1.0: must be a number above 0"),
        ({"name": "soft", "sigma": 0}, "nms sigma=0: must be a number above 0"),
        ({"name": "soft", "decay": "gausian"}, "nms has no decay 'gausian'; did you mean .*"),
    ],
)
def test_an_nms_that_cannot_be_is_one_sentence_before_any_picture(tiny, limits, sentence):
    with pytest.raises(ZooError, match=f"^{sentence}$"):
        tiny.predictor(**{"name": "greedynms", **limits})


@pytest.mark.parametrize(
    ("result", "given"),
    [
        pytest.param(lambda boxes, scores: None, "a NoneType", id="nothing"),
        pytest.param(lambda boxes, scores: (boxes, scores), "a tuple", id="a pair"),
        pytest.param(lambda boxes, scores: {"boxes": boxes}, "{'boxes': .*}", id="one of five"),
        pytest.param(
            lambda boxes, scores: dict.fromkeys(["scores", "classes", "count"], boxes[..., 0]),
            "{.*'count': .*}", id="a count for each box",
        ),
    ],
)  # fmt: skip
def test_a_strangers_nms_that_gives_something_else_is_told_the_contract(tiny, result, given):
    with (
        NMS.temporarily("strange", gives(result)),
        pytest.raises(
            ZooError, match=f"^nms 'strange' gives {given} for one image, not boxes .*k$"
        ),
    ):
        tiny.predictor(name="strange")


def test_a_strangers_nms_decides_how_many_it_keeps(tiny):
    def five(boxes, scores, *, score_threshold: float = 0.25):
        count = keras.ops.zeros_like(boxes[:, 0, 0], dtype="int32")
        classes = keras.ops.zeros_like(boxes[:, :5, 0], dtype="int32")
        best = {"boxes": boxes[:, :5], "scores": scores[:, :5, 0], "classes": classes}
        return {**best, "count": count, "candidates": count}

    with NMS.temporarily("five", five):
        assert tiny.predictor(name="five").output["boxes"].shape == (None, 5, 4)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("loss", "mse"),
        ("metrics", ["accuracy"]),
        ("weighted_metrics", ["accuracy"]),
        ("loss_weights", [1.0]),
    ],
)
def test_keras_losses_and_metrics_are_refused_and_not_left_unused(tiny, key, value):
    with pytest.raises(ZooError, match=rf"^compile\({key}=.*: yolov4_tiny has a loss and metrics"):
        tiny.compile("sgd", **{key: value})


def test_keras_itself_loads_a_compiled_detector_with_its_optimizer(tmp_path):
    detector = zoo.build("yolov4_tiny", ["a"])
    detector.compile(keras.optimizers.SGD(0.125, momentum=0.5), jit_compile=False)
    detector.optimizer.build(detector.trainable_variables)
    detector.save(tmp_path / "compiled.keras")
    loaded = keras.saving.load_model(tmp_path / "compiled.keras")
    assert float(loaded.optimizer.learning_rate) == 0.125
    assert len(loaded.optimizer.variables) == len(detector.optimizer.variables)
    assert not loaded.jit_compile


BOXES, CLASSES = np.zeros((2, 5, 4), "float32"), np.zeros((2, 5), "int32")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param({"y": None}, "y is None, not", id="none"),
        pytest.param({"y": (BOXES, CLASSES)}, "y is a (tuple|list), not", id="a pair"),
        pytest.param({"y": {"box": BOXES, "classes": CLASSES}},
                     r"y is {'box': \(.*5, 4\), 'classes': .*}, not", id="another key"),
        pytest.param({"y": {"boxes": BOXES[:, 0], "classes": CLASSES[:, 0]}},
                     r"y is {.*}, not {'boxes': \(batch, n, 4\)", id="one box an image"),
        pytest.param({"y": {"boxes": BOXES, "classes": CLASSES[:, :3]}},
                     r"y is {.*}, not {'boxes': \(batch, n, 4\)", id="fewer classes than boxes"),
        pytest.param({"sample_weight": np.ones(2)}, "sample_weight and class_weight: the loss",
                     id="weights of samples"),
        pytest.param({"y": {"boxes": BOXES, "classes": CLASSES + 3}},
                     r"y has class 3, but \w+ has 3 classes, from 0; −1 is", id="another class"),
        pytest.param({"x": np.zeros((2, 64, 72, 3), "float32")},
                     r"images \(.*64, 72, 3\): height and width must be multiples of 32 for",
                     id="odd sides"),
    ],
)  # fmt: skip
def test_what_a_detector_cannot_train_on_is_one_sentence(tiny, options, sentence):
    images, truth = training_batch()
    tiny.compile(optimizer="sgd")
    with pytest.raises(ZooError, match=f"^{sentence}"):
        tiny.fit(**{"x": images, "y": truth, "verbose": 0, "batch_size": 2, **options})


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="others know all shapes")
def test_sides_that_are_known_late_are_multiples_too():
    import tensorflow as tf

    detector = zoo.build("yolov4_tiny", ["a"])
    detector.compile(optimizer="sgd")

    def batches(side):
        truth = {"boxes": BOXES, "classes": CLASSES}
        spec = {key: tf.TensorSpec((None, *v.shape[1:]), v.dtype) for key, v in truth.items()}
        return tf.data.Dataset.from_generator(
            lambda: iter([(np.zeros((2, side, side, 3), "float32"), truth)]),
            output_signature=(tf.TensorSpec((None, None, None, 3)), spec),
        )

    detector.fit(batches(64), shuffle=False, steps_per_epoch=1, verbose=0)
    with pytest.raises(
        ZooError, match=r"^images \(2, 100, 100, 3\): height and width must be mult"
    ):
        detector.fit(batches(100), shuffle=False, steps_per_epoch=1, verbose=0)


@pytest.mark.parametrize("kind", [Detector, BackboneClassifier])
def test_a_call_that_fails_leaves_the_weights(kind):
    model = kind(zoo.build("yolov4_tiny", ["a"]).cfg, ["a"])
    model.compile(optimizer="sgd")
    before = model.get_weights()
    (images, truth), wrong = training_batch(), {"y": None, "verbose": 0}
    for failing in (model.fit, model.evaluate):
        with pytest.raises(ZooError, match=r"^y is None, not"):
            failing(images, **wrong)
        for was, now in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(was, now)
    model.fit(images, truth, verbose=0)


class Columns(Distances):
    def __call__(self, truth, predictions):
        parts = super().__call__(truth, predictions)
        return {**parts, "dfl": parts["dfl"][:, None]}


def test_a_strangers_loss_gives_a_number_for_each_image(tiny):
    with LOSSES.temporarily("columns", Columns):
        detector = Detector({**tiny.cfg, "loss": {"name": "columns"}}, ["a"])
        detector.compile(optimizer="sgd")
        with pytest.raises(ZooError, match=r"^loss 'columns' gives dfl of shape \(2, 1\)"):
            detector.train_on_batch(*training_batch())


def test_what_was_saved_loads_in_a_new_process(tiny, tmp_path):
    """A model of one's own, by Keras, which finds the classes that are imported; an optimizer."""
    images = keras.Input((64, 64, 3))
    large = zoo.build("yolov4", ["a"], ["+model.backbone.depths=[1,1,1,1,1]"])
    levels = large.get_layer("neck")(large.get_layer("backbone")(images))
    keras.Model(images, levels["P5"]).save(tmp_path / "own.keras")
    model = Detector(tiny.cfg, ["a"])
    model.compile(optimizer=SGD(Cosine(0.1, 10), momentum=0.9))
    model.fit(*training_batch(), verbose=0)
    model.save(tmp_path / "detector.keras")
    code = (
        "import sys, zoo.detector, keras; own, saved = sys.argv[1:];"
        "print(keras.saving.load_model(own).output.shape);"
        "detector = zoo.load(saved, compile=True);"
        "print(type(detector.optimizer).__module__, int(detector.optimizer.iterations))"
    )
    files = [str(tmp_path / name) for name in ("own.keras", "detector.keras")]
    told = subprocess.run(
        [sys.executable, "-c", code, *files], capture_output=True, text=True, check=False
    )
    assert told.stdout == "(None, 2, 2, 512)\nzoo.training.sgd 1\n", told.stderr
    assert not zoo.load(tmp_path / "detector.keras").compiled
    with pytest.raises(ZooError, match=r"holds a Functional.*; import zoo\.detector, and k"):
        zoo.load(tmp_path / "own.keras")


def test_an_optimizer_comes_along_beside_a_plugin_that_does_not_load(tiny, tmp_path, monkeypatch):
    model = Detector(tiny.cfg, ["a"])
    model.compile(optimizer=SGD(0.1))
    model.fit(*training_batch(), verbose=0)
    model.save(tmp_path / "detector.keras")
    monkeypatch.setitem(OPTIMIZERS._listed, "broken", [("no_such_module:Broken", "zoo-acme")])
    assert isinstance(zoo.load(tmp_path / "detector.keras", compile=True).optimizer, SGD)


def test_every_layer_of_a_file_is_imported_with_the_detector():
    folder = Path(zoo.__file__).parent / "layer"
    found = {file.stem for file in folder.glob("*.py") if "@keras.saving." in file.read_text()}
    assert found <= set(vars(serializable))
