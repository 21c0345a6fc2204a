import json

import keras
import numpy as np
import pytest
from keras import ops

from zoo.errors import ZooError
from zoo.training.schedules.cosine import Cosine, Restarts
from zoo.training.schedules.darknet import (
    Constant,
    Exponential,
    Polynomial,
    Sigmoid,
    Step,
    Steps,
)
from zoo.training.schedules.updates import PerUpdate


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


@pytest.mark.parametrize(
    ("schedule", "n", "expected"),
    [
        pytest.param(Step(0.1, 100, burn_in=0, step=0.3), 29, 0.1, id="before 0.3 of 100"),
        pytest.param(Step(0.1, 100, burn_in=0, step=0.3), 30, 0.01, id="a fall"),
        pytest.param(Step(0.1, 100, burn_in=0, step=0.3), 60, 0.001, id="two falls"),
        pytest.param(Sigmoid(0.1, 100, burn_in=0, step=0.5, gamma=0.1), 50, 0.05, id="half"),
        pytest.param(Restarts(0.1, 100, burn_in=0, cycle=0.1, minimum=0.001), 5, 0.0505,
                     id="half of a cycle"),
        pytest.param(Restarts(0.1, 100, burn_in=0, cycle=0.1, minimum=0.001), 10, 0.001,
                     id="a cycle's end"),
        pytest.param(Restarts(0.0, 100, burn_in=0, cycle=0.1), 5, 0, id="a rate of 0 stays 0"),
        pytest.param(Polynomial(0.1, 100, burn_in=0, exponent=4), 150, 0, id="beyond the end"),
        pytest.param(Constant(0.1, 100, burn_in=1), 1, 0.1, id="1 is an update and no share"),
    ],
)  # fmt: skip
def test_policies_by_hand(schedule, n, expected):
    assert rate(schedule, n) == pytest.approx(expected, rel=1e-4)


def test_a_share_below_one_is_of_all_steps():
    assert rate(Constant(0.1, 1000, burn_in=0.1), 50) == pytest.approx(0.1 * 0.5**4, rel=1e-5)


def test_cosine_ends_at_its_final_share():
    schedule = Cosine(0.1, 100, final=0.02, burn_in=0)
    assert rate(schedule, 50) == pytest.approx(0.1 * (0.02 + 0.98 * 0.5), rel=1e-5)
    assert rate(schedule, 100) == pytest.approx(0.002, rel=1e-4)
    assert rate(schedule, 150) == pytest.approx(0.002, rel=1e-4)


@pytest.mark.parametrize(
    "kind", [Constant, Cosine, Exponential, Polynomial, Restarts, Sigmoid, Step, Steps]
)
def test_config_round_trip(kind):
    schedule = kind(0.1, 100, burn_in=7)
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(schedule)))
    again = keras.saving.deserialize_keras_object(saved)
    assert [rate(again, n) for n in (1, 6, 50)] == [rate(schedule, n) for n in (1, 6, 50)]


def schedule_of(net):
    """The schedule that a [net] section describes."""
    base, total = float(net["learning_rate"]), int(net["max_batches"])
    burn_in = {"burn_in": int(net["burn_in"]), "power": float(net.get("power", 4))}
    number = {key: float(net[key]) for key in ("gamma", "step", "scale") if key in net}
    match net["policy"]:
        case "constant":
            return Constant(base, total, **burn_in)
        case "steps":
            steps, scales = ([float(x) for x in net[key].split(",")] for key in ("steps", "scales"))
            return Steps(base, total, steps=steps, scales=scales, **burn_in)
        case "step":
            return Step(base, total, **number, **burn_in)
        case "exp":
            return Exponential(base, total, **number, **burn_in)
        case "sigmoid":
            return Sigmoid(base, total, **number, **burn_in)
        case "poly":
            return Polynomial(base, total, exponent=burn_in["power"], **burn_in)
    return Restarts(
        base,
        total,
        cycle=int(net["sgdr_cycle"]),
        factor=float(net["sgdr_mult"]),
        minimum=float(net.get("learning_rate_min", 1e-5)),
        **burn_in,
    )


CURVES = [
    "burn_power2", "constant", "constant_burn", "exp", "poly", "sgdr", "sgdr_mult1", "sigmoid",
    "step", "steps_burn", "steps_three",
]  # fmt: skip


@pytest.mark.parametrize("name", CURVES)
def test_rates_equal_darknets(oracle_dir, name):
    curves = json.loads((oracle_dir / "schedule" / "lr_curves.json").read_text())
    assert sorted(curves) == CURVES
    curve = curves[name]
    n, rates = (np.array(curve[key])[1:] for key in ("n", "lr"))  # n = 0 is no update
    found = [rate(schedule_of(curve["net"]), int(number)) for number in n[::7]]
    np.testing.assert_allclose(found, rates[::7], rtol=2e-5, atol=1e-12)


def test_a_schedule_counts_updates_not_mini_batches():
    schedule = Steps(0.1, 100, burn_in=10)
    per_update = PerUpdate(schedule, 4)
    assert [rate(per_update, n) for n in (1, 4, 5)] == [rate(schedule, n) for n in (1, 1, 2)]
    again = PerUpdate.from_config(per_update.get_config())
    assert rate(again, 320) == rate(schedule, 80)


def test_as_many_scales_as_steps():
    with pytest.raises(ZooError, match="needs as many scales"):
        Steps(0.1, 100, steps=[10, 20], scales=[0.1])


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Constant, {"burn_in": -1}),
        (Step, {"step": 0}),
        (Restarts, {"cycle": 0}),
        (Restarts, {"factor": -2}),
    ],
)
def test_numbers_that_mean_nothing_are_refused(kind, wrong):
    (key,) = wrong
    with pytest.raises(ZooError, match=rf"schedule.{key}={wrong[key]}"):
        kind(0.1, 100, **wrong)
