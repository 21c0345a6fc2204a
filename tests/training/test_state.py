import random

import keras
import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.training.state import digest, random_state, restore, set_random_state, snapshot


def trained(units=3, seed=0, steps=2):
    """A small model with dropout, batch statistics, slots and averages."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units), keras.layers.BatchNormalization(),
         keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )  # fmt: skip
    optimizer = keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.9)
    model.compile(optimizer=optimizer, loss="mse")
    model.optimizer.build(model.trainable_variables)
    fit(model, steps)
    return model


def fit(model, steps):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 4)), rng.normal(size=(4, 1))
    for _ in range(steps):
        model.train_on_batch(x, y)


def copied(model):
    return {name: np.array(array) for name, array in snapshot(model).items()}


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="no seed of dropout on PyTorch")
def test_a_restored_model_goes_on_with_the_same_bits():
    first = trained()
    saved = copied(first)
    second = trained(seed=1, steps=0)
    restore(second, saved)
    assert digest(snapshot(second)) == digest(saved)
    fit(first, 2)
    fit(second, 2)
    assert digest(snapshot(first)) == digest(snapshot(second))  # dropout draws the same, too
    assert digest(snapshot(first)) != digest(saved)


def test_the_state_has_seeds_slots_averages_and_the_count_of_updates():
    model = trained()
    saved = copied(model)
    # 2 kernels, 2 biases, 4 of batch normalisation, 1 state of a seed generator.
    assert sum(name.startswith("weights.") for name in saved) == 9
    # The count, the rate, and for each of 6 weights two moments and an average.
    assert sum(name.startswith("optimizer.") for name in saved) == 2 + 6 * 3
    assert 2 in [int(a) for a in saved.values() if a.shape == () and a.dtype.kind == "i"]


def test_bfloat16_comes_back_from_a_file(tmp_path):
    def model(value):
        keras.utils.set_random_seed(value)
        built = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, dtype="bfloat16")])
        built.compile(optimizer="sgd", loss="mse")
        built.optimizer.build(built.trainable_variables)
        return built

    first, second = model(0), model(1)
    np.savez(tmp_path / "state.npz", **snapshot(first))
    with np.load(tmp_path / "state.npz") as arrays:
        restore(second, arrays)
    assert first.layers[-1].kernel.dtype == "bfloat16"
    for ours, theirs in zip(first.weights, second.weights, strict=True):
        found = [keras.ops.convert_to_numpy(weight).astype("float32") for weight in (ours, theirs)]
        np.testing.assert_array_equal(*found)


def test_another_architecture_is_refused():
    with pytest.raises(ZooError, match=r"has shape \(4, 5\), not \(4, 3\)"):
        restore(trained(units=5, steps=0), copied(trained(steps=0)))


def test_some_roles_only():
    model, other = trained(steps=0), copied(trained(seed=1))
    before = copied(model)
    restore(model, other, roles=["optimizer"])
    assert digest(snapshot(model), "weights") == digest(before, "weights")
    assert digest(snapshot(model), "optimizer") == digest(other, "optimizer")


def test_the_digest_sees_names_types_shapes_and_bits():
    array = np.float32([1, 2])
    digests = {
        digest({"a": array}), digest({"b": array}), digest({"a": array.astype("float64")}),
        digest({"a": array[None]}), digest({"a": np.nextafter(array, np.float32(9))}),
    }  # fmt: skip
    assert len(digests) == 5


def test_generators_go_on_where_they_were():
    random.seed(3)
    np.random.seed(3)
    state = random_state()
    expected = [random.random(), random.gauss(0, 1), np.random.random(), np.random.normal()]
    set_random_state(state)
    assert [random.random(), random.gauss(0, 1), np.random.random(), np.random.normal()] == expected
