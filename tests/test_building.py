import pytest

import zoo
from zoo import building
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


def test_a_misspelt_target_key_gets_the_nearest():
    with pytest.raises(ZooError, match=r"takes no 'patiense'; did you mean patience\?"):
        building.instantiate({"_target_": "keras.callbacks.EarlyStopping", "patiense": 7})


def test_a_misspelt_class_gets_the_nearest():
    with pytest.raises(ZooError, match=r"did you mean EarlyStopping"):
        building.instantiate({"_target_": "keras.callbacks.EarlyStoping"})


@pytest.mark.parametrize("names", ["ab", [], ()])
def test_class_names_are_a_list_of_names(names):
    with pytest.raises(ZooError, match=r"class_names=.*: must be a list of names"):
        zoo.build("yolov4_tiny", names)


def test_an_empty_name_is_not_the_folder_one_is_in():
    with pytest.raises(ZooError, match=r"load\(''\) names nothing"):
        zoo.load("")


def test_a_value_in_place_of_a_part_is_refused():
    with pytest.raises(ZooError, match=r"head=5 must be keys with values, `name` among them"):
        building.build("head", 5)


def test_a_target_in_place_of_a_part_that_zoo_feeds_is_refused():
    with pytest.raises(ZooError, match="a loss has a `name`, not a `_target_`; there are: scaled"):
        building.build("loss", {"_target_": "keras.optimizers.SGD"}, object())
