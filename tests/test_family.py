"""Every model of the family against the official cfgs: parameters, file sizes, order, grids."""

import shutil

import keras
import numpy as np
import pytest

import zoo
from zoo import config
from zoo.darknet.order import ancestors, darknet_order
from zoo.darknet.weights import stored_layers
from zoo.errors import ZooError
from zoo.registry import BACKBONES, NECKS

COCO = [str(number) for number in range(80)]
#: Float counts of the official weights files, 80 classes. The two that were never published are
#: sums by hand: yolov3_tiny_3l is yolov3_tiny with a lateral (256·128 + 4·128), a 3×3 convolution
#: (9·256·128 + 4·128) and a prediction (128·255 + 255) more, yolov4_sam is yolov4 with gates of
#: 256, 512 and 1024 channels (c² + 4·c each).
PARAMETERS = {
    "yolov3": 62_001_757,
    "yolov3_spp": 63_052_381,
    "yolov3_tiny": 8_858_734,
    "yolov3_tiny_3l": 8_858_734 + 33_280 + 295_424 + 32_895,
    "yolov4": 64_429_405,
    "yolov4_csp": 52_986_205,
    "yolov4_csp_s_mish": 8_291_165,
    "yolov4_csp_swish": 52_986_205,
    "yolov4_p5": 70_917_468,
    "yolov4_p6": 127_717_040,
    "yolov4_p7": 276_555_572,
    "yolov4_sam": 64_429_405 + 66_560 + 264_192 + 1_052_672,
    "yolov4_tiny": 6_062_814,
    "yolov4_tiny_3l": 6_334_045,
    "yolov4x_mish": 99_847_037,
}
#: Sizes that the publishers give, or those of the files themselves, bytes.
FILES = {
    "yolov3": 248_007_048,
    "yolov3_spp": 252_209_544,
    "yolov3_tiny": 35_434_956,
    "yolov4": 257_717_640,
    "yolov4_csp": 211_944_840,
    "yolov4_csp_s_mish": 33_164_680,
    "yolov4_csp_swish": 211_944_840,
    "yolov4_p5": 283_669_892,
    "yolov4_p6": 510_868_180,
    "yolov4_p7": 1_106_222_308,
    "yolov4_tiny": 24_251_276,
    "yolov4_tiny_3l": 25_336_200,
    "yolov4x_mish": 399_388_168,
}
#: Models whose cfg is not among the reference data.
UNPUBLISHED = {"yolov3_tiny_3l", "yolov4_csp_s_mish", "yolov4_p7", "yolov4_sam"}
#: Seconds to build; yolov4_p7 takes a gigabyte.
LARGE = {"yolov4x_mish", "yolov4_p5", "yolov4_p6", "yolov4_p7"}
MODELS = [
    pytest.param(model, marks=pytest.mark.slow if model in LARGE else (), id=model)
    for model in config.options("model")
]


@pytest.fixture(scope="module")
def model(request):
    """A model of the family with kernels of zeros, which cost nothing to draw."""
    with pytest.MonkeyPatch.context() as patch:
        zeros = keras.initializers.Zeros()
        patch.setattr(keras.initializers.VarianceScaling, "__call__", zeros.__call__)
        built = zoo.build(request.param, COCO)
    yield built
    keras.backend.clear_session()


ACTIVATIONS = {"leaky_relu": "leaky", "sigmoid": "logistic"}


def in_zoo(layer):
    """(filters, size, stride, activation, batch normalised) of a convolution."""
    filters, size, stride, activation, normalize = (
        layer.settings[key] for key in ("filters", "size", "stride", "activation", "normalize")
    )
    return filters, size, stride, ACTIVATIONS.get(activation, activation), normalize


def in_cfg(path):
    """The same of each [convolutional] of a cfg."""
    sections = []
    for line in path.read_text().splitlines():
        line = "".join(line.split())
        if line.startswith("["):
            sections.append((line, {}))
        elif "=" in line and line[0] not in "#;":
            key, value = line.split("=", 1)
            sections[-1][1].setdefault(key, value)
    return [
        (
            *(int(keys[key]) for key in ("filters", "size", "stride")),
            keys["activation"],
            keys.get("batch_normalize") == "1",
        )
        for kind, keys in sections
        if kind == "[convolutional]"
    ]


def test_every_config_has_its_count():
    assert set(config.options("model")) == set(PARAMETERS)


@pytest.mark.parametrize("model", MODELS, indirect=True)
def test_parameters_fill_the_official_file(model):
    assert model.count_params() == PARAMETERS[model.name]
    floats = sum(stored.record.floats for stored in stored_layers(model))
    assert floats == PARAMETERS[model.name]
    if model.name in FILES:
        assert 20 + 4 * floats == FILES[model.name]
    assert model.stride == {"yolov4_p6": 64, "yolov4_p7": 128}.get(model.name, 32)
    assert model.image_size == model.check_size(model.image_size)


@pytest.mark.parametrize(
    "model", [param for param in MODELS if param.id not in UNPUBLISHED], indirect=True
)
def test_convolutions_are_those_of_the_cfg_in_its_order(model, oracle_dir):
    ours = [in_zoo(layer) for layer in darknet_order(model)]
    assert ours == in_cfg(oracle_dir / "cfg" / f"{model.name.replace('_', '-')}.cfg")


# === What a model lacks is named ===


@pytest.mark.parametrize(
    "model, overrides, sentence",
    [
        pytest.param(
            "yolov4_csp",
            ["+model.backbone.first_stage=cps"],
            "no first_stage 'cps'; did you mean csp",
            id="first stage",
        ),
        pytest.param(
            "yolov4x_mish",
            ["model.backbone.depths=[1,3,10]"],
            "3 depths and 5 widths",
            id="depths and widths",
        ),
        pytest.param(
            "yolov4",
            ["+model.backbone.depths=[1,2,8,8]"],
            r"cspdarknet53: depths=\[1, 2, 8, 8\] are 4; give 5",
            id="a stage too few",
        ),
        pytest.param(
            "yolov3",
            ["+model.backbone.depths=[1,1,1,1,1,1]"],
            r"darknet53: depths=\[1, 1, 1, 1, 1, 1\] are 6; give 5",
            id="a stage that nothing uses",
        ),
        pytest.param(
            "yolov4_tiny",
            ["+model.backbone.widths=[64,128]"],
            r"cspdarknet_tiny: widths=\[64, 128\] are 2; give 3",
            id="a width too few",
        ),
        pytest.param(
            "yolov4_csp",
            ["+model.neck.widths={P7: 8}"],
            r"widths name \['P7'\], the backbone gives \['P3', 'P4', 'P5'\]",
            id="width of a level that is not there",
        ),
        pytest.param(
            "yolov4_sam", ["model.neck.attention=sm"], "no layer 'sm'; did you mean sam", id="layer"
        ),
        pytest.param(
            "yolov4_sam",
            ["model.neck.attention=mish"],
            "layer 'mish': .* 'name'",
            id="an activation is no attention",
        ),
        pytest.param(
            "yolov4_tiny_3l",
            ["+model.head.attention=sam"],
            "attention 'sam' needs widths other than 0",
            id="attention without a convolution",
        ),
    ],
)
def test_mistakes(model, overrides, sentence):
    with pytest.raises(ZooError, match=sentence):
        zoo.build(model, ["a"], overrides)


@pytest.mark.parametrize(
    ("cfg", "sentence"),
    [
        ({"name": "darknet53", "stem": 0}, "backbone darknet53 stem=0: must be a whole number, at"),
        ({"name": "darknet53", "depths": [1, 2, -8, 8, 4]}, "backbone darknet53 depths=-8: must"),
        ({"name": "darknet_tiny", "stem": 0}, "backbone darknet_tiny stem=0: must"),
        ({"name": "cspdarknet53", "stem": -1}, "backbone cspdarknet53 stem=-1: must"),
        ({"name": "cspdarknet53", "depths": [1, 2, 8, 8, -1]}, "backbone cspdarknet53 depths=-1"),
        ({"name": "cspdarknet", "stem": 0}, "backbone cspdarknet stem=0: must"),
        ({"name": "cspdarknet", "depths": [1, 2, 8, 8, -1]}, "backbone cspdarknet depths=-1: must"),
        (
            {"name": "cspdarknet", "widths": [1] * 5},
            "backbone cspdarknet widths=1: must .* least 2",
        ),
        ({"name": "cspdarknet", "first_hidden": 0}, "backbone cspdarknet first_hidden=0: must"),
        (
            {"name": "cspdarknet", "depths": [1, 1], "widths": [8, 8]},
            r"backbone cspdarknet: widths=\[8, 8\] are 2; give 3 or more",
        ),
        ({"name": "cspdarknet_tiny", "stem": 0}, "backbone cspdarknet_tiny stem=0: must"),
        ({"name": "cspdarknet_tiny", "widths": [64, 0, 64]}, "backbone cspdarknet_tiny widths=0:"),
        (
            {"name": "cspdarknet_tiny", "widths": [64, 127, 256]},
            r"backbone cspdarknet_tiny: widths=\[64, 127, 256\] must be even, .*; 127 is odd",
        ),
        ({"name": "tiny_fpn", "width": 1}, "neck tiny_fpn width=1: must .* at least 2"),
        ({"name": "tiny_fpn_3l", "width": 1}, "neck tiny_fpn_3l width=1: must .* at least 2"),
        ({"name": "tiny_fpn_3l", "laterals": [0, 5]}, "neck tiny_fpn_3l laterals=0: must"),
        (
            {"name": "tiny_fpn_3l", "laterals": [2, 5, 4]},
            r"neck tiny_fpn_3l: laterals=\[2, 5, 4\] are 3; give 2",
        ),
        ({"name": "csp_pan", "depth": -1}, "neck csp_pan depth=-1: must"),
        ({"name": "csp_pan", "spp_depth": -1}, "neck csp_pan spp_depth=-1: must"),
        ({"name": "csp_pan", "widths": {"P4": 0}}, "neck csp_pan widths=0: must"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(cfg, sentence):
    with pytest.raises(ZooError, match=f"^{sentence}"):
        levels_of(cfg)


# === Options of parts ===


PARTS = [
    pytest.param({"name": "darknet53", "stem": 2, "depths": [1] * 5},
                 {"P3": 16, "P4": 32, "P5": 64}, id="darknet53"),
    pytest.param({"name": "cspdarknet53", "stem": 2, "depths": [1] * 5},
                 {"P3": 16, "P4": 32, "P5": 64}, id="cspdarknet53"),
    pytest.param({"name": "cspdarknet", "depths": [1] * 4, "widths": [4, 6, 8, 10]},
                 {"P3": 8, "P4": 10}, id="cspdarknet"),
    pytest.param({"name": "darknet_tiny", "stem": 2}, {"P3": 16, "P4": 32, "P5": 128},
                 id="darknet_tiny"),
    pytest.param({"name": "cspdarknet_tiny", "stem": 3, "widths": [2, 4, 6]},
                 {"P3": 4, "P4": 6, "P5": 12}, id="cspdarknet_tiny"),
    pytest.param({"name": "fpn"}, {"P3": 4, "P4": 8, "P5": 16}, id="fpn"),
    pytest.param({"name": "fpn", "spp": True}, {"P3": 4, "P4": 8, "P5": 16}, id="fpn, spp"),
    # P4 joins a lateral of half the width.
    pytest.param({"name": "tiny_fpn", "width": 6}, {"P4": 16 + 3, "P5": 6}, id="tiny_fpn"),
    pytest.param({"name": "tiny_fpn_3l", "width": 6, "laterals": [2, 5]},
                 {"P3": 3, "P4": 6, "P5": 12}, id="tiny_fpn_3l"),
    pytest.param({"name": "spp_pan"}, {"P3": 4, "P4": 8, "P5": 16}, id="spp_pan"),
    pytest.param({"name": "csp_pan", "widths": {"P5": 6}}, {"P3": 4, "P4": 8, "P5": 6},
                 id="csp_pan"),
]  # fmt: skip


def sides(level):
    return 64 // 2 ** int(level[1:]), 96 // 2 ** int(level[1:])


def levels_of(cfg):
    """What a backbone gives of 64×96 pixels, or a neck of levels of 8, 16 and 32 channels."""
    if cfg["name"] in BACKBONES:
        return BACKBONES.build(cfg, keras.Input((64, 96, 3)))
    widths = {"P3": 8, "P4": 16, "P5": 32}
    inputs = {level: keras.Input((*sides(level), w), name=level) for level, w in widths.items()}
    return NECKS.build(cfg, inputs)


def layers_of(levels):
    """By name."""
    return {layer.name: layer for tensor in levels.values() for layer in ancestors(tensor)}


@pytest.mark.parametrize(("cfg", "channels"), PARTS)
def test_levels_and_activations_are_those_of_the_options(cfg, channels):
    levels = levels_of({**cfg, "activation": "relu6"})
    shapes = {level: tensor.shape[1:] for level, tensor in levels.items()}
    assert shapes == {level: (*sides(level), width) for level, width in channels.items()}
    convolutions = [part for part in layers_of(levels).values() if hasattr(part, "convolution")]
    assert {part.settings["activation"] for part in convolutions} == {"relu6"}


@pytest.mark.parametrize(
    ("cfg", "filters"),
    [
        pytest.param(
            {"name": "cspdarknet", "depths": [1] * 3, "widths": [4, 6, 8], "first_hidden": 3},
            {"stage1_block1_conv1": 3, "stage2_block1_conv1": 3, "stage3_block1_conv1": 4},
            id="first_hidden is of the first stage",
        ),
        pytest.param(
            {"name": "tiny_fpn_3l", "width": 6, "laterals": [2, 5]},
            {"P4_lateral": 2, "P3_lateral": 5},
            id="the lateral to P4 comes first",
        ),
    ],
)
def test_filters_of_single_convolutions(cfg, filters):
    layers = layers_of(levels_of(cfg))
    assert {name: layers[name].settings["filters"] for name in filters} == filters


def test_levels_beyond_the_ninth():
    cfg = {"name": "cspdarknet", "stem": 1, "depths": [0] * 10, "widths": [2] * 10}
    levels = BACKBONES.build(cfg, keras.Input((2048, 2048, 3)))
    assert list(levels) == ["P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10"]
    assert levels["P10"].shape == (None, 2, 2, 2)


@pytest.mark.parametrize("name", ["fpn", "spp_pan", "csp_pan"])
def test_the_tenth_level_is_coarser_than_the_ninth(name):
    inputs = {f"P{n}": keras.Input((2048 // 2**n,) * 2 + (4,), name=f"P{n}") for n in (9, 10)}
    levels = NECKS.build({"name": name}, inputs)
    assert {level: tensor.shape[1:] for level, tensor in levels.items()} == {
        "P9": (4, 4, 2), "P10": (2, 2, 2),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cfg", "joins"),
    [
        pytest.param(
            {"name": "spp_pan"},
            {
                "P5_spp": "P5_spp_pool13 P5_spp_pool9 P5_spp_pool5 P5_pre_conv3",
                "P4_down_join": "P4_side P4_down_upsample",
                "P4_up_join": "P4_up_conv P4_down_conv5",
            },
            id="spp_pan",
        ),
        pytest.param(
            {"name": "csp_pan"},
            {
                "P5_spp_join": "P5_spp_post_conv2 P5_spp_bypass",
                "P4_up_merge": "P4_up_conv4 P4_up_bypass",
            },
            id="csp_pan",
        ),
        pytest.param({"name": "fpn"}, {"P4_join": "P4_upsample P4"}, id="fpn"),
        pytest.param(
            {"name": "cspdarknet", "depths": [1] * 3, "widths": [4, 6, 8]},
            {"stage2_join": "stage2_exit stage2_bypass"},
            id="cspdarknet",
        ),
    ],
)
def test_channels_are_joined_in_the_order_of_the_official_routes(cfg, joins):
    layers = layers_of(levels_of(cfg))
    for name, expected in joins.items():
        found = [tensor._keras_history.operation.name for tensor in layers[name].input]
        assert " ".join(found) == expected


# === Shapes and pictures ===


@pytest.mark.parametrize("name", ["yolov3_tiny_3l", "yolov4_tiny_3l", "yolov4_csp_s_mish"])
def test_grids_are_the_input_over_the_strides(name):
    detector = zoo.build(name, ["a", "b", "c"])
    raw = detector.compute_output_spec(keras.KerasTensor((1, 64, 96, 3), "float32"))
    assert {level: tuple(values.shape) for level, values in raw.items()} == {
        f"P{n}": (1, 64 // 2**n, 96 // 2**n, 3 * (5 + 3)) for n in (3, 4, 5)
    }


def test_a_sixth_level_wants_multiples_of_64():
    narrow = ["model.backbone.widths=[8,8,8,8,8,8]", "model.backbone.depths=[1,1,1,1,1,1]"]
    detector = zoo.build("yolov4_p6", ["a"], [*narrow, "model.neck.depth=1"])
    raw = detector.compute_output_spec(keras.KerasTensor((1, 64, 128, 3), "float32"))
    assert {level: tuple(values.shape) for level, values in raw.items()} == {
        f"P{n}": (1, 64 // 2**n, 128 // 2**n, 4 * (5 + 1)) for n in (3, 4, 5, 6)
    }
    with pytest.raises(ZooError, match="multiples of 64 for yolov4_p6"):
        detector.check_size([64, 96])


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz' dot is not installed")
@pytest.mark.parametrize("name", ["yolov4_tiny", pytest.param("yolov4", marks=pytest.mark.slow)])
def test_the_whole_model_is_drawn(name, tmp_path):
    detector = zoo.build(name, ["a"])
    file = tmp_path / "model.svg"
    keras.utils.plot_model(detector, str(file), expand_nested=True, show_layer_names=True)
    drawn = file.read_text()
    missing = [layer.name for layer in darknet_order(detector) if layer.name not in drawn]
    assert not missing


@pytest.mark.slow
def test_a_bounded_model_trains():
    """Two steps of YOLOv4-CSP-s with the loss of new_coords: finite, and the weights move."""
    detector = zoo.build("yolov4_csp_s_mish", ["a", "b"])
    detector.compile(optimizer=keras.optimizers.SGD(1e-3))
    images = np.random.default_rng(0).random((2, 64, 96, 3), "float32")
    truth = {
        "boxes": np.array([[[8, 8, 40, 40]], [[0, 0, 0, 0]]], "float32"),
        "classes": np.array([[1], [-1]], "int32"),
    }
    before = np.asarray(darknet_order(detector)[0].convolution.kernel)
    history = detector.fit(images, truth, batch_size=2, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert np.abs(np.asarray(darknet_order(detector)[0].convolution.kernel) - before).max() > 0
