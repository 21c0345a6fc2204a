import keras
import numpy as np
import pytest

from zoo import building, config
from zoo.training.schedules.darknet import Constant
from zoo.training.sgd import SGD


def variable(name, value):
    return keras.Variable(np.float32(value), name=name)


def test_two_steps_by_hand():
    # v1 = 2 + 0.1·1 = 2.1, w1 = 1 − 0.5·2.1 = −0.05
    # v2 = 0.9·2.1 + 2 + 0.1·(−0.05) = 3.885, w2 = −0.05 − 0.5·3.885 = −1.9925
    kernel = variable("kernel", 1.0)
    optimizer = SGD(learning_rate=0.5, momentum=0.9, weight_decay=0.1)
    for expected in (-0.05, -1.9925):
        optimizer.apply([keras.ops.convert_to_tensor(np.float32(2.0))], [kernel])
        assert float(kernel.value) == pytest.approx(expected)


@pytest.mark.parametrize("subdivisions", [None, 2])
def test_terms_are_added_in_one_order_whatever_else_reads_them(subdivisions):
    """momentum·v + (gradient + decay·w): a fifth to a third of the bits tell another order."""
    rng, f = np.random.default_rng(0), np.float32
    weights, *gradients = rng.normal(size=(3, 20_000)).astype("float32")
    kernel = variable("kernel", weights)
    optimizer = SGD(0.1, 0.9, weight_decay=0.0005, gradient_accumulation_steps=subdivisions)
    optimizer.build([kernel])

    def update(gradient):
        gradient = gradient * 0.5
        optimizer.apply([gradient], [kernel])
        return gradient  # so that it is in use when it is added

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        update = tf.function(update)
    velocity = np.zeros_like(weights)
    for gradient in gradients:
        velocity = f(0.9) * velocity + (gradient * f(0.5) + f(0.0005) * kernel.numpy())
        for _ in range(subdivisions or 1):
            update(keras.ops.convert_to_tensor(gradient))
    found = keras.ops.convert_to_numpy(optimizer.velocities[0])
    if keras.backend.backend() == "tensorflow":
        np.testing.assert_array_equal(found, velocity)
    np.testing.assert_allclose(found, velocity, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["bias", "beta", "gamma"])
def test_only_kernels_decay(name):
    parameter = variable(name, 1.0)
    optimizer = SGD(learning_rate=0.5, weight_decay=0.1)
    optimizer.apply([keras.ops.convert_to_tensor(np.float32(0.0))], [parameter])
    assert float(parameter.value) == 1.0


@pytest.mark.parametrize("name", ["kernel", "depthwise_kernel", "pointwise_kernel"])
def test_all_kernels_decay(name):
    kernel = variable(name, 1.0)
    optimizer = SGD(learning_rate=0.5, weight_decay=0.1)
    optimizer.apply([keras.ops.convert_to_tensor(np.float32(0.0))], [kernel])
    assert float(kernel.value) == pytest.approx(1 - 0.5 * 0.1)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has no float64 by default")
def test_a_warm_up_in_float64():
    # Half of two updates are warmed up at the second: 1 − (0.5 + 0.2), then less 0.5 + 0.2 / 2.
    bias = keras.Variable(np.float64(1.0), name="bias", dtype="float64")
    optimizer = SGD(0.5, momentum=0.0, warmup=2, bias_warmup=0.2, momentum_warmup=0.0)
    for expected in (0.3, -0.3):
        optimizer.apply([keras.ops.ones((), "float64")], [bias])
        assert float(bias.value) == pytest.approx(expected)


def test_the_rate_is_outside_the_velocity():
    """When the rate falls to a hundredth, so does the step; Keras' own SGD would glide on."""

    class Falling(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return keras.ops.where(step < 1, 1.0, 0.01)

    kernel = variable("kernel", 0.0)
    optimizer = SGD(learning_rate=Falling(), momentum=0.9, weight_decay=0.0)
    gradient = [keras.ops.convert_to_tensor(np.float32(1.0))]
    optimizer.apply(gradient, [kernel])
    optimizer.apply(gradient, [kernel])
    assert float(kernel.value) == pytest.approx(-1 - 0.01 * 1.9)


def test_config_round_trip():
    own = dict(
        momentum=0.8, weight_decay=0.01, warmup=7, bias_warmup=0.2, momentum_warmup=0.3,
        ema_warmup=11.0, ema_start=5, nesterov=True, name="ours",
    )  # fmt: skip
    of_keras = dict(
        clipnorm=1.5, use_ema=True, ema_momentum=0.95, ema_overwrite_frequency=3,
        gradient_accumulation_steps=2,
    )  # fmt: skip
    optimizer = SGD(learning_rate=Constant(0.1, 10, burn_in=0), **own, **of_keras)
    saved = optimizer.get_config()
    again = SGD.from_config(optimizer.get_config())
    assert again.get_config() == saved == optimizer.get_config()
    assert {key: saved[key] for key in own | of_keras} == own | of_keras
    assert (again.momentum, again.kernel_decay) == (0.8, 0.01)
    assert again.weight_decay is None  # Keras' decoupled decay stays off


def test_nesterov_by_hand():
    # v1 = 2, w1 = 0 − 0.5·(2 + 0.9·2) = −1.9; v2 = 0.9·2 + 2 = 3.8, w2 = −1.9 − 0.5·(2 + 0.9·3.8)
    optimizer = SGD(learning_rate=0.5, momentum=0.9, weight_decay=0.0, nesterov=True)
    assert moved(optimizer, gradients=(2.0, 2.0)) == pytest.approx([-1.9, -4.61])
    assert SGD.from_config(optimizer.get_config()).nesterov


def moved(optimizer, variable_name="kernel", gradients=(1.0,)):
    """The values of a variable that starts at 0, after each gradient."""
    parameter = variable(variable_name, 0.0)
    values = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(np.float32(gradient))], [parameter])
        values.append(float(parameter.value))
    return values


def test_accumulated_gradients_are_averaged():
    optimizer = SGD(1.0, momentum=0.0, weight_decay=0.0, gradient_accumulation_steps=2)
    assert moved(optimizer, gradients=(1.0, 3.0, 2.0, 2.0)) == pytest.approx([0, -2, -2, -4])


@pytest.mark.parametrize("name", ["bias", "beta"])
def test_biases_warm_up_faster(name):
    # Rate 0.1, and 1 more that fades over two updates.
    options = dict(momentum=0.0, weight_decay=0.0, warmup=2, bias_warmup=1.0)
    steps = np.diff([0, *moved(SGD(0.1, **options), name, (1.0, 1.0, 1.0))])
    np.testing.assert_allclose(steps, [-1.1, -0.6, -0.1], rtol=1e-5)
    for other in ("kernel", "gamma"):
        assert moved(SGD(0.1, **options), other) == pytest.approx([-0.1])


def test_momentum_warms_up():
    # Velocities: 1; 1·(0 + ½·0.8) + 1 = 1.4; 1.4·0.8 + 1 = 2.12.
    optimizer = SGD(1.0, momentum=0.8, weight_decay=0.0, warmup=2, momentum_warmup=0.0)
    steps = np.diff([0, *moved(optimizer, gradients=(1.0, 1.0, 1.0))])
    np.testing.assert_allclose(steps, [-1, -1.4, -2.12], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, [-1, -1.5, -2.25, -3.125], id="constant: halfway at each update"),
        pytest.param({"ema_start": 3}, [-1, -2, -3, -3.5], id="from update 3 on, as Darknet"),
        pytest.param(
            {"ema_warmup": 1.0},
            [-1, -1 - (1 - 0.5 * (1 - np.exp(-2.0)))],
            id="update t keeps ½(1 − e^−t), as ScaledYOLOv4",
        ),
    ],
)
def test_average_of_the_weights(options, expected):
    optimizer = SGD(1.0, momentum=0.0, weight_decay=0.0, use_ema=True, ema_momentum=0.5, **options)
    parameter, found = variable("kernel", 0.0), []
    for _ in expected:  # the weight is -1, -2, -3, …
        optimizer.apply([keras.ops.convert_to_tensor(np.float32(1.0))], [parameter])
        found.append(float(optimizer._model_variables_moving_average[0].value))
    assert found == pytest.approx(expected, rel=1e-5)


def test_average_moves_at_updates_only():
    optimizer = SGD(
        1.0, momentum=0.0, weight_decay=0.0, use_ema=True, ema_momentum=0.5,
        gradient_accumulation_steps=2,
    )  # fmt: skip
    parameter, found = variable("kernel", 0.0), []
    for _ in range(4):
        optimizer.apply([keras.ops.convert_to_tensor(np.float32(1.0))], [parameter])
        found.append(float(optimizer._model_variables_moving_average[0].value))
    assert found == pytest.approx([0, -1, -1, -1.5])


# === Clipping ===


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("key", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_clipping_is_a_key_of_the_config(name, key):
    overrides = [f"optimizer={name}", f"+optimizer.{key}=1.5"]
    cfg = config.plain(config.compose("train", overrides))["optimizer"]
    assert getattr(building.build("optimizer", cfg), key) == 1.5


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        # Gradients (3, 4) and (0, 12), of norms 5, 12 and together 13.
        pytest.param("clipnorm", [[0.6, 0.8], [0, 1]], id="each variable by its norm"),
        pytest.param("global_clipnorm", [[3 / 13, 4 / 13], [0, 12 / 13]], id="all by one norm"),
        pytest.param("clipvalue", [[1, 1], [0, 1]], id="each number"),
    ],
)
def test_a_clipped_step_by_hand(key, expected):
    """Decay is added after clipping: at 1 it moves a kernel by 0.01 more."""
    gradients = [keras.ops.convert_to_tensor(np.float32(g)) for g in ([3, 4], [0, 12])]
    variables = [variable("kernel", [1.0, 1.0]), variable("bias", [1.0, 1.0])]
    SGD(learning_rate=1.0, weight_decay=0.01, **{key: 1.0}).apply(gradients, variables)
    steps = [1 - keras.ops.convert_to_numpy(v.value) for v in variables]
    np.testing.assert_allclose(steps[0], np.float32(expected[0]) + 0.01, rtol=1e-5)
    np.testing.assert_allclose(steps[1], expected[1], rtol=1e-5, atol=1e-7)


# === Loss scaling, as of mixed_float16 ===


def scaled_step(optimizer, gradient, parameter):
    gradients = [keras.ops.convert_to_tensor(np.float32(gradient))]
    if keras.backend.backend() != "jax":
        optimizer.apply(gradients, [parameter])
        return
    state = [v.value for v in optimizer.variables]
    moved, state = optimizer.stateless_apply(state, gradients, [parameter.value])
    parameter.assign(moved[0])
    for held, value in zip(optimizer.variables, state, strict=True):
        held.assign(value)


def test_an_overflow_makes_no_update_and_halves_the_scale():
    parameter = variable("bias", 1.0)
    inner = SGD(learning_rate=0.5, use_ema=True, ema_momentum=0.5)
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
    optimizer.build([parameter])
    scaled_step(optimizer, np.inf, parameter)
    assert float(parameter.value) == 1
    assert int(inner.iterations) == 0
    assert float(inner.velocities[0].value) == 0
    assert float(optimizer.dynamic_scale.value) == 4
    # 4 · 2 is the scaled gradient of 2: v = 2, w = 1 − 0.5 · 2
    scaled_step(optimizer, 8.0, parameter)
    assert float(parameter.value) == 0
    assert int(inner.iterations) == 1
    assert float(inner.velocities[0].value) == 2
