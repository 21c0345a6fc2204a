"""Training in half precision, from the command to the last bit of a run that was killed."""

import json
import math
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny import TINY

import zoo
from zoo import config
from zoo.detector import Detector

HERE = Path(__file__).parent
PRECISIONS = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


def python(*arguments):
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("precision", PRECISIONS)
def test_layers_compute_in_half_precision_and_the_head_answers_in_float32(precision):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        cfg = config.plain(config.compose("train", TINY))
        detector = Detector({**cfg["model"], "image_size": [64, 64]}, ["one", "two"])
    finally:
        keras.config.set_dtype_policy(before)
    assert detector.get_layer("backbone").get_layer("stem1").compute_dtype == PRECISIONS[precision]
    assert {variable.dtype for variable in detector.variables} == {"float32"}
    predictions = detector(np.zeros((1, 64, 64, 3), "float32"))
    assert {keras.backend.standardize_dtype(p.dtype) for p in predictions.values()} == {"float32"}


@pytest.mark.slow
@pytest.mark.parametrize("precision", PRECISIONS)
def test_half_precision_trains_with_averages_and_subdivisions(precision, tmp_path):
    python("-m", "zoo.train", *TINY, f"precision={precision}", "subdivisions=2",
           "steps_per_epoch=16", "journal=1", f"hydra.run.dir={tmp_path}")  # fmt: skip
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 2 * (16 + 1)
    assert all(math.isfinite(value) for line in lines for value in line.values())
    rates = [line["learning_rate"] for line in lines if "epoch_end" not in line]
    assert rates[0::2] == rates[1::2]  # one rate for both mini-batches of an update
    detector = zoo.load(tmp_path)
    # A fresh head's objectness is 1 %; that of a scaler that never found its scale still is.
    bias = next(v for v in detector.trainable_variables if "P4_predict" in v.path and v.ndim == 1)
    assert abs(float(keras.ops.convert_to_numpy(bias)[4]) + math.log(99)) > 1e-3


@pytest.mark.parametrize(
    "precision",
    [
        pytest.param("mixed_bfloat16", marks=pytest.mark.longest),
        pytest.param("mixed_float16", marks=pytest.mark.slow),  # which scales the loss
    ],
)
def test_half_precision_killed_and_resumed_ends_with_the_same_bits(precision):
    """The scale of the loss and half an update's gradients are part of the state."""
    told = python(HERE / "kill.py", "--short", f"precision={precision}", "subdivisions=2")
    assert "[-9, 143, 0]: equal" in told
