import numpy as np
import pytest

import zoo
from zoo import building
from zoo.darknet.weights import load_weights, save_weights
from zoo.errors import ZooError


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "keras.layers.Dense",
        "keras.callbacks.LambdaCallback",
        "keras.src.layers.Lambda",
        "keras.utils.get_file",
        "zoo.training.history.Path",
        "keras.layers",
        "keras.optimizers.schedules.os.system",
        "zoo.config.os.system",
        "keras.layers.__builtins__",
        "",
        None,
        ["keras.layers.Dense"],
    ],
)
def test_a_target_outside_the_allowlist_is_refused(target):
    with pytest.raises(ZooError, match=r"not allowed|is no class"):
        building.instantiate({"_target_": target})


def test_a_hidden_target_is_refused():
    with pytest.raises(ZooError, match="not allowed"):
        building.instantiate({"a": [{"_target_": "os.system", "command": "true"}]})


@pytest.mark.parametrize("key", ["_args_", "_partial_", "_convert_"])
def test_hydras_other_magic_keys_are_no_arguments(key):
    with pytest.raises(ZooError, match=f"takes no '{key}'"):
        building.instantiate({"_target_": "keras.optimizers.schedules.CosineDecay", key: True})


def test_an_allowed_target_is_constructed():
    made = building.instantiate({"_target_": "keras.callbacks.EarlyStopping", "patience": 7})
    assert made.patience == 7
    target = {"_target_": "zoo.training.history.CsvHistory", "filename": "a.csv"}
    assert building.instantiate(target).path.name == "a.csv"


def test_a_misspelt_target_key_gets_the_nearest():
    with pytest.raises(ZooError, match=r"takes no 'patiense'; did you mean patience\?"):
        building.instantiate({"_target_": "keras.callbacks.EarlyStopping", "patiense": 7})


def test_a_misspelt_class_gets_the_nearest():
    with pytest.raises(ZooError, match=r"did you mean EarlyStopping"):
        building.instantiate({"_target_": "keras.callbacks.EarlyStoping"})


@pytest.mark.parametrize("names", ["ab", [], (), 3, None, {"a": 0}])
def test_class_names_are_a_list_of_names(names):
    with pytest.raises(ZooError, match=r"class_names=.*: must be a list of names"):
        zoo.build("yolov4_tiny", names)


def test_an_empty_name_is_not_the_folder_one_is_in():
    with pytest.raises(ZooError, match=r"load\(''\) names nothing"):
        zoo.load("")


@pytest.mark.parametrize("names", [np.array(["a", "b"]), (name for name in "ab")])
def test_class_names_may_come_one_by_one(names):
    assert zoo.build("yolov4_tiny", names).class_names == ["a", "b"]


@pytest.mark.parametrize("source", [None, 5, ["yolov4-tiny-coco"]])
def test_what_is_no_path_is_no_model(source):
    with pytest.raises(ZooError, match="names nothing; give a preset, a run directory or a file"):
        zoo.load(source)


def test_only_what_was_saved_has_an_optimizer():
    with pytest.raises(ZooError, match=r"compile=True goes with a run or a \.keras file; yolov4-"):
        zoo.load("yolov4-tiny-coco", compile=True)


def test_a_value_in_place_of_a_part_is_refused():
    with pytest.raises(ZooError, match=r"head=5 must be keys with values, `name` among them"):
        building.build("head", 5)


def test_a_target_in_place_of_a_part_that_zoo_feeds_is_refused():
    with pytest.raises(ZooError, match="a loss has a `name`, not a `_target_`; there are: scaled"):
        building.build("loss", {"_target_": "keras.optimizers.SGD"}, object())


def test_a_file_of_no_known_format_is_not_taken_for_a_preset(tmp_path):
    (tmp_path / "a.acme").write_text("")
    with pytest.raises(ZooError, match=r"a\.acme is of no known format; load takes .*onnx"):
        zoo.load(tmp_path / "a.acme")
    with pytest.raises(ZooError, match=r"no file .*/b\.acme, nor a preset"):
        zoo.load(str(tmp_path / "b.acme"))
    with pytest.raises(ZooError, match=r"no preset 'yolo4'; did you mean yolov4"):
        zoo.load("yolo4")


def test_a_detector_with_weights_of_a_file_is_built_anew_by_its_config(tmp_path):
    detector = zoo.build("yolov4_tiny", ["a"], ["+model.backbone.stem=4"])
    save_weights(detector, tmp_path / "a.weights")
    load_weights(detector, tmp_path / "a.weights")
    assert "darknet_header" in detector.cfg
    again = zoo.build(detector.cfg, detector.class_names)
    assert again.count_params() == detector.count_params()
    assert "darknet_header" not in again.cfg  # its weights are of no file


@pytest.mark.parametrize(
    ("model", "names", "overrides", "sentence"),
    [
        ({"bakcbone": {}}, ["a"], [], "a model has no key 'bakcbone'; did you mean backbone"),
        ({"head": {}, "neck": {}}, ["a"], [], "config lacks backbone, nms, image_size; see"),
        ("yolov4_tiny", ["a"], "model/nms=soft", r"overrides='model/nms=soft': must be a list"),
        ("yolov4_tiny", ["a"], None, r"overrides=None: must be a list, as \['model/nms=soft'\]"),
        ("yolov4_tiny", ["a"], {"model/nms": "soft"}, "overrides={'model/nms': 'soft'}: must be a"),
        ({"head": {}}, ["a"], ["model/nms=soft"], "overrides=.*: go with a name; change the con"),
        (None, ["a"], [], "model=None: must be a name in conf/model, as 'yolov4', or a config"),
        ("yolov4_tiny", ["a", 5], [], "zoo.build: class 1 is called 5; give it a name"),
        ("yolov4_tiny", ["a", "a"], [], "zoo.build: several classes are called 'a'"),
    ],
)
def test_what_build_cannot_take_is_one_sentence(model, names, overrides, sentence):
    with pytest.raises(ZooError, match=sentence):
        zoo.build(model, names, overrides)
