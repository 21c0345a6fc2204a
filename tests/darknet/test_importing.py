"""A cfg as a detector or a classifier: settings, names, decoding, training, saving."""

import keras
import numpy as np
import pytest

import zoo
from zoo.cards import warn_of_another_head
from zoo.darknet.cfg import parse, read_cfg
from zoo.darknet.importing import detector_config, names
from zoo.darknet.plan import plan
from zoo.errors import ZooError


def config_of(path):
    return detector_config(plan(read_cfg(path)))


# === Settings ===


def test_settings_of_yolov4(oracle_dir):
    found = config_of(oracle_dir / "cfg/yolov4.cfg")
    assert found["image_size"] == [608, 608]
    assert found["resize"] == "stretch"
    assert found["head"]["masks"] == {"P3": [0, 1, 2], "P4": [3, 4, 5], "P5": [6, 7, 8]}
    assert found["head"]["anchors"][8] == [459, 401]
    assert found["head"]["scale_xy"] == {"P3": 1.2, "P4": 1.1, "P5": 1.05}
    assert found["nms"] == {"name": "greedynms", "score_threshold": 0.25, "iou_threshold": 0.45}
    loss = found["loss"]
    assert (loss["box"], loss["box_normalizer"], loss["iou_threshold"]) == ("ciou", 0.07, 0.213)
    assert (loss["ignore_threshold"], loss["max_delta"]) == (0.7, 5)


def test_settings_of_yolov4_csp_differ_by_level(oracle_dir):
    found = config_of(oracle_dir / "cfg/yolov4-csp.cfg")
    assert found["resize"] == "letterbox"
    assert found["head"]["new_coords"] is True
    assert found["nms"]["name"] == "diounms" and found["nms"]["beta"] == 0.6
    assert found["loss"]["objectness_normalizer"] == {"P3": 4.0, "P4": 1.0, "P5": 0.4}
    assert found["loss"]["objectness_smooth"] == {"P3": False, "P4": True, "P5": True}


def test_defaults_of_a_yolo_section_are_darknets(oracle_dir):
    found = config_of(oracle_dir / "cfg/yolov3-tiny.cfg")
    assert found["nms"]["name"] == "default"
    assert found["head"]["masks"] == {"P5": [3, 4, 5], "P4": [0, 1, 2]}
    loss = found["loss"]
    assert (loss["box"], loss["box_normalizer"], loss["max_delta"]) == ("mse", 0.75, None)


HEADS = """[net]
height=64
width=32
channels=3
[conv]
filters=7
size=3
stride=16
pad=1
activation=linear
[yolo]
classes=2
num=2
mask=1
anchors=10,20, 30,40
[route]
layers=0
[yolo]
classes=2
num=2
mask=0
anchors=10,20, 30,40
"""


def heads(change="", instead="", **keys):
    return detector_config(plan(parse(HEADS.replace(change, instead, 1), "my.cfg"), **keys))


def test_two_heads_of_one_stride_have_names_of_their_own():
    assert heads()["head"]["masks"] == {"P4": [1], "P4_2": [0]}


def test_a_third_head_of_one_stride_has_a_name_of_its_own():
    *_, section = HEADS.partition("[route]")
    found = detector_config(plan(parse(HEADS + "".join(["[route]", section]), "my.cfg")))
    assert found["head"]["masks"] == {"P4": [1], "P4_2": [0], "P4_3": [0]}


def test_the_height_of_an_image_comes_first():
    assert heads()["image_size"] == [64, 32]


@pytest.mark.parametrize(
    ("line", "key", "value", "default"),
    [
        ("ignore_thresh=0.6", "ignore_threshold", 0.6, 0.5),
        ("truth_thresh=0.9", "truth_threshold", 0.9, 1.0),
        ("iou_thresh=0.3", "iou_threshold", 0.3, 1.0),
        ("iou_normalizer=0.5", "box_normalizer", 0.5, 0.75),
        ("obj_normalizer=0.4", "objectness_normalizer", 0.4, 1.0),
        ("cls_normalizer=0.5", "class_normalizer", 0.5, 1.0),
        ("max_delta=2", "max_delta", 2.0, None),
        ("label_smooth_eps=0.1", "label_smoothing", 0.1, 0.0),
        ("objectness_smooth=1", "objectness_smooth", True, False),
        ("focal_loss=1", "focal", True, False),
        ("iou_loss=giou", "box", "giou", "mse"),
        pytest.param("iou_loss=wiou", "box", "iou", "mse", id="a loss unknown to Darknet is iou"),
    ],
)
def test_what_a_section_says_of_its_loss_and_what_holds_where_it_says_nothing(
    line, key, value, default
):
    loss = heads("classes=2", f"classes=2\n{line}")["loss"]
    assert loss[key] == {"P4": value, "P4_2": default}


@pytest.mark.parametrize("key", ["delta_normalizer=0.5", "iou_thresh_kind=giou"])
def test_a_loss_without_a_counterpart_is_none(key, caplog):
    assert "loss" not in heads("classes=2", f"classes=2\n{key}")
    assert f"has no loss to train with: {key.partition('=')[0]} of the [yolo]" in caplog.text


LAST = "mask=0"  # of the second [yolo]


@pytest.mark.parametrize(
    ("change", "keys", "expected"),
    [
        pytest.param(LAST, "nms_kind=greedynms", {"name": "greedynms"}, id="of the last section"),
        pytest.param("mask=1", "nms_kind=greedynms", {"name": "default"}, id="not of the first"),
        pytest.param(LAST, "nms_kind=cornersnms", {"name": "default"}, id="unknown to Darknet"),
        pytest.param(LAST, "nms_kind=diounms\nbeta_nms=0.9", {"name": "diounms", "beta": 0.9},
                     id="with its exponent"),
        pytest.param(LAST, "nms_kind=diounms", {"name": "diounms", "beta": 0.6},
                     id="the exponent of Darknet"),
    ],
)  # fmt: skip
def test_the_nms(change, keys, expected):
    found = heads(change, f"{change}\n{keys}")["nms"]
    assert found == {**expected, "score_threshold": 0.25, "iou_threshold": 0.45}


def test_heads_with_anchors_of_their_own_detect_but_have_no_loss(caplog):
    found = heads("anchors=10,20, 30,40", "anchors=50,60")  # the second anchor is 0.5, 0.5
    assert found["head"]["anchors"] == [[50, 60], [0.5, 0.5], [10, 20], [30, 40]]
    assert found["head"]["masks"] == {"P4": [1], "P4_2": [2]}
    assert "loss" not in found
    assert "has no loss to train with: the [yolo] of line 18 has other anchors" in caplog.text


@pytest.mark.parametrize(
    ("change", "instead", "message"),
    [
        pytest.param("classes=2", "classes=2\nnew_coords=1", "lines 11, 19 have new_coords= [0, 1]",
                     id="new_coords"),
        pytest.param("[route]\nlayers=0\n[yolo]\nclasses=2", "[conv]\nfilters=8\n[yolo]\nclasses=3",
                     "lines 11, 18 have classes= [2, 3]", id="classes"),
        pytest.param("stride=16", "stride_y=16\nstride_x=8", "a grid of 4×4 cells is not the input",
                     id="unequal strides"),
        pytest.param("channels=3", "channels=1", "line 4, [net]: a detector sees 3 channels",
                     id="grey"),
        pytest.param("stride=16", "stride=5", "divided by a power of two",
                     id="stride"),
        pytest.param("classes=2", "classes=2\nscale_x_y=0.5", "my.cfg, line 13, [yolo], layer 1: "
                     "scale_x_y=0.5 must be a number at least 1", id="less than a cell"),
        pytest.param("classes=2", "classes=2\nmax_delta=0", "my.cfg, line 13, [yolo], layer 1: "
                     "max_delta=0 must be a number above 0", id="no delta"),
        pytest.param("classes=2", "classes=2\nignore_thresh=1.5", "line 13, [yolo], layer 1: "
                     "ignore_thresh=1.5 must be a number from 0 to 1", id="no share"),
        pytest.param("anchors=10,20", "anchors=0,20", "my.cfg, line 15, [yolo], layer 1: anchors "
                     "[[0.0, 20.0], [30.0, 40.0]]: each side must be above 0", id="no width"),
        pytest.param("[route]", "[connected]\noutput=7\n[route]", "takes images of any size",
                     id="connected"),
    ],
)  # fmt: skip
def test_what_a_detector_cannot_be(change, instead, message):
    with pytest.raises(ZooError) as caught:
        heads(change, instead)
    assert message in str(caught.value)


def test_decoding_by_hand():
    """One cell of the second head: logits 0 → centre of the cell, anchor size, scores ¼."""
    from zoo.detector import Detector

    detector = Detector(heads(), ["a", "b"])
    raw = {level: np.zeros((1, 4, 2, 7), "float32") for level in ("P4", "P4_2")}
    boxes, scores = (keras.ops.convert_to_numpy(x)[0] for x in detector.head.decode(raw))
    assert boxes.shape == (16, 4)
    cell, first = boxes[[0, 8]] * [32, 64, 32, 64]
    np.testing.assert_allclose(cell, [8 - 15, 8 - 20, 8 + 15, 8 + 20], atol=1e-4)  # 30×40
    np.testing.assert_allclose(first, [8 - 5, 8 - 10, 8 + 5, 8 + 10], atol=1e-4)  # 10×20
    np.testing.assert_allclose(scores, 0.25)


# === Names ===


def test_names(tmp_path):
    (tmp_path / "my.names").write_text("cat\n dog \n\n")
    assert names(None, 2) == ["0", "1"]
    assert names(["x", "y"], 2) == ["x", "y"]
    assert names(tmp_path / "my.names", 2) == ["cat", "dog"]
    assert names("coco", 80)[16] == "dog"
    with pytest.raises(ZooError, match=r"my.names': 2 names, the cfg has 3 classes"):
        names(tmp_path / "my.names", 3)
    (tmp_path / "my.names").write_text("cat\n\ndog\n")
    with pytest.raises(ZooError, match=r"my.names': line 2 is empty, which would be class 1"):
        names(tmp_path / "my.names", 2)
    with pytest.raises(ZooError, match=r"'coc' is no file of names, nor a list of .*\(coco"):
        names("coc", 80)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["a", "a"], "^class_names: several classes are called 'a'; rename all but one"),
        (["a", " "], "^class_names: class 1 is called ' '; give it a name"),
        (["a", 3], "^class_names: class 1 is called 3; give it a name, in quotes"),
        (5, "^class_names '5' is no file of names, nor a list"),
    ],
)
def test_listed_names_are_different_texts(given, sentence):
    with pytest.raises(ZooError, match=sentence):
        names(given, 2)
    assert names(np.array(["a", "b"]), 2) == ["a", "b"]


def test_weights_and_names_go_with_a_cfg_only():
    with pytest.raises(ZooError, match=r"go with a .cfg; 'yolov4-tiny-coco' has its own"):
        zoo.load("yolov4-tiny-coco", weights="a.weights")


def test_keys_of_training_without_effect_are_told(tmp_path, caplog):
    (tmp_path / "my.cfg").write_text(HEADS.replace("pad=1", "pad=1\nstopbackward=1"))
    zoo.load(tmp_path / "my.cfg")
    assert caplog.messages == [
        "my.cfg: of no effect here, where training has settings of its own: stopbackward (line 10)"
    ]


def test_a_section_without_classes_has_twenty(tmp_path):
    text = HEADS.replace("filters=7", "filters=25").replace("classes=2\n", "")
    (tmp_path / "my.cfg").write_text(text)
    assert zoo.load(tmp_path / "my.cfg").class_names == [str(number) for number in range(20)]


# === Use ===


def test_detections_of_the_official_cfg_equal_darknets(oracle_dir):
    detector = zoo.load(
        oracle_dir / "cfg/yolov4-tiny.cfg",
        weights=oracle_dir / "weights/yolov4-tiny.weights",
        class_names="coco",
    )
    picture = oracle_dir / "forward/real/dog_decoded.png"
    (found,) = detector.detect(picture, interpolation="darknet")
    scores = dict(zip(found.data["class_name"].tolist(), found.confidence, strict=True))
    assert scores == pytest.approx(
        {"dog": 0.835385, "truck": 0.779716, "bicycle": 0.604906, "car": 0.455563}, abs=1e-4
    )


@pytest.mark.parametrize(
    ("name", "warnings"),
    [
        pytest.param("yolov3-tiny", [
            "yolov3-tiny.cfg, line 175, [yolo], layer 23: mask is [0, 1, 2], but [1, 2, 3] in "
            "yolov3_tiny, the model of these weights (yolov3-tiny-coco): boxes come out wrong; "
            "change it in the cfg"
        ], id="the mask of later cfgs"),
        pytest.param("yolov3-tiny-mask123", [], id="the mask of the training"),
    ],
)  # fmt: skip
def test_official_weights_under_a_cfg_of_another_mask(name, warnings, oracle_dir, caplog):
    weights = str(oracle_dir / "weights/yolov3-tiny.weights")
    warn_of_another_head(oracle_dir / f"cfg/{name}.cfg", weights)
    assert caplog.messages == warnings


def test_a_detector_of_a_cfg_trains_and_saves(tmp_path):
    (tmp_path / "my.cfg").write_text(HEADS)
    detector = zoo.load(tmp_path / "my.cfg")
    detector.compile(optimizer=keras.optimizers.SGD(1e-3))
    images = np.random.default_rng(0).random((2, 64, 32, 3), "float32")
    truth = {
        "boxes": np.array([[[4, 4, 20, 30]]] * 2, "float32"),
        "classes": np.zeros((2, 1), "int32"),
    }
    losses = detector.fit(images, truth, epochs=5, batch_size=2, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    detector.save(tmp_path / "my.keras")
    again = zoo.load(tmp_path / "my.keras")
    assert again.class_names == ["0", "1"]
    for level, values in detector(images, training=False).items():
        found = again(images, training=False)[level]
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (values, found)))


DARKNET53 = "[net]\nheight=256\nwidth=256\nchannels=3\n"


def darknet53(depths=(1, 2, 8, 8, 4)):
    """The classifier of the paper's table 1, as darknet53.cfg has it: 78 layers."""
    text = DARKNET53

    def conv(filters, size, stride=1):
        return (f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize={size}\n"
                f"stride={stride}\npad=1\nactivation=leaky\n")  # fmt: skip

    text += conv(32, 3)
    for width, depth in zip((64, 128, 256, 512, 1024), depths, strict=True):
        text += conv(width, 3, 2)
        for _ in range(depth):
            text += conv(width // 2, 1) + conv(width, 3) + "[shortcut]\nfrom=-3\n"
    return (
        text + "[avgpool]\n[convolutional]\nfilters=1000\nactivation=linear\n[softmax]\ngroups=1\n"
    )


def test_darknet53_is_a_classifier(tmp_path):
    planned = plan(darknet53())
    # darknet53.conv.74 has 162,482,580 bytes, the layers before the 75th included.
    body = sum(layer.parameters for layer in planned.layers[:75])
    assert 20 + 4 * body == 162_482_580
    assert planned.layers[77].output == (1, 1, 1000)
    (tmp_path / "darknet53.cfg").write_text(darknet53((1, 0, 0, 1, 0)))
    model = zoo.load(tmp_path / "darknet53.cfg")
    assert isinstance(model, keras.Model)
    probabilities = model.predict_on_batch(np.random.default_rng(0).random((2, 64, 96, 3)))
    assert probabilities.shape == (2, 1000)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    model.save(tmp_path / "d.keras")
    again = zoo.load(tmp_path / "d.keras")
    image = np.random.default_rng(1).random((1, 64, 64, 3))
    np.testing.assert_array_equal(again.predict_on_batch(image), model.predict_on_batch(image))
    pixels = np.random.default_rng(2).integers(0, 256, (1, 64, 64, 3), np.uint8)
    np.testing.assert_allclose(
        again.predict_on_batch(pixels), again.predict_on_batch(pixels / np.float32(255)), rtol=1e-4
    )
    with pytest.raises(ZooError, match="is a classifier: it gives no boxes"):
        again.predictor()


# === Files and names as they come ===


@pytest.mark.parametrize(
    ("stem", "name"), [("_my", "my"), ("模型", "cfg"), ("-x é.1", "x_1"), ("yolo-v4", "yolo_v4")]
)
def test_a_detector_is_called_as_tensorflow_can_call_it(tmp_path, stem, name):
    (tmp_path / f"{stem}.cfg").write_text(HEADS)
    detector = zoo.load(tmp_path / f"{stem}.cfg")
    assert detector.name == name
    assert len(detector.detect(np.zeros((64, 32, 3), np.uint8))) == 1


def test_names_with_the_mark_of_a_windows_editor(tmp_path):
    (tmp_path / "my.names").write_text("cat\ndog\n", "utf-8-sig")
    assert names(tmp_path / "my.names", 2) == ["cat", "dog"]


def test_a_class_counter_for_each_class():
    counted = "classes=2\ncounters_per_class=3, 0"
    assert heads("classes=2", counted)["loss"]["class_counts"]["P4"] == [3, 1]
    with pytest.raises(ZooError, match=r"counters_per_class has 3 numbers for classes=2"):
        heads("classes=2", f"{counted}, 5")


def test_a_grid_larger_than_the_input():
    with pytest.raises(ZooError, match=r"a grid of 128×64 cells is not the input, 64×32, divided"):
        heads("stride=16\npad=1\nactivation=linear",
              "stride=1\npad=1\nactivation=linear\n[upsample]\nstride=2")  # fmt: skip


def test_a_classifier_does_not_detect(tmp_path):
    (tmp_path / "c.cfg").write_text(darknet53((1, 0, 0, 1, 0)))
    with pytest.raises(ZooError, match="is a classifier: it gives no boxes"):
        zoo.load(tmp_path / "c.cfg").detect(np.zeros((64, 64, 3), np.uint8))


def test_a_damaged_keras_file_is_named(tmp_path):
    (tmp_path / "my.cfg").write_text(HEADS)
    path = tmp_path / "my.keras"
    zoo.load(tmp_path / "my.cfg").save(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20] = bytes(byte ^ 0x55 for byte in data[middle : middle + 20])
    path.write_bytes(data)
    with pytest.raises(ZooError, match=r"my\.keras is not a detector saved by zoo: .*CRC"):
        zoo.load(path)
    path.write_bytes(data[:middle])
    with pytest.raises(ZooError, match=r"my\.keras .* it is damaged or cut short"):
        zoo.load(path)
