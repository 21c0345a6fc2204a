import json

import numpy as np
import pytest
from keras import ops

from zoo.training.schedules.darknet import Constant, Cosine, Steps


def rate(schedule, n):
    return float(schedule(ops.convert_to_tensor(n - 1, dtype="int32")))


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        pytest.param(1, 0.1 * (1 / 10) ** 4, id="the first update is number 1"),
        pytest.param(5, 0.1 * 0.5**4, id="half of the burn-in"),
        pytest.param(10, 0.1, id="the burn-in is over"),
        pytest.param(79, 0.1, id="before the first step"),
        pytest.param(80, 0.01, id="at the first step"),
        pytest.param(90, 0.001, id="both steps"),
    ],
)
def test_steps(n, expected):
    assert rate(Steps(0.1, 100, burn_in=10), n) == pytest.approx(expected, rel=1e-5)


def test_a_share_below_one_is_of_all_steps():
    assert rate(Constant(0.1, 1000, burn_in=0.1), 50) == pytest.approx(0.1 * 0.5**4, rel=1e-5)


def test_cosine_ends_at_its_final_share():
    schedule = Cosine(0.1, 100, final=0.02, burn_in=0)
    assert rate(schedule, 50) == pytest.approx(0.1 * (0.02 + 0.98 * 0.5), rel=1e-5)
    assert rate(schedule, 100) == pytest.approx(0.002, rel=1e-4)
    assert rate(schedule, 150) == pytest.approx(0.002, rel=1e-4)


@pytest.mark.parametrize("kind", [Constant, Cosine, Steps])
def test_config_round_trip(kind):
    schedule = kind(0.1, 100, burn_in=7)
    again = kind.from_config(schedule.get_config())
    assert [rate(again, n) for n in (1, 6, 50)] == [rate(schedule, n) for n in (1, 6, 50)]


def test_rates_equal_darknets(oracle_dir):
    curves = json.loads((oracle_dir / "schedule" / "lr_curves.json").read_text())
    compared = 0
    for curve in curves.values() if isinstance(curves, dict) else curves:
        net = curve.get("net") if isinstance(curve, dict) else None
        if not net or net.get("policy", "constant") not in ("constant", "steps"):
            continue
        options = {
            "burn_in": int(net.get("burn_in", 0)),
            "power": float(net.get("power", 4)),
        }
        base, total = float(net["learning_rate"]), int(net.get("max_batches", 0)) or 1
        if net.get("policy") == "steps":
            schedule = Steps(
                base,
                total,
                steps=[int(step) for step in str(net["steps"]).split(",")],
                scales=[float(scale) for scale in str(net["scales"]).split(",")],
                **options,
            )
        else:
            schedule = Constant(base, total, **options)
        pairs = [(n, lr) for n, lr in zip(curve["n"], curve["lr"], strict=True) if n > 0][::20]
        got = [rate(schedule, n) for n, _ in pairs]
        np.testing.assert_allclose(got, [lr for _, lr in pairs], rtol=2e-6)
        compared += 1
    assert compared >= 2
