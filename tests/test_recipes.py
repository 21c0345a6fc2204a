"""Each published recipe against what was published: the official cfg, or the authors' train.py."""

import re
from pathlib import Path

import pytest

from zoo import building, config
from zoo.registry import LOSSES

DARKNET = ["yolov3", "yolov3_tiny", "yolov4", "yolov4_tiny"]
SCALED = ["yolov4_csp", "yolov4_p5", "yolov4_p6"]


def recipe(name, *overrides):
    return config.plain(config.compose("train", [f"recipe={name}", *overrides]))


def sections(path: Path):
    """[(kind, {key: value})] of a cfg; commented `key=value` lines of training count in [net]."""
    found = []
    for line in path.read_text().splitlines():
        if header := re.match(r"\[(\w+)\]", line):
            found.append((header[1], {}))
        elif pair := re.match(r"(# ?)?(\w+) *= *([^#]+)", line):
            kind, keys = found[-1]
            if not pair[1] or (kind == "net" and pair[2] in ("batch", "subdivisions")):
                number = int(keys.get(pair[2], 0)) if pair[1] else 0
                keys[pair[2]] = str(max(number, int(pair[3]))) if pair[1] else pair[3].strip()
    return found


def numbers(text):
    return [float(number) for number in text.split(",")]


@pytest.fixture
def published(request, oracle_dir):
    name = request.param.replace("_", "-")
    found = sections(oracle_dir / "cfg" / f"{name}.cfg")
    return request.param, found[0][1], [keys for kind, keys in found if kind == "yolo"]


@pytest.mark.parametrize("published", DARKNET, indirect=True)
def test_every_hyperparameter_is_that_of_the_cfg(published):
    name, net, _ = published
    ours = recipe(name)
    optimizer, schedule = ours["optimizer"], ours["schedule"]
    assert (ours["model"]["name"], ours["data"]["builder"]) == (name, "coco/2017")
    assert ours["image_size"] == [int(net["height"]), int(net["width"])]
    assert ours["batch_size"] * ours["subdivisions"] == int(net["batch"]) == 64
    assert ours["subdivisions"] == int(net["subdivisions"])
    assert (ours["epochs"], ours["updates"]) == (None, int(net["max_batches"]))
    assert optimizer["name"] == "sgd" and not optimizer.get("nesterov")
    assert optimizer["learning_rate"] == float(net["learning_rate"])
    assert optimizer["momentum"] == float(net["momentum"])
    assert optimizer["weight_decay"] == float(net["decay"])
    assert schedule["name"] == net["policy"]
    assert schedule["burn_in"] == int(net["burn_in"])
    assert schedule["steps"] == numbers(net["steps"])
    assert schedule["scales"] == numbers(net["scales"])
    assert ours["ema"] is None and "ema_alpha" not in net


@pytest.mark.parametrize("published", DARKNET, indirect=True)
def test_the_augmentation_is_that_of_the_cfg(published):
    name, net, levels = published
    augment = recipe(name)["augment"]
    steps = {step.pop("name"): step for step in augment["transforms"]}
    last = levels[-1]  # Darknet augments as the last [yolo] says
    crop = steps.get("darknet_crop") or steps["darknet_place"]
    assert crop == {
        key: float(last[key]) for key in ("jitter", "resize") if key in last or key == "jitter"
    }
    assert steps["darknet_hsv"] == {
        "hue": float(net["hue"]),
        "saturation": float(net["saturation"]),
        "exposure": float(net["exposure"]),
    }
    assert ("mosaic" in steps) == (net.get("mosaic") == "1")
    assert bool(augment["scales"]) == (last["random"] == "1")
    assert "flip" in steps and augment["unmixed_epochs"] == 0
    assert set(steps) <= {"darknet_crop", "darknet_place", "darknet_hsv", "flip", "mosaic"}


@pytest.mark.parametrize("published", DARKNET, indirect=True)
def test_the_loss_is_that_of_the_cfg(published):
    name, _, levels = published
    ours = LOSSES.settings(recipe(name)["model"]["loss"])
    assert ours["name"] == "yolo" and ours["gradient"] == "darknet"
    of_head = recipe(name)["model"]["head"]
    for level in levels:
        assert ours["box"] == level.get("iou_loss", "mse")
        assert ours["ignore_threshold"] == float(level["ignore_thresh"])
        assert ours["truth_threshold"] == float(level["truth_thresh"])
        assert ours["iou_threshold"] == float(level.get("iou_thresh", 1))
        assert ours["box_normalizer"] == float(level.get("iou_normalizer", 1))
        assert ours["class_normalizer"] == float(level.get("cls_normalizer", 1))
        assert ours["objectness_normalizer"] == float(level.get("obj_normalizer", 1))
        assert ours["max_delta"] == (float(level["max_delta"]) if "max_delta" in level else None)
        assert ours["label_smoothing"] == float(level.get("label_smooth_eps", 0))
    scales = of_head.get("scale_xy", 1.0)
    scales = list(scales.values()) if isinstance(scales, dict) else [scales] * len(levels)
    assert scales == [float(level.get("scale_x_y", 1)) for level in levels]


@pytest.mark.parametrize("published", SCALED, indirect=True)
def test_a_scaled_recipe_has_the_authors_values(published):
    """train.py and hyp.scratch.yaml of ScaledYOLOv4; batch and decay are the cfg's too."""
    name, net, _ = published
    ours = recipe(name)
    assert ours["batch_size"] * ours["subdivisions"] == int(net["batch"]) == 64
    assert ours["optimizer"] == {
        "name": "sgd", "learning_rate": 0.01, "momentum": 0.937, "nesterov": True,
        "weight_decay": float(net["decay"]), "warmup": 3 * (118_287 // 64), "bias_warmup": 0.1,
        "momentum_warmup": 0.9, "ema_warmup": 2000,
    }  # fmt: skip
    assert ours["schedule"] == {"name": "cosine", "burn_in": 5544, "power": 1, "final": 0.2}
    assert (ours["epochs"], ours["ema"], ours["data"]["builder"]) == (300, 0.9999, "coco/2017")
    size = 640 if name == "yolov4_csp" else int(net["width"])  # the paper's; the cfg says 512
    assert ours["image_size"] == [size, size]


@pytest.mark.parametrize(
    ("name", "loss", "moves"),
    [
        ("yolov4_csp", (0.05, 0.7, 0.3), {"translate": 0.1, "scale": 0.9}),
        ("yolov4_p5", (0.05, 1.0, 0.5), {"translate": 0.5, "scale": 0.5}),
        ("yolov4_p6", (0.05, 1.0, 0.5), {"translate": 0.5, "scale": 0.5}),
    ],
)
def test_gains_and_movements_of_a_branch(name, loss, moves):
    ours = recipe(name)
    settings = LOSSES.settings(ours["model"]["loss"])
    keys = ("box_normalizer", "objectness_normalizer", "class_normalizer")
    assert settings["name"] == "scaled" and settings["ratio"] == 4.0
    assert tuple(settings[key] for key in keys) == loss
    steps = {step.pop("name"): step for step in ours["augment"]["transforms"]}
    assert steps["perspective"] == moves
    assert steps["hsv"] == {"hue": 0.015, "saturation": 0.7, "value": 0.4}
    assert steps["mosaic"]["probability"] == 1.0 and "flip" in steps and "mixup" not in steps


@pytest.mark.parametrize("name", SCALED)
def test_the_scaled_loss_builds_over_a_model_with_settings_for_darknets(name):
    cfg = recipe(name)["model"]
    head = building.build("head", cfg["head"], num_classes=80)
    assert building.build("loss", cfg["loss"], head).weights["box"] > 0


@pytest.mark.parametrize("name", config.options("recipe"))
def test_every_recipe_trains_on_drawn_shapes(name):
    """What suits the shapes of Darknet's loss is no key of another one."""
    cfg = recipe(name, "data=shapes")["model"]
    head = building.build("head", cfg["head"], num_classes=3)
    assert building.build("loss", cfg["loss"], head)
    assert (cfg["loss"].get("iou_threshold") == 0.2) == (cfg["loss"]["name"] == "yolo")


@pytest.mark.parametrize(
    ("words", "threshold"),
    [
        pytest.param([], 0.2, id="default"),
        pytest.param(["model/loss=mse"], 0.2, id="another one of Darknet's"),
        pytest.param(["model.loss.iou_threshold=0.5"], 0.5, id="the user's own"),
        pytest.param(["model/loss=scaled"], None, id="a loss without the key"),
        pytest.param(["data=voc", "data.root=d"], None, id="other data"),
    ],
)
def test_further_anchors_learn_a_drawn_shape(words, threshold):
    found = recipe("none", *words)
    assert found["model"]["loss"].get("iou_threshold") == threshold
    assert "shapes" not in found


@pytest.mark.parametrize("name", [*DARKNET, *SCALED])
def test_the_head_of_a_recipe_says_what_it_needs_to(name):
    text = config.find("recipe", name).read_text()
    for word in ("Hardware:", "Cost:", "computed", "Expected:", "Differs:"):
        assert word in text
    assert "on COCO [" in text and ("./darknet detector train" in text or "train.py" in text)


def test_pretraining_has_the_values_of_darknet53():
    """cfg/darknet53.cfg: batch 128 in 4 parts, 800,000 updates, poly with power 4."""
    ours = recipe("pretrain", "data.builder=imagenet2012")
    assert (ours["task"], ours["image_size"]) == ("classification", [256, 256])
    assert (ours["batch_size"], ours["subdivisions"]) == (128 // 4, 4)
    assert (ours["epochs"], ours["updates"]) == (None, 800_000)
    optimizer = {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 0.0005}
    assert ours["optimizer"] == optimizer
    assert ours["schedule"] == {"name": "poly", "burn_in": 1000, "exponent": 4}
