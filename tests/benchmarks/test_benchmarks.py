"""The arithmetic of benchmarks; what they time is timed by hand."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo import config

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    """Benchmarks import each other as scripts do."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.mark.parametrize(
    "value, bounds, met",
    [
        pytest.param(0.08, {"most": 0.08}, True, id="a bound is met"),
        pytest.param(0.0801, {"most": 0.08}, False, id="more than it may be"),
        pytest.param(1.39, {"least": 1.4}, False, id="less than it must be"),
        pytest.param(1.0, {}, None, id="no target"),
        pytest.param(None, {"most": 1}, None, id="its peer is absent"),
    ],
)
def test_verdicts(value, bounds, met):
    from results import verdict

    assert verdict("it", value, **bounds)["met"] is met


def row(ms, share, rate=6.8):
    return {"ms": ms, "share_of_sgemm": share, "images_per_second": rate}


def test_targets_of_training_by_hand():
    from training import verdicts

    rows = {
        "tensorflow: step": row(1000, 0.7),
        "tensorflow: step, trivial loss": row(800, 0.8),
        "tensorflow: loss alone": {"ms": 50},
        "tensorflow: step, all of it in XLA": row(1200, 0.6),
        "tensorflow: step, bfloat16": row(700, 1.05),
        "ultralytics: step": row(1400, 0.5),
    }
    found = [(v["value"], v["met"]) for v in verdicts(rows, {"tensorflow": {"step": 2}})]
    assert found == [
        (0.05, True),  # 50 / 1000
        (1.25, False),  # 1000 / 800
        (1.4, True),  # 0.7 / 0.5
        (2.1, True),  # 1.05 / 0.5
        (None, None),  # no bfloat16 of the peer
        (4.0, True),  # 6.8 / 1.7
        (1.2, None),  # 1200 / 1000
        (2, False),  # traces
    ]


def test_share_of_sgemm_by_hand():
    from argparse import Namespace

    from training import rows_of

    # 2 · 2048³ FLOPs in 0.2 s are 85.9 GFLOP/s, 2 · 4096³ in 1 s are 137.4: the better one counts.
    seconds = {"sgemm 2048": [0.2], "sgemm 4096": [1.0], "tensorflow: step": [3.0, 1.0, 2.0]}
    facts = {"tensorflow": {"forward_flops": 4096**3 / 12}}
    rows, peak = rows_of(seconds, facts, Namespace(batch=8))
    assert peak == pytest.approx(2 * 4096**3 / 1e9)
    # Three passes over 8 images: 2 · 4096³ FLOPs in the median of 2 s, half of the peak.
    assert rows["tensorflow: step"]["share_of_sgemm"] == pytest.approx(0.5)
    assert rows["tensorflow: step"]["images_per_second"] == 4


def test_each_has_a_turn_in_every_round(monkeypatch):
    import peers

    monkeypatch.setattr(peers, "PAUSE", 0)
    asked = []
    calls = {name: lambda name=name: asked.append(name) or len(asked) for name in "ab"}
    seconds = peers.turns(calls, rounds=3, warm_up=1)
    assert sorted(seconds["a"] + seconds["b"]) == [3, 4, 5, 6, 7, 8]
    assert all({*asked[n : n + 2]} == {"a", "b"} for n in range(0, 8, 2))


def test_a_peer_answers_and_a_missing_one_is_absent():
    import peers

    code = "import peers; print('noise'); peers.serve({'x': lambda: 0}, {'v': 1}, lambda: 'end')"
    path = {"PYTHONPATH": str(BENCHMARKS)}
    peer = peers.Peer([sys.executable, "-c", code], **path)
    assert peer.facts == {"v": 1, "calls": ["x"]}
    assert 0 <= peer.ask("x") < 60
    assert peer.close() == "end"
    found = peers.once([sys.executable, "-c", "import nothing_like_it"])
    assert "nothing_like_it" in found["absent"]


def test_flops_of_a_strided_convolution_in_a_compiled_part():
    jax = pytest.importorskip("jax")
    code = """
import os, sys
sys.path.insert(0, sys.argv[1])
import jax, numpy as np, gpu
layer = jax.jit(lambda x, w: jax.lax.conv_general_dilated(
    x, w, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")))
program = jax.make_jaxpr(lambda x, w: layer(x, w) + 1)
print(gpu.convolution_flops(program(np.ones((1, 8, 8, 3)), np.ones((3, 3, 3, 5))).jaxpr))
print(gpu.card_of("NVIDIA L4"), gpu.card_of("NVIDIA L40"), gpu.card_of("cpu"))
row = gpu.roofline(6e12, 2e10, 0.1, (100e12, 1e12))
print([row[key] for key in ("share_of_peak", "share_of_bandwidth", "share_of_roof", "bound_by")])
row = gpu.roofline(6e11, 2e10, 0.1, (100e12, 1e12))
print([row[key] for key in ("share_of_peak", "share_of_bandwidth", "share_of_roof", "bound_by")])
import json
print(json.dumps(gpu.MODELS))
"""
    assert jax
    done = subprocess.run(
        [sys.executable, "-c", code, str(BENCHMARKS)], capture_output=True, text=True, check=True
    )
    flops, cards, compute, bandwidth, models = done.stdout.splitlines()
    assert int(flops) == 2 * (3 * 3 * 3 * 5) * (4 * 4)
    assert cards == "(121000000000000.0, 300000000000.0) None None"
    # 60 TFLOP/s of 100; 0.2 TB/s of 1; 300 FLOPs a byte are above the ridge of 100.
    assert compute == "[0.6, 0.2, 0.6, 'compute']"
    # 6 TFLOP/s; 30 FLOPs a byte allow 30.
    assert bandwidth == "[0.06, 0.2, 0.2, 'bandwidth']"

    for name, model in json.loads(models).items():
        assert model == config.plain(config.compose(f"model/{name}"))["model"]


def test_a_batch_has_boxes_and_padding():
    from batch import batch_of

    images, truth = batch_of(4, 64, rows=30, most=20)
    assert images.shape == (4, 64, 64, 3) and images.min() >= 0 and images.max() < 1
    real = truth["classes"] >= 0
    assert ((real.sum(axis=1) >= 1) & (real.sum(axis=1) <= 20)).all()
    assert (np.diff(real.astype(int), axis=1) <= 0).all()  # boxes first, then padding
    boxes = truth["boxes"][real]
    assert (boxes[:, 2:] > boxes[:, :2]).all() and boxes.min() >= 0 and boxes.max() <= 64
    assert (truth["boxes"][~real] == 0).all()


def test_drawn_detections_are_as_many_as_said_and_some_are_right():
    from metrics import Drawn, gathered

    from zoo.evaluation.coco import coco_numbers

    truth, found = gathered(Drawn(50))
    assert 98 * 50 <= len(found) <= 100 * 50
    assert 0.05 < coco_numbers(truth, found)["AP50"] < 0.95


def test_a_package_is_found_however_it_spells_its_name(monkeypatch):
    import environment

    found = {"packages": {"tensorflow_cpu": "2.21.0"}, "hardware": {}, "python": "3.11"}
    monkeypatch.setattr(environment.machine, "environment", lambda: found)
    versions = environment.environment("tensorflow-cpu", "jax")
    assert (versions["tensorflow-cpu"], versions["jax"]) == ("2.21.0", "absent")


def test_targets_of_inference_by_hand():
    from inference import verdicts

    ms = {
        "keras": {"bare": 40.0, "whole": 44.0},
        "opencv": {"bare": 32.0, "whole": 40.0},
        "openvino bf16": {"bare": 20.0, "whole": 25.0},
    }
    starts = {"keras": {"seconds": 5.0, "peak_rss_mib": 900}}
    starts["openvino bf16"] = {"seconds": 0.7, "peak_rss_mib": 260}
    found = {v["what"]: (v["value"], v["met"]) for v in verdicts(ms, starts)}
    assert found["keras: whole path / its bare network"] == (1.1, True)  # 44 / 40
    assert found["keras: whole path / OpenCV's"] == (1.1, True)
    assert found["keras: cold start, s"] == (5.0, True)
    assert found["keras: cold start, MiB"] == (900, None)
    assert found["openvino bf16: whole path / its bare network"] == (1.25, False)  # 25 / 20
    assert found["openvino bf16: whole path / OpenCV's"] == (0.625, False)  # 25 / 40
    assert found["openvino bf16: cold start, s"] == (0.7, True)
    assert found["openvino bf16: cold start, MiB"] == (260, False)
    assert found["litert int8: whole path / its bare network"] == (None, None)
