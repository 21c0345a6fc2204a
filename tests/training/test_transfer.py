import keras
import numpy as np
import pytest
from keras import ops

import zoo
from zoo import config
from zoo.data.sources import open_source
from zoo.errors import ZooError
from zoo.head.yolo import YoloHead
from zoo.training.run import detector_for
from zoo.training.transfer import freeze, initialise, transfer


@pytest.fixture(scope="module")
def three():
    return zoo.build("yolov4_tiny", ["a", "b", "c"])


def first_kernel(detector, part):
    return ops.convert_to_numpy(detector.get_layer(part).trainable_variables[0].value)


def test_all_that_fits_is_loaded_and_the_rest_is_named(three):
    two = zoo.build("yolov4_tiny", ["a", "b"])
    report = transfer(two, three, ["backbone", "neck", "head"])
    assert sorted(report.missed) == [
        "head/P4_predict/convolution/bias",
        "head/P4_predict/convolution/kernel",
        "head/P5_predict/convolution/bias",
        "head/P5_predict/convolution/kernel",
    ]
    # 21 convolutions; 19 with batch normalisation have 5 arrays each, the last two have 2.
    assert len(report.copied) == 19 * 5
    assert "shape (1, 1, 512, 21), the source has (1, 1, 512, 24)" in str(report)
    np.testing.assert_array_equal(first_kernel(two, "head"), first_kernel(three, "head"))


def test_the_backbone_alone(three):
    two = zoo.build("yolov4_tiny", ["a", "b"])
    before = first_kernel(two, "neck")
    transfer(two, three, ["backbone"])
    np.testing.assert_array_equal(first_kernel(two, "backbone"), first_kernel(three, "backbone"))
    np.testing.assert_array_equal(first_kernel(two, "neck"), before)


def of_two_classes(inputs, features):
    """A model of a backbone alone."""
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, keras.Model(inputs, features, name="backbone")(images))
    model.class_names = ["a", "b"]
    return model


def unnamed():
    """A model whose backbone has layers that Keras names."""
    inputs = keras.Input((8, 8, 3))
    features = inputs
    for _ in range(3):
        features = keras.layers.BatchNormalization()(keras.layers.Conv2D(3, 1)(features))
    return of_two_classes(inputs, features)


def test_layers_without_a_name_are_known_by_their_order():
    one, two = unnamed(), unnamed()
    assert one.variables[0].path != two.variables[0].path
    report = transfer(two, one, ["backbone"])
    assert (len(report.copied), report.missed) == (3 * (2 + 4), {})
    for ours, theirs in zip(one.variables, two.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def named(*names):
    """A model whose backbone has layers of these names, in this order."""
    inputs = keras.Input((8, 8, 3))
    features = inputs
    for name in names:
        features = keras.layers.Conv2D(3, 1, name=name)(features)
    return of_two_classes(inputs, features)


def test_layers_of_the_same_names_are_known_by_them_in_whatever_order():
    one, two = named("block_1", "block_2"), named("block_2", "block_1")
    transfer(two, one, ["backbone"])
    for name in ("block_1", "block_2"):
        ours, theirs = (model.get_layer("backbone").get_layer(name).kernel for model in (two, one))
        np.testing.assert_array_equal(ours, theirs)


def test_nothing_that_fits_is_an_error(three):
    other = zoo.build("yolov3", ["a"], ["+model.backbone.stem=4"])
    with pytest.raises(ZooError, match="nothing of"):
        transfer(other, three, ["backbone"])


def test_a_misspelt_part_gets_the_nearest(three):
    with pytest.raises(ZooError, match=r"no part 'bakbone' .* did you mean backbone\?"):
        freeze(three, ["bakbone"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("transfer=[backbone,haed]", r"transfer: no part 'haed' .* did you mean head\?"),
        ("transfer=backbone", r"transfer=backbone is no list; write transfer=\[backbone\]"),
        ("freeze=backbone", r"freeze=backbone is no list; write freeze=\[backbone\]"),
        ("freeze=null", r"freeze=None is no list; write freeze=\[\]"),
    ],
)
def test_parts_are_a_list_of_known_names_with_weights_and_without(override, message):
    settings = config.plain(config.compose("train", [override]))
    with pytest.raises(ZooError, match=message):
        detector_for(settings, open_source(settings["data"], "val"))


def test_a_darknet_prefix_fills_the_first_layers(three, tmp_path):
    """Three convolutions with normalisation: 32·(4 + 3·9), 64·(4 + 32·9), 64·(4 + 64·9) numbers."""
    floats = 32 * 31 + 64 * 292 + 64 * 580
    start = np.linspace(0, 1, floats, dtype="<f4")
    path = tmp_path / "yolov4-tiny.conv.3"
    path.write_bytes(np.array([0, 2, 5, 0, 0], "<i4").tobytes() + start.tobytes())
    report = initialise(three, str(path), ["backbone", "neck", "head"])
    assert report == "loaded the first 3 of 21 layers with weights"
    kernel = first_kernel(three, "backbone")  # (3, 3, 3, 32) of (32, 3, 3, 3) in the file
    np.testing.assert_array_equal(kernel[:, :, :, 1].transpose(2, 0, 1).ravel(), start[155:182])


def test_an_exported_file_has_no_weights_to_copy(three):
    with pytest.raises(ZooError, match=r"weights=m\.onnx is exported, without the arrays to copy"):
        initialise(three, "m.onnx", ["backbone"])


# === Classes go by name ===


def predictions(detector, level="P5"):
    """The kernel (512, 3·(5 + classes)) and the bias of what predicts a level of yolov4_tiny."""
    layer = detector.get_layer("head").get_layer(f"{level}_predict").convolution
    return np.array(layer.kernel)[0, 0], np.array(layer.bias)


def numbered(names):
    """A yolov4_tiny whose bias at P5 is 0, 1, 2, … and at P4 100, 101, …"""
    detector = zoo.build("yolov4_tiny", names)
    for level, start in (("P5", 0), ("P4", 100)):
        bias = detector.get_layer("head").get_layer(f"{level}_predict").convolution.bias
        bias.assign(np.arange(start, start + bias.shape[0]))
    return detector


def test_classes_in_another_order_keep_their_weights():
    """Three anchors of 5 + 3 entries: a, b, c are entries 5, 6, 7 of each."""
    source, target = numbered(["a", "b", "c"]), zoo.build("yolov4_tiny", ["c", "a", "b"])
    report = transfer(target, source, ["backbone", "neck", "head"])
    moved = [0, 1, 2, 3, 4, 7, 5, 6, 8, 9, 10, 11, 12, 15, 13, 14, 16, 17, 18, 19, 20, 23, 21, 22]
    kernel, bias = predictions(target)
    np.testing.assert_array_equal(bias, moved)
    np.testing.assert_array_equal(kernel, predictions(source)[0][:, moved])
    np.testing.assert_array_equal(predictions(target, "P4")[1], 100 + np.array(moved))
    assert str(report) == "loaded 99 of 99 arrays\n  classes by name"


def test_classes_that_the_source_lacks_stay_fresh():
    source, target = numbered(["a", "b", "c"]), zoo.build("yolov4_tiny", ["zebra", "c", "yak"])
    fresh = predictions(target)[0]
    report = transfer(target, source, ["head"])
    kernel, bias = predictions(target)
    # Objectness and boxes are the source's; zebra and yak have the bias 0 of a fresh head.
    assert bias[:8].tolist() == [0, 1, 2, 3, 4, 0, 7, 0]
    np.testing.assert_array_equal(kernel[:, [5, 7]], fresh[:, [5, 7]])
    np.testing.assert_array_equal(kernel[:, 6], predictions(source)[0][:, 7])
    assert "classes by name; fresh, as the source lacks them: zebra, yak" in str(report)


def test_classes_without_names_go_by_their_order():
    source, target = numbered(["0", "1"]), zoo.build("yolov4_tiny", ["cat", "dog"])
    report = transfer(target, source, ["head"])
    np.testing.assert_array_equal(predictions(target)[1], np.arange(21))
    assert not report.by_name


def test_arrays_of_a_head_that_does_not_say_its_classes_are_left_out(monkeypatch):
    """All that a class more would enlarge, and nothing else."""
    monkeypatch.delattr(YoloHead, "class_channels")
    source, target = numbered(["a", "b", "c"]), zoo.build("yolov4_tiny", ["c", "b", "a"])
    before = predictions(target)[1]
    report = transfer(target, source, ["backbone", "neck", "head"])
    assert sorted(report.missed) == [
        f"head/{level}_predict/convolution/{array}"
        for level in ("P4", "P5") for array in ("bias", "kernel")
    ]  # fmt: skip
    assert "its head does not say which channels are theirs" in str(report)
    np.testing.assert_array_equal(predictions(target)[1], before)
    same = zoo.build("yolov4_tiny", ["a", "b", "c"])
    assert transfer(same, source, ["head"]).missed == {}


CFG = """[net]
height=32
width=32
channels=3
[convolutional]
filters=14
size=1
stride=32
activation=linear
[yolo]
mask=0,1
anchors=1,2, 3,4
classes=2
num=2
"""


def test_a_cfg_predicts_in_its_backbone(tmp_path):
    """Two anchors of 5 + 2 entries."""
    (tmp_path / "small.cfg").write_text(CFG)
    source, target = (
        zoo.load(tmp_path / "small.cfg", class_names=names) for names in (["a", "b"], ["b", "a"])
    )
    bias = [v for v in source.variables if v.path.endswith("bias")]
    bias[0].assign(np.arange(14))
    report = transfer(target, source, ["backbone"])
    (moved,) = [np.array(v) for v in target.variables if v.path.endswith("bias")]
    assert moved.tolist() == [0, 1, 2, 3, 4, 6, 5, 7, 8, 9, 10, 11, 13, 12]
    assert report.by_name
