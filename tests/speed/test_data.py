"""The input pipeline measured: the same samples, every stage named, a sentence that is right."""

import json
import subprocess
import sys

import numpy as np
import pytest

from zoo import config
from zoo.data.sources import open_source
from zoo.errors import ZooError
from zoo.registry import TRANSFORMS
from zoo.speed import data
from zoo.speed.page import picture
from zoo.speed.stages import Watched, watched_samples
from zoo.speed.timing import Stopwatch

SMALL = ["data=shapes", "data.images=12", "image_size=64", "batch_size=4", "count=8"]
OWN = {"read and decode", "warp", "colours", "resize and boxes", "batch"}


def composed(*overrides):
    cfg = config.plain(config.compose("benchmark", [*SMALL, *overrides]))
    return cfg, open_source(cfg["data"], "train")


@pytest.mark.parametrize("augment", ["none", "flip", "darknet", "scaled", "scaled_tune"])
def test_a_stopwatch_changes_no_sample(augment):
    cfg, source = composed(f"augment={augment}")
    names = TRANSFORMS.names()
    timed, plain = (
        watched_samples(cfg, source, watch, cache_mb=8) for watch in (Stopwatch(), None)
    )
    for position in range(6):
        (x, y), (expected, truth) = timed(position), plain(position)
        np.testing.assert_array_equal(x, expected)
        np.testing.assert_array_equal(y["boxes"], truth["boxes"])
    assert TRANSFORMS.names() == names  # nothing stays registered


@pytest.mark.parametrize("kind, decoded", [("RAM", 0), ("streaming", 1), ("uncached", 4)])
def test_what_is_decoded_for_a_mosaic_of_four(kind, decoded):
    cfg, source = composed("augment=scaled")
    found = data.staged(cfg, source, kind)
    assert found["images"] == 8 and found["decoded_per_image"] == decoded
    stages = {"fit", "mosaic", "perspective", "hsv", "flip"} | OWN
    assert set(found["stages"]) == stages - ({"read and decode"} if kind == "RAM" else set())
    spent = sum(stage["cpu_ms"] for stage in found["stages"].values())
    assert found["images_per_cpu_second"] == pytest.approx(1e3 / spent)


def test_a_data_set_need_not_say_what_the_loader_keeps():
    cfg, source = composed("augment=none")
    for key in ("max_boxes", "cache_mb"):
        del cfg["data"][key]
    assert data.staged(cfg, source, "streaming")["images"] == 8


def test_a_source_in_a_row_with_itself():
    _, source = composed()
    row = Watched(source, repeats=3)
    assert len(row) == 36 and row.id(25) == source.id(1) and row.size(13) == source.size(1)
    np.testing.assert_array_equal(row.image(14), source.image(2))
    assert row.decoded == 1 and len(row.labels(12).boxes) == len(source.labels(0).boxes)


@pytest.mark.parametrize(
    "step, words",
    [
        pytest.param(50.0, "the model is the bottleneck, by a factor of 4.0", id="model"),
        pytest.param(500.0, "the data is the bottleneck, by a factor of 2.5", id="data"),
        pytest.param(None, "no training step was measured", id="neither"),
    ],
)
def test_the_slower_one_is_the_bottleneck(step, words):
    step = step and {"images_per_second": step}
    found = data.verdict(200.0, "streaming", 2, step)
    assert words in found and "200 images/s (streaming, 2 threads)" in found


def test_a_training_step_is_timed():
    """Of the size of the config, though `augment.scales` draws others."""
    cfg, source = composed("image_size=[64,96]", "augment=darknet", "rounds=1")
    step = data.training_step(cfg, source)
    assert step["images_per_second"] == pytest.approx(4e3 / step["milliseconds"])


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "float32"])
def test_a_training_step_has_the_precision_of_the_config(precision, monkeypatch):
    import keras

    from zoo.training import run

    seen, built = [], run.detector_for

    def spy(*arguments):
        seen.append(built(*arguments))
        return seen[0]

    monkeypatch.setattr(run, "detector_for", spy)
    cfg, source = composed(f"precision={precision}", "rounds=1")
    data.training_step(cfg, source)
    assert seen[0].compute_dtype == precision.removeprefix("mixed_")
    assert keras.mixed_precision.dtype_policy().name == "float32"  # as before


def test_too_few_images_are_refused():
    cfg, source = composed("count=3")
    with pytest.raises(ZooError, match="count=3: must be at least batch_size=4"):
        data.measure(cfg, source)


def test_the_command_leaves_figures_with_their_environment_and_a_picture(tmp_path):
    command = [sys.executable, "-m", "zoo.benchmark", *SMALL, "augment=darknet", "step=false",
               "precision=mixed_bfloat16"]  # fmt: skip
    done = subprocess.run(
        [*command, f"hydra.run.dir={tmp_path}"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the loader makes" in done.stdout and "darknet_crop" in done.stdout
    found = json.loads((tmp_path / "benchmark.json").read_text())
    assert found["environment"]["hardware"]["cores"] >= 1 and found["environment"]["packages"]
    assert set(found["pipeline"]) == {"RAM", "streaming", "uncached"} and found["step"] is None
    assert found["config"]["precision"] == "mixed_bfloat16"
    assert found["config"]["augment"]["transforms"][0]["name"] == "darknet_crop"
    drawn = (tmp_path / "bars.svg").read_text()
    assert drawn.startswith("<svg") and "mosaic" in drawn and drawn == picture(found)
