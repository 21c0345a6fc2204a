import logging
import os
import re
import shlex
import subprocess
import sys
import time
from importlib.metadata import EntryPoint

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

import zoo
from zoo import config
from zoo.__main__ import COMMANDS
from zoo.command import (
    _check_choices,
    _complain,
    _keep_compiled,
    _keep_names,
    _log_in_utf8,
    help_of,
)
from zoo.errors import ZooError, nearest
from zoo.registry import BACKBONES

MODELS = config.options("model")


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, check=False
    )


def test_models_are_listed():
    assert {"yolov3", "yolov3_tiny", "yolov4", "yolov4_tiny"} <= set(MODELS)


def test_compose_overrides_a_part_of_a_model():
    cfg = config.plain(config.compose("model/yolov4", ["model/backbone=darknet53"]))
    assert cfg["model"]["backbone"] == {"name": "darknet53"}


def test_the_config_prints_without_loading_a_backend():
    start = time.monotonic()
    done = command("zoo.train", "--cfg", "job", "model=yolov4", "data=coco")
    assert done.returncode == 0, done.stderr
    assert "name: cspdarknet53" in done.stdout
    assert time.monotonic() - start < 10  # 0.8 s when idle; a backend alone takes longer when cold


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        pytest.param("model=yolo4", "no model 'yolo4'; did you mean yolov4", id="option"),
        pytest.param("epocs=3", "no key 'epocs' in train; did you mean epochs?", id="key"),
        pytest.param(
            "optimizer.momentun=1",
            "no key 'optimizer.momentun' in train; did you mean momentum?",
            id="nested key",
        ),
        pytest.param(
            "evaluation=coco",
            "evaluation of train is no choice of a file; it has evaluation.every=…",
            id="another command's group",
        ),
        pytest.param(
            "data.root=it's (1)",
            'cannot read "data.root=it\'s (1)"; a value with brackets, = or quotes needs quotes of '
            "its own, inside those of the shell: 'data.root='\"'\"'it\\'\"'\"'s (1)'\"'\"''",
            id="a value that needs quotes",
        ),
        pytest.param(
            "optimizer=adamw optimizer.momentum=0.9",
            "no key 'optimizer.momentum' in train; there are: _target_, learning_rate, weight_",
            id="a key of another optimizer",
        ),
        pytest.param(
            "model=yolov4_csp model.backbone.activtion=x",
            "no key 'model.backbone.activtion' in train; did you mean activation?",
            id="a key of another model",
        ),
        pytest.param(
            "loss.box=mse",
            "no key 'loss.box' in train; did you mean model.loss.box?",
            id="a key without what it lies in",
        ),
        pytest.param(
            "backbone=darknet53",
            "no key 'backbone' in train; did you mean model/backbone?",
            id="a part without its model",
        ),
        pytest.param(
            "model=cfg/my.cfg",
            "model=cfg/my.cfg: must be a name of conf/model, not a file; a cfg is trained in "
            "Python: zoo.load('cfg/my.cfg', weights=…) has fit",
            id="a cfg",
        ),
        pytest.param(
            "model=yolov4.conv.137",
            "model=yolov4.conv.137: must be a name of conf/model, not a file; give "
            "weights=yolov4.conv.137 and the name of its model",
            id="weights",
        ),
        pytest.param("model=5", "model=5: a choice is a name; there are: yolov3,", id="no name"),
        pytest.param(
            "lr=0.01",
            "no key 'lr' in train; did you mean optimizer.learning_rate?",
            id="another's name of a key",
        ),
        pytest.param(
            "optimizer.lr=0.01",
            "no key 'optimizer.lr' in train; did you mean learning_rate?",
            id="another's name of a key where it lies",
        ),
        pytest.param("epochs", "cannot read 'epochs'; an option is written KEY=VALUE", id="no ="),
        pytest.param(
            "--epochs=3", "cannot read '--epochs=3'; an option is written KEY=VALUE", id="dashes"
        ),
        pytest.param("--run=3", "'--run=3'; an option is written", id="a flag with a value"),
        pytest.param(
            "data.root=~/x",
            "cannot read 'data.root=~/x'; ~ is $HOME: data.root=$HOME/x",
            id="what the shell leaves",
        ),
    ],
)
def test_a_misspelling_is_one_sentence_with_the_nearest_name(override, sentence):
    words = [override] if "data.root" in override else override.split()
    done = command("zoo.train", "--cfg", "job", *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])))
@example("null")
@example("1e5")
@example("C:\\it's \\'")
def test_an_override_passes_the_shell_and_hydra_unchanged(value):
    (word,) = shlex.split(config.override("key", value))
    assert config.override_value(word) == value


def test_an_override_is_quoted_where_that_is_needed_only():
    assert config.override("resume", "runs/2026-11-29/a_b") == "resume=runs/2026-11-29/a_b"
    assert config.override("resume", "my runs/é") == "\"resume='my runs/é'\""


def test_a_third_partys_failure_comes_with_its_place(capsys):
    def part(images):
        raise KeyError("width")

    with BACKBONES.temporarily("odd", part), pytest.raises(ZooError) as failed:
        BACKBONES.build({"name": "odd"}, None)
    with pytest.raises(SystemExit):
        _complain(failed.value)
    *place, sentence = capsys.readouterr().err.splitlines()
    assert sentence == "error: backbone 'odd' failed: KeyError: 'width'"
    assert any("in part" in line for line in place)


def test_a_log_file_has_every_line_in_every_locale(tmp_path):
    handler = logging.FileHandler(tmp_path / "train.log", encoding="ascii")
    log = logging.getLogger()
    log.addHandler(handler)
    try:
        _log_in_utf8()
        log.warning("input 416×416")
    finally:
        log.removeHandler(handler)
        handler.close()
    assert (tmp_path / "train.log").read_text("utf-8") == "input 416×416\n"


def test_a_value_in_place_of_several_keys_is_refused(tmp_path):
    done = command("zoo.train", "checkpoint=5", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 2
    sentence = "error: checkpoint=5 takes the place of several keys; set checkpoint.every=…"
    assert sentence in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("train", "data.root"), ("train", "resume"), ("train", "weights"), ("detect", "preset"),
        ("detect", "source"), ("reproduce", "run"), ("convert", "output"), ("verify", "cfg"),
        ("verify", "reference"), ("export", "calibration.source"), ("convert", "class_names"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("spelt", ["2024", "1_0", "1e3", "007"])
def test_a_path_that_looks_like_a_number_is_one(name, key, spelt):
    words = [f"{key}={spelt}"]
    cfg = config.compose(name, ["data=voc"] * (key == "data.root") + words)
    _keep_names(cfg, words)
    assert config.OmegaConf.select(cfg, key) == spelt


def test_a_number_of_the_yaml_is_a_path_too():
    cfg = config.compose("train", ["data=voc", "data.root=2024", "seed=7"])
    _keep_names(cfg, ["seed=7"])
    assert (cfg.data.root, cfg.seed) == ("2024", 7)


@pytest.mark.parametrize("value", ["true", "[a]", "{a: 1}"])
def test_what_is_no_path_is_refused_by_name(value):
    words = [f"preset={value}"]
    with pytest.raises(ZooError, match=r"preset=.* is no path; quote such a name: .*preset='"):
        _keep_names(config.compose("detect", words), words)


def test_names_may_be_a_list():
    words = ["class_names=[cat,dog]"]
    cfg = config.compose("convert", words)
    _keep_names(cfg, words)
    assert cfg.class_names == ["cat", "dog"]


def test_a_command_finds_a_folder_whose_name_is_a_number(tmp_path):
    done = command("zoo.reproduce", "run=20_24", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no run in 20_24: ")


def test_settings_for_data_come_with_it_and_give_way_to_the_command_line():
    done = command("zoo.train", "--cfg", "job", "data=shapes", "epochs=7")
    assert "epochs: 7" in done.stdout
    assert "- 128" in done.stdout  # image_size of for_data/shapes
    other = command("zoo.train", "--cfg", "job", "data=voc")
    assert "epochs: 20" in other.stdout


def test_a_recipe_chooses_parts_and_gives_way_to_the_command_line():
    recipe = config.compose("train", ["recipe=custom"])
    assert (recipe.data.name, recipe.schedule.name, recipe.weights) == ("yolo", "steps", "auto")
    assert [step.name for step in recipe.augment.transforms][-1] == "mosaic"
    words = ["data=voc", "augment=darknet_tiny", "ema=null", "model/loss=mse", "epochs=8"]
    ours = config.compose("train", [*words[:2], "recipe=custom", *words[2:]])  # in any order
    assert (ours.data.name, ours.ema, ours.model.loss.box, ours.epochs) == ("voc", None, "mse", 8)
    assert "mosaic" not in [step.name for step in ours.augment.transforms]
    assert ours.schedule.name == "steps"  # what nobody names stays the recipe's


def test_compose_leaves_hydra_as_it_was():
    from hydra.core.global_hydra import GlobalHydra

    config.compose("model/yolov4")
    assert not GlobalHydra.instance().is_initialized()


def test_a_missing_mandatory_key_is_named():
    with pytest.raises(ZooError, match="preset"):
        config.plain(config.compose("detect"))


@pytest.mark.parametrize(
    "group",
    ["model", "data", "augment", "optimizer", "schedule", "tracker", "callbacks", "recipe"],
)
def test_every_option_composes(group):
    for option in config.options(group):
        assert group == "recipe" or group in config.compose("train", [f"{group}={option}"])


def test_the_files_that_contributing_shows_are_those_of_the_checkout():
    text = (config.CONF.parent / "CONTRIBUTING.md").read_text()
    shown = re.findall(r"`conf/([\w/]+\.yaml)`:\n\n```diff\n(.+?)```", text, re.DOTALL)
    assert len(shown) == 2
    for name, block in shown:
        assert re.sub("^[+]", "", block, flags=re.MULTILINE) == (config.CONF / name).read_text()


def test_every_way_of_evaluating_has_the_same_keys():
    keys = {
        option: set(config.compose("evaluate", [f"evaluation={option}"])["evaluation"])
        for option in config.options("evaluation")
    }
    assert set(keys) >= {"coco", "darknet_map", "darknet_valid", "opencv"}
    assert all(found == keys["coco"] for found in keys.values())


def test_where_jax_keeps_what_it_compiled_is_the_users_to_say(monkeypatch, tmp_path):
    folder, least = "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    monkeypatch.setenv(folder, "elsewhere")
    monkeypatch.setenv(least, "2")
    _keep_compiled()
    assert (os.environ[folder], os.environ[least]) == ("elsewhere", "2")
    del os.environ[folder], os.environ[least]
    _keep_compiled()
    assert (os.environ[folder], os.environ[least]) == (str(tmp_path / "compiled"), "0")


def test_python_m_zoo_lists_every_command():
    commands = {f"zoo.{file.stem}" for file in config.CONF.glob("*.yaml")} - {"zoo.run"}
    assert set(COMMANDS) == commands


# === What a terminal, a disk or a plugin may do ===


def test_a_terminal_of_few_letters_costs_no_run(tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-m", "zoo.anchors", "data=shapes", "data.images=8", "clusters=3",
         f"hydra.run.dir={tmp_path}/a"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "\\xd7" in done.stdout  # of width × height


def test_a_run_directory_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    done = command("zoo.anchors", "data=shapes", f"hydra.run.dir={tmp_path}/file/run")
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path}/file/run: Not a directory\n"


def test_a_key_that_the_yaml_leaves_out_needs_a_plus():
    done = command("zoo.train", "--cfg", "job", "optimizer.nesterov=true")
    assert done.returncode == 2 and "given as +optimizer.nesterov=…" in done.stderr
    done = command("zoo.train", "--cfg", "job", "+optimizer.nesterov=true")
    assert done.returncode == 0 and "nesterov: true" in done.stdout


def test_a_new_key_at_the_top_that_nothing_reads_is_told():
    done = command("zoo.anchors", "data=voc", "data.root=/nowhere", "+clusterz=3", "+mine=4")
    assert "zoo.anchors reads no 'clusterz'; did you mean clusters?" in done.stdout + done.stderr
    assert "zoo.anchors reads no 'mine'\n" in done.stdout + done.stderr


def plugins(monkeypatch, *points):
    found = [EntryPoint(name, value, "zoo.conf") for name, value in points]
    monkeypatch.setattr(config, "entry_points", lambda group: found)


def test_the_yaml_of_a_plugin_is_found_without_importing_it(tmp_path, monkeypatch):
    (tmp_path / "broken_zoo/parts/conf/model").mkdir(parents=True)
    (tmp_path / "broken_zoo/__init__.py").write_text("raise RuntimeError('no licence')")
    (tmp_path / "broken_zoo/parts/conf/model/broken.yaml").write_text("name: broken\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins(monkeypatch, ("broken", "broken_zoo.parts.conf"))
    assert config.find("model", "broken").parent.parent == tmp_path / "broken_zoo/parts/conf"
    assert "broken_zoo" not in sys.modules


def test_the_yaml_of_a_namespace_package_is_found_where_it_lies(tmp_path, monkeypatch):
    (tmp_path / "a/space_zoo/other").mkdir(parents=True)
    (tmp_path / "b/space_zoo/conf").mkdir(parents=True)
    for folder in "ba":
        monkeypatch.syspath_prepend(tmp_path / folder)
    plugins(monkeypatch, ("space", "space_zoo.conf"))
    assert config.conf_directories()["space"] == tmp_path / "b/space_zoo/conf"


@pytest.mark.parametrize(
    "value", ["nobodys_zoo.conf", "sys.conf", "os.path", ".conf", "zoo_ghost:x"]
)
def test_a_plugin_without_its_yaml_is_told_and_blocks_nobody(monkeypatch, caplog, value):
    config._warn.cache_clear()
    plugins(monkeypatch, ("late", value), ("ghost", "zoo_ghost.conf"))
    assert list(config.conf_directories()) == ["zoo", "ghost"]
    assert list(config.conf_directories()) == ["zoo", "ghost"]
    (record,) = caplog.records
    assert record.getMessage() == f"the YAML of plugin 'late' ({value}) is not a directory"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("name: [1\n", "line 2: this is no YAML: expected ',' or", id="bracket"),
        pytest.param("name: a\n\tb: 1\n", "line 2: this is no YAML: found character", id="tab"),
        pytest.param("name: a\nname: b\n", "line 2: this is no YAML: found duplicate", id="twice"),
    ],
)
def test_a_file_that_is_no_yaml_is_named_with_the_line(tmp_path, monkeypatch, text, words):
    (tmp_path / "odd_zoo/conf/model").mkdir(parents=True)
    (tmp_path / "odd_zoo/conf/model/odd.yaml").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    plugins(monkeypatch, ("odd", "odd_zoo.conf"))
    with pytest.raises(ZooError, match=rf"odd_zoo/conf/model/odd\.yaml, {words}"):
        config.compose("train", ["model=odd"])


def test_a_plugins_file_does_not_hide_behind_ours(tmp_path, monkeypatch):
    (tmp_path / "late_zoo/conf/model").mkdir(parents=True)
    (tmp_path / "late_zoo/conf/model/yolov4_tiny.yaml").write_text("name: other\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins(monkeypatch, ("late", "late_zoo.conf"))
    with pytest.raises(ZooError, match=r"yolov4_tiny\.yaml of plugin 'late' is in 'zoo' too"):
        config.conf_directories()


@pytest.mark.parametrize("name", ["zoo", "conf"])
def test_the_yaml_of_no_plugin_hides_another(monkeypatch, name):
    plugins(monkeypatch, ("conf", "zoo_ghost.conf"), (name, "zoo_ghost.conf"))
    with pytest.raises(ZooError, match=f"is called '{name}', as another's; rename it"):
        config.conf_directories()


@pytest.mark.parametrize("override", ["model.backbone=darknet53", "+model.backbone=darknet53"])
def test_a_file_is_chosen_with_slashes(override):
    with pytest.raises(ZooError, match="of several keys; write model/backbone=darknet53"):
        _check_choices([override])
    _check_choices(["model/backbone=darknet53", "model=yolov4", "model.name=yolov4", "seed=1"])


@pytest.mark.parametrize("name", [name.removeprefix("zoo.") for name in COMMANDS])
def test_help_is_the_yaml_with_its_comments_and_its_choices_alone(name):
    text = help_of(name)
    assert (config.CONF / f"{name}.yaml").read_text().rstrip() in text
    chosen = OmegaConf.load(config.CONF / f"{name}.yaml").defaults
    groups = re.findall(r"^([\w/]+): .*", text.partition("=== choices")[2], re.MULTILINE)
    if "train" in chosen:
        assert "=== conf/train.yaml ===" in text and "model/backbone" in groups
    elif name != "train":
        assert groups == sorted(key for one in chosen if OmegaConf.is_dict(one) for key in one)


def test_help_needs_no_backend():
    script = (
        "import sys, zoo.train as t; sys.argv = ['t', '--help']; t.main(); "
        "assert 'keras' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "epochs: 20   " in done.stdout and "\noptimizer: adamw, sgd\n" in done.stdout


def test_the_nearest_name_is_found_whatever_its_capitals():
    assert nearest("YOLO", ["yolo", "fpn"]) == "did you mean yolo?"
    assert nearest("adam", ["AdaM", "sgd"]) == "did you mean AdaM?"


def test_the_public_names_are_those_listed():
    assert dir(zoo) == sorted([*zoo.__all__, "__version__"])


def test_weights_are_told_to_go_with_their_cfg():
    with pytest.raises(ZooError, match=r"its cfg: zoo\.load\('my\.cfg', weights='my\.weights'\)"):
        zoo.load("my.weights")


def test_an_argument_of_python_m_zoo_is_refused():
    done = command("zoo", "trian")
    assert done.returncode == 2
    assert done.stderr == (
        "error: no argument 'trian'; did you mean train?; a command is called as zoo.train\n"
    )
    said = command("zoo", "train", "data=voc").stderr
    assert said == "error: no argument 'train'; python -m zoo.train is the command\n"
    assert command("zoo", "--help").stdout.startswith("commands")
