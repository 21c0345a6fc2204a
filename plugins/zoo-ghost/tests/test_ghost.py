"""The plugin, found by its entry points alone: composed, built, trained for two steps."""

import subprocess
import sys

import zoo
from zoo import config
from zoo.registry import KINDS


def test_the_backbone_is_listed_with_its_owner():
    assert "ghost" in zoo.backbones()
    assert KINDS["backbone"].origin("ghost") == "zoo-ghost"


def test_its_yaml_is_an_option_of_the_model():
    cfg = config.plain(config.compose("model/yolov4_tiny", ["model/backbone=ghost"]))["model"]
    assert cfg["backbone"] == {"name": "ghost", "widths": [16, 32, 64, 128, 256]}


def test_channels_are_those_of_the_yaml():
    detector = zoo.build("yolov4_tiny", ["thing"], ["model/backbone=ghost"])
    shapes = {level: t.shape for level, t in detector.get_layer("backbone").output.items()}
    assert {level: shape[-1] for level, shape in shapes.items()} == {"P3": 64, "P4": 128, "P5": 256}


def test_two_training_steps_by_command_line(tmp_path):
    command = [
        sys.executable, "-m", "zoo.train", "model=yolov4_tiny", "model/backbone=ghost",
        "data=shapes", "epochs=1", "steps_per_epoch=2", "batch_size=2", "image_size=64",
        "data.held_out=4", "tracker=none", f"hydra.run.dir={tmp_path}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    detector = zoo.load(tmp_path)
    assert detector.cfg["backbone"]["name"] == "ghost"
