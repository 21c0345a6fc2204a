"""What sections compute, against loops over Darknet's definitions in NumPy, channels first."""

import keras
import numpy as np
import pytest

from zoo.darknet.graph import build_network
from zoo.darknet.weights import slots

HEIGHT, WIDTH, CHANNELS = 6, 8, 4
NET = f"[net]\nheight={HEIGHT}\nwidth={WIDTH}\nchannels={CHANNELS}\n"
#: Channel c of the image is 100·c + 10·y + x, channels first.
COUNTED = np.fromfunction(lambda c, y, x: 100 * c + 10 * y + x, (CHANNELS, HEIGHT, WIDTH))


def outputs(text, image=COUNTED, weights=None):
    """Every layer's output, channels first; `weights` by layer and role, as a file holds them."""
    network = build_network(NET + text)
    for index, arrays in (weights or {}).items():
        for slot in slots(network.keras_layers[index]):
            if slot.role in arrays:
                slot.load(np.asarray(arrays[slot.role], "float32").reshape(slot.shape))
    batch = np.stack([image, image[::-1]]).astype("float32").transpose(0, 2, 3, 1)
    model = keras.Model(network.input, {f"y{i}": y for i, y in enumerate(network.outputs)})
    found = model(batch, training=False)
    for layer in network.layers:
        assert tuple(found[f"y{layer.index}"].shape[1:]) == tuple(layer.output), layer.name
    found = [keras.ops.convert_to_numpy(found[f"y{i}"])[0] for i in range(len(network.outputs))]
    return [y.transpose(2, 0, 1) for y in found]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def windows(image, size, stride, padding):
    """(y, x, the values of that window inside the map, (channels, n)), padding in total."""
    _, height, width = image.shape
    rows = (height + padding - size) // stride[0] + 1
    columns = (width + padding - size) // stride[1] + 1
    for y in range(rows):
        for x in range(columns):
            top, left = y * stride[0] - padding // 2, x * stride[1] - padding // 2
            inside = image[:, max(0, top) : top + size, max(0, left) : left + size]
            yield y, x, inside.reshape(len(image), -1)


# === Pooling ===


@pytest.mark.parametrize(
    ("keys", "size", "stride", "padding"),
    [
        pytest.param("size=2\nstride=2", 2, (2, 2), 1, id="yolov3-tiny"),
        pytest.param("size=2\nstride=1", 2, (1, 1), 1, id="yolov3-tiny layer 11"),
        pytest.param("size=5\nstride=1", 5, (1, 1), 4, id="SPP"),
        pytest.param("size=3\nstride=2", 3, (2, 2), 2, id="overlapping"),
        pytest.param("size=3\nstride_x=1\nstride_y=2", 3, (2, 1), 2, id="unequal strides"),
        pytest.param("size=3\nstride=3\npadding=0", 3, (3, 3), 0, id="no padding"),
        pytest.param("stride=2", 2, (2, 2), 1, id="size is the stride by default"),
    ],
)
@pytest.mark.parametrize("kind", ["maxpool", "local_avgpool"])
def test_pooling(kind, keys, size, stride, padding):
    image = random(CHANNELS, HEIGHT, WIDTH) - 5  # zeros of a padding would be maxima
    (found,) = outputs(f"[{kind}]\n{keys}", image)
    pool = np.max if kind == "maxpool" else np.mean
    for y, x, inside in windows(image, size, stride, padding):
        np.testing.assert_allclose(found[:, y, x], pool(inside, axis=1), rtol=1e-6)


def test_avgpool_is_the_mean_of_a_channel():
    (found,) = outputs("[avgpool]")
    # 100·c + 10·(mean of 0…5) + (mean of 0…7)
    np.testing.assert_allclose(found[:, 0, 0], [28.5, 128.5, 228.5, 328.5])


def test_maxpool_depth_takes_every_second_channel():
    (found,) = outputs("[maxpool]\nmaxpool_depth=1\nout_channels=2")
    np.testing.assert_array_equal(found, COUNTED[2:])  # of 0, 2 and of 1, 3


KERNELS = {1: (np.outer([1, 2, 1], [1, 2, 1]) / 16, 1), 2: (np.full((2, 2), 0.25), 0)}
KERNELS[3] = KERNELS[1]  # as any other number


@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("stride", [(2, 2), (3, 1)])
def test_antialiasing_blurs_after_the_activation_and_then_strides(kind, stride):
    """A kernel of the identity: the convolution is −x, its ReLU clips, and the blur follows."""
    image = random(CHANNELS, HEIGHT, WIDTH)
    keys = f"stride_y={stride[0]}\nstride_x={stride[1]}\nantialiasing={kind}\nactivation=relu"
    identity = {0: {"kernel": -np.eye(CHANNELS), "bias": np.zeros(CHANNELS)}}
    (found,) = outputs(f"[conv]\nfilters=4\nsize=1\n{keys}", image, identity)
    kernel, pad = KERNELS[kind]
    clipped = np.pad(np.maximum(-image, 0), ((0, 0), (pad, pad), (pad, pad)))
    size = len(kernel)
    for y in range(found.shape[1]):
        for x in range(found.shape[2]):
            top, left = y * stride[0], x * stride[1]
            seen = clipped[:, top : top + size, left : left + size]
            np.testing.assert_allclose(found[:, y, x], (seen * kernel).sum((1, 2)), atol=1e-6)


def test_antialiasing_of_maxpool():
    (found,) = outputs("[maxpool]\nsize=2\nstride=2\nantialiasing=2")
    # Stride-1 maxima are the neighbours at the right bottom: +11. Their 2×2 means: +5.5.
    np.testing.assert_allclose(found[:, 0, 0], COUNTED[:, 0, 0] + 11 + 5.5)
    assert found.shape == (4, 3, 4)


# === Convolution ===


def convolved(image, kernel, bias, stride, pad, dilation, groups):
    filters, inputs, size, _ = kernel.shape
    extent = dilation * (size - 1) + 1
    margin = pad * dilation
    padded = np.pad(image, ((0, 0), (margin, margin), (margin, margin)))
    rows = (padded.shape[1] - extent) // stride[0] + 1
    columns = (padded.shape[2] - extent) // stride[1] + 1
    found = np.zeros((filters, rows, columns))
    for f in range(filters):
        first = f // (filters // groups) * inputs
        for y in range(rows):
            for x in range(columns):
                top, left = y * stride[0], x * stride[1]
                seen = padded[
                    first : first + inputs,
                    top : top + extent : dilation,
                    left : left + extent : dilation,
                ]
                found[f, y, x] = (seen * kernel[f]).sum() + bias[f]
    return found


@pytest.mark.parametrize(
    ("keys", "filters", "size", "stride", "pad", "dilation", "groups"),
    [
        pytest.param("pad=1", 3, 3, (1, 1), 1, 1, 1, id="same"),
        pytest.param("pad=1\nstride=2", 3, 3, (2, 2), 1, 1, 1, id="stride pads all sides"),
        pytest.param("padding=0", 3, 3, (1, 1), 0, 1, 1, id="pad is 0 by default"),
        pytest.param("padding=2", 3, 3, (1, 1), 2, 1, 1, id="padding"),
        pytest.param("pad=1\npadding=7", 3, 3, (1, 1), 1, 1, 1, id="pad beats padding"),
        pytest.param("pad=1", 3, 2, (1, 1), 1, 1, 1, id="even kernel"),
        pytest.param("pad=1\nstride_x=3\nstride_y=2", 3, 3, (2, 3), 1, 1, 1, id="unequal strides"),
        pytest.param("pad=1\ndilation=2", 3, 3, (1, 1), 1, 2, 1, id="dilation"),
        pytest.param("pad=1\ndilation=2\nstride=2", 3, 3, (2, 2), 1, 2, 1, id="dilated stride"),
        pytest.param("groups=2\npad=1", 6, 3, (1, 1), 1, 1, 2, id="groups"),
        pytest.param("groups=4\npad=1\nstride=2", 4, 3, (2, 2), 1, 1, 4, id="depthwise"),
        pytest.param("groups=4", 8, 1, (1, 1), 0, 1, 4, id="two filters a channel"),
        pytest.param("dilation=3", 5, 1, (1, 1), 0, 1, 1, id="1×1 has no dilation"),
    ],
)  # fmt: skip
def test_convolution(keys, filters, size, stride, pad, dilation, groups):
    image = random(CHANNELS, HEIGHT, WIDTH)
    kernel = random(filters, CHANNELS // groups, size, size, seed=1)
    bias = random(filters, seed=2)
    text = f"[conv]\nfilters={filters}\nsize={size}\nactivation=linear\n{keys}"
    (found,) = outputs(text, image, {0: {"kernel": kernel, "bias": bias}})
    expected = convolved(image, kernel, bias, stride, pad, dilation, groups)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_convolution_is_logistic_by_default():
    weights = {0: {"kernel": np.zeros(4), "bias": [np.log(3)]}}
    (found,) = outputs("[conv]", weights=weights)
    np.testing.assert_allclose(found, 0.75, rtol=1e-6)  # 1 / (1 + 1/3)


@pytest.mark.parametrize("section", ["batchnorm", "conv\nfilters=4\nbatch_normalize=1", "conv\n"
                                     "filters=4\ncbn=1"])  # fmt: skip
def test_batch_normalisation(section):
    kind, _, keys = section.partition("\n")
    weights = {"beta": [1] * 4, "gamma": [2] * 4, "mean": [3] * 4, "variance": [1e-4] * 4}
    weights["kernel"] = np.eye(4)
    (found,) = outputs(f"[{kind}]\n{keys}\nactivation=linear" if keys else f"[{kind}]",
                       weights={0: weights})  # fmt: skip
    np.testing.assert_allclose(found, 2 * (COUNTED - 3) / np.sqrt(1.1e-4) + 1, rtol=1e-5)


def test_connected_reads_channels_first():
    kernel = random(2, COUNTED.size)
    weights = {0: {"kernel": kernel, "bias": [1, 2]}}
    image = random(*COUNTED.shape, seed=3)
    (found,) = outputs("[connected]\noutput=2\nactivation=linear", image, weights)
    np.testing.assert_allclose(found.ravel(), kernel @ image.ravel() + [1, 2], rtol=1e-4)


def test_a_convolution_larger_than_its_map():
    """3×3 of stride 2 on one pixel sees it in its middle; before [connected] sides are fixed."""
    text = "[net]\nheight=2\nwidth=2\nchannels=1\n"
    text += "[conv]\nfilters=1\nsize=3\nstride=2\npad=1\nactivation=linear\n" * 2
    network = build_network(text + "[connected]\noutput=1\nactivation=linear")
    assert [layer.output for layer in network.layers] == [(1, 1, 1)] * 3
    model = keras.Model(network.input, network.outputs)
    for layer in network.keras_layers.values():
        (slot,) = (slot for slot in slots(layer) if slot.role == "kernel")
        slot.load(np.arange(1, 1 + np.prod(slot.shape), dtype="float32").reshape(slot.shape))
    found = [keras.ops.convert_to_numpy(y).item() for y in model(np.ones((1, 2, 2, 1), "float32"))]
    assert found == [5 + 6 + 8 + 9, 5 * 28, 140]


def test_share_index_uses_the_weights_of_another_layer():
    weights = {0: {"kernel": 2 * np.eye(4), "bias": [1] * 4}}
    conv = "[conv]\nfilters=4\nactivation=linear\n"
    first, second = outputs(conv + conv + "share_index=-1", weights=weights)
    np.testing.assert_allclose(first, 2 * COUNTED + 1)
    np.testing.assert_allclose(second, 4 * COUNTED + 3)


# === Joining ===

TWICE = "[conv]\nfilters=4\nactivation=linear\n"
DOUBLED = {0: {"kernel": 2 * np.eye(4), "bias": [0] * 4}}


def test_route_takes_a_group_of_each_source_before_it_joins():
    *_, found = outputs(TWICE + "[empty]\n[route]\nlayers=-1, 0\ngroups=2\ngroup_id=1",
                        weights=DOUBLED)  # fmt: skip
    np.testing.assert_allclose(found, np.concatenate([2 * COUNTED[2:], 2 * COUNTED[2:]]))


def test_route_keeps_the_order_of_the_cfg():
    *_, found = outputs(TWICE + "[max]\nsize=1\n[activation]\nactivation=relu\n[upsample]\n"
                        "stride=1\nscale=3\n[route]\nlayers=-1,0", weights=DOUBLED)  # fmt: skip
    np.testing.assert_allclose(found, np.concatenate([6 * COUNTED, 2 * COUNTED]))


SOFT = np.exp([0, -1, -2]) / (1e-4 + np.exp([0, -1, -2]).sum())


@pytest.mark.parametrize(
    ("keys", "weights", "factors"),
    [
        pytest.param("", None, [1, 1, 1], id="plain sum"),
        pytest.param("weights_type=per_feature", [2, -1, 3], [2, -1, 3], id="weights"),
        pytest.param("weights_type=per_layer\nweights_normalization=relu", [2, -1, 3],
                     np.array([2, 0, 3]) / 5.0001, id="relu: negative ones do not count"),
        pytest.param("weights_type=per_feature\nweights_normalization=avg_relu", [2, -1, 3],
                     np.array([2, 0, 3]) / 5.0001, id="avg_relu is relu"),
        pytest.param("weights_type=per_feature\nweights_normalization=softmax", [5, 4, 3], SOFT,
                     id="softmax"),
    ],
)  # fmt: skip
def test_shortcut_of_three(keys, weights, factors):
    """This layer's input is 4x, its sources 2x and 1·x."""
    text = "[empty]\n" + TWICE + TWICE + f"[shortcut]\nfrom=-2,-3\n{keys}"
    given = {1: DOUBLED[0], 2: DOUBLED[0]}
    if weights:
        given[3] = {"weights": weights}
    *_, found = outputs(text, weights=given)
    expected = (4 * factors[0] + 2 * factors[1] + factors[2]) * COUNTED
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_shortcut_with_a_weight_for_each_channel():
    weights = np.arange(8).reshape(2, 4)
    text = "[empty]\n" + TWICE + "[shortcut]\nfrom=-2\nweights_type=per_channel\nactivation=relu"
    *_, found = outputs(text, weights={1: DOUBLED[0], 2: {"weights": weights}})
    factors = (2 * weights[0] + weights[1])[:, None, None]
    np.testing.assert_allclose(found, factors * COUNTED, rtol=1e-6)


def test_shortcut_of_unequal_channels_adds_the_common_ones():
    wide = {1: {"kernel": np.tile(np.eye(4), (2, 1)), "bias": [0] * 8}}
    text = "[empty]\n[conv]\nfilters=8\nactivation=linear\n[shortcut]\nfrom=0\n"
    *_, found = outputs(text, weights=wide)
    np.testing.assert_allclose(found, np.concatenate([2 * COUNTED, COUNTED]))
    narrow = {0: wide[1], 1: {"kernel": np.eye(4, 8), "bias": [0] * 4}}
    text = text.replace("[empty]\n[conv]\nfilters=8", "[conv]\nfilters=8\nactivation=linear\n"
                        "[conv]\nfilters=4")  # fmt: skip
    *_, found = outputs(text, weights=narrow)
    np.testing.assert_allclose(found, 2 * COUNTED)


def test_sam_multiplies_and_then_activates():
    *_, found = outputs("[empty]\n" + TWICE + "[sam]\nfrom=-2\nactivation=logistic",
                        COUNTED / 100, {1: DOUBLED[0]})  # fmt: skip
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-2 * (COUNTED / 100) ** 2)), rtol=1e-5)


def test_scale_channels_by_channel_and_by_pixel():
    *_, found = outputs("[empty]\n[avgpool]\n[scale_channels]\nfrom=0")
    np.testing.assert_allclose(found, COUNTED * COUNTED.mean((1, 2), keepdims=True), rtol=1e-5)
    one = {1: {"kernel": [1, 0, 0, 0], "bias": [0]}}
    text = "[empty]\n[conv]\nactivation=linear\n[scale_channels]\nfrom=0\nscale_wh=1"
    *_, found = outputs(text, weights=one)
    np.testing.assert_allclose(found, COUNTED * COUNTED[:1])


def test_implicit_gives_its_weights_whatever_the_input():
    weights = {1: {"weights": [1, 2, 3, 4]}}
    text = "[empty]\n[implicit]\nfilters=4\n[scale_channels]\nfrom=0"
    _, constant, found = outputs(text, weights=weights)
    np.testing.assert_array_equal(constant[:, 0, 0], [1, 2, 3, 4])
    np.testing.assert_allclose(found, COUNTED * np.array([1, 2, 3, 4])[:, None, None])
    (atoms,) = outputs("[implicit]\nfilters=2\natoms=3", weights={0: {"weights": range(6)}})
    np.testing.assert_array_equal(atoms[:, :, 0], [[0, 1, 2], [3, 4, 5]])


# === Shaping ===


def test_upsample_and_its_negative():
    (up,) = outputs("[upsample]\nstride=2\nscale=3")
    np.testing.assert_allclose(up, 3 * COUNTED.repeat(2, 1).repeat(2, 2))
    (down,) = outputs("[upsample]\nstride=-2\nscale=0.5")
    np.testing.assert_allclose(down[:, 0, 0], 0.5 * (4 * COUNTED[:, 0, 0] + 22), rtol=1e-6)


def test_reorg3d_puts_blocks_before_channels():
    (found,) = outputs("[reorg3d]\nstride=2")
    for k in range(16):
        offset, c = divmod(k, 4)
        np.testing.assert_array_equal(found[k], COUNTED[c, offset // 2 :: 2, offset % 2 :: 2])


def test_reorg_reads_the_map_as_a_larger_one():
    (found,) = outputs("[reorg]\nstride=2")
    large = COUNTED.reshape(1, 2 * HEIGHT, 2 * WIDTH)
    blocks = [large[0, k // 2 :: 2, k % 2 :: 2] for k in range(4)]
    np.testing.assert_array_equal(found, np.stack(blocks).reshape(16, HEIGHT // 2, WIDTH // 2))


def test_dropout_and_cost_are_nothing_at_inference():
    for found in outputs("[dropout]\nprobability=.9\n[cost]\n[empty]"):
        np.testing.assert_array_equal(found, COUNTED)


ACTIVATIONS = {
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "gelu": lambda x: 0.5 * x * (1 + np.tanh(0.797885 * x + 0.035677 * x**3)),
    "hard_mish": lambda x: np.where(x > 0, x, np.where(x > -2, x * x / 2 + x, 0)),
    "hardtan": lambda x: np.clip(x, -1, 1),
    "leaky": lambda x: np.where(x > 0, x, 0.1 * x),
    "lhtan": lambda x: np.where(x < 0, 0.001 * x, np.where(x > 1, 0.001 * (x - 1) + 1, x)),
    "linear": lambda x: x,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "loggy": lambda x: 2 / (1 + np.exp(-x)) - 1,
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "plse": lambda x: np.where(x < -4, 0.01 * (x + 4),
                               np.where(x > 4, 0.01 * (x - 4) + 1, 0.125 * x + 0.5)),
    "ramp": lambda x: x * (x > 0) + 0.1 * x,
    "relie": lambda x: np.where(x > 0, x, 0.01 * x),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "selu": lambda x: np.where(x >= 0, 1.0507 * x, 1.0507 * 1.6732 * (np.exp(x) - 1)),
    "stair": lambda x: np.where(np.floor(x) % 2 == 0, np.floor(x / 2),
                                x - np.floor(x) + np.floor(x / 2)),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    x = np.linspace(-7.3, 7.4, COUNTED.size).reshape(COUNTED.shape)
    (found,) = outputs(f"[activation]\nactivation={name}", x)
    np.testing.assert_allclose(found, ACTIVATIONS[name](x), rtol=2e-4, atol=2e-6)


def test_every_activation_is_tested():
    from zoo.darknet.sections.activations import ACTIVATIONS as KNOWN

    assert set(KNOWN) == set(ACTIVATIONS)


def test_softmax_of_groups_with_a_temperature():
    *_, found = outputs("[avgpool]\n[softmax]\ngroups=2\ntemperature=50")
    # Within a group of two the logits differ by 100 / 50.
    pair = np.array([1, np.exp(2)]) / (1 + np.exp(2))
    np.testing.assert_allclose(found.ravel(), [*pair, *pair], rtol=1e-5)
    (found,) = outputs("[softmax]\nspatial=1", COUNTED / 100)
    four = np.exp(np.arange(4)) / np.exp(np.arange(4)).sum()
    np.testing.assert_allclose(found, np.broadcast_to(four[:, None, None], found.shape), rtol=1e-5)


@pytest.mark.parametrize("new_coords", [0, 1])
def test_yolo_activates_all_but_the_sizes(new_coords):
    raw = random(12, HEIGHT, WIDTH)
    weights = {0: {"kernel": np.zeros((12, 4)), "bias": raw[:, 0, 0]}}
    text = "[conv]\nfilters=12\nactivation=linear\n[yolo]\nclasses=1\nnum=2\nscale_x_y=1.5"
    _, found = outputs(f"{text}\nnew_coords={new_coords}", weights=weights)
    expected = raw[:, 0, 0].copy()
    for anchor in (0, 6):
        entries = expected[anchor : anchor + 6]
        if not new_coords:
            entries[[0, 1, 4, 5]] = 1 / (1 + np.exp(-entries[[0, 1, 4, 5]]))
        entries[:2] = 1.5 * entries[:2] - 0.25
    np.testing.assert_allclose(found[:, 0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "section", ["batchnorm", "connected\noutput=4\nbatch_normalize=1\nactivation=linear"]
)
def test_moving_variance_learns_the_unbiased_one_of_the_first_batch(section):
    """As that of a convolution does [batchnorm_layer.c:forward_batchnorm_layer_gpu]."""
    kind, _, keys = section.partition("\n")
    image = keras.Input((1, 1, 4))
    network = build_network(f"[net]\nheight=1\nwidth=1\nchannels=4\n[{kind}]\n{keys}", image)
    model = keras.Model(image, network.outputs[-1])
    layer = model.layers[-1]
    batch = random(3, 1, 1, 4)
    flat = batch.reshape(3, 4)
    if kind == "connected":
        flat = flat @ keras.ops.convert_to_numpy(layer.dense.kernel)
        layer = layer.normalization
    model(batch, training=True)
    variance = keras.ops.convert_to_numpy(layer.moving_variance)
    np.testing.assert_allclose(variance, flat.var(axis=0, ddof=1), rtol=1e-4)


# === Fresh layers ===


def drawn(text):
    """The Keras layer of the last section."""
    network = build_network(NET + text)
    return keras.Model(network.input, network.outputs[-1]).layers[-1]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        # U(−1, 1)·√(2 / inputs of a number)
        pytest.param("[conv]\nfilters=90\nsize=3", -((2 / 36) ** 0.5), (2 / 36) ** 0.5, id="3×3×4"),
        pytest.param("[connected]\noutput=20", -((2 / 192) ** 0.5), (2 / 192) ** 0.5, id="6×8×4"),
        pytest.param("[implicit]\nfilters=3000\nmean=3\nstd=0.5", 2.5, 3.5, id="implicit"),
        pytest.param("[implicit]\nfilters=3000\nmean=3\nstd=-0.5", 2.5, 3.5, id="negative std"),
    ],
)
def test_fresh_weights_fill_their_range(text, low, high):
    weights = keras.ops.convert_to_numpy(drawn(text).weights[0])
    assert low <= weights.min() < low + 0.01 * (high - low)
    assert high >= weights.max() > high - 0.01 * (high - low)


def test_dropout_drops_a_fifth_by_default():
    assert drawn("[dropout]").rate == 0.2


@pytest.mark.parametrize(
    "section",
    [
        "[conv]\nbatch_normalize=1",
        "[connected]\nbatch_normalize=1",
        "[batchnorm]",
    ],
)
def test_moving_statistics_learn_a_hundredth_of_a_batch(section):
    layer = drawn(section)
    assert getattr(layer, "normalization", layer).momentum == 0.99


SAVED = [
    "[maxpool]\nsize=3\nstride_x=1\nstride_y=2\npadding=1",
    "[local_avgpool]\nsize=3\nstride_x=1\nstride_y=2\npadding=1",
    "[maxpool]\nmaxpool_depth=1\nout_channels=2",
    "[maxpool]\nsize=2\nstride=2\nantialiasing=2",
    "[conv]\nfilters=6\nsize=3\ndilation=2\npad=1\nstride=2\ngroups=2\nbatch_normalize=1",
    "[connected]\noutput=3\nbatch_normalize=1\nactivation=relu",
    "[implicit]\nfilters=2\natoms=3",
    "[empty]\n[route]\nlayers=0\ngroups=2\ngroup_id=1",
    "[conv]\nfilters=6\n[shortcut]\nfrom=0",
    "[empty]\n[empty]\n[shortcut]\nfrom=0\nweights_type=per_channel\nweights_normalization=softmax",
    "[conv]\nfilters=6\n[conv]\nfilters=4\n[shortcut]\nfrom=0\nweights_type=per_feature",
    "[avgpool]\n[softmax]\ngroups=2\ntemperature=50",
    "[upsample]\nstride=-2\nscale=3",
    "[reorg]\nstride=2",
    "[reorg3d]\nstride=2",
    "[conv]\nfilters=12\n[yolo]\nclasses=1\nnum=2\nscale_x_y=1.5\nnew_coords=1",
]


@pytest.mark.parametrize("text", SAVED)
def test_a_model_comes_back_from_its_config(text):
    network = build_network(NET + text)
    model = keras.Model(network.input, network.outputs[-1])
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    image = random(1, HEIGHT, WIDTH, CHANNELS)
    found, expected = (keras.ops.convert_to_numpy(each(image)) for each in (again, model))
    np.testing.assert_array_equal(found, expected)
    assert again.compute_output_spec(keras.KerasTensor(image.shape)).shape == found.shape
