"""Counts and costs of the official cfgs, without a weight allocated."""

import pytest

from zoo.darknet.cfg import read_cfg
from zoo.darknet.plan import Shape, plan

#: cfg, layers, float32 in its weights file, BFLOPs, input side: Darknet's own output.
OFFICIAL = [
    ("yolov3", 107, 62_001_757, 65.879, 416),
    ("yolov3-tiny", 24, 8_858_734, 5.571, 416),
    ("yolov3-tiny-mask123", 24, 8_858_734, 5.571, 416),
    ("yolov3-spp", 114, 63_052_381, 141.531, 608),
    ("yolov4", 162, 64_429_405, 128.459, 608),
    ("yolov4-tiny", 38, 6_062_814, 6.910, 416),
    ("yolov4-tiny-3l", 45, 6_334_045, 17.741, 608),
    ("yolov4-csp", 175, 52_986_205, 77.003, 512),
    ("yolov4-csp-swish", 176, 52_986_205, 120.317, 640),
    ("yolov4x-mish", 203, 99_847_037, 221.986, 640),
    ("yolov4-p5", 244, 70_917_468, 326.809, 896),
    ("yolov4-p6", 305, 127_717_040, 717.190, 1280),
]


@pytest.mark.parametrize(("name", "layers", "floats", "bflops", "side"), OFFICIAL)
def test_official(name, layers, floats, bflops, side, oracle_dir):
    planned = plan(read_cfg(oracle_dir / "cfg" / f"{name}.cfg"), (side, side))
    assert len(planned.layers) == layers
    assert planned.parameters == floats
    assert planned.flops / 1e9 == pytest.approx(bflops, abs=6e-4)


def test_every_cfg_of_the_reference_is_in_the_table(oracle_dir):
    found = {file.stem for file in (oracle_dir / "cfg").glob("*.cfg")}
    assert found == {row[0] for row in OFFICIAL}


NET = "[net]\nwidth=10\nheight=7\nchannels=4\n"


@pytest.mark.parametrize(
    ("section", "shape", "parameters", "flops"),
    [
        pytest.param("[conv]\nfilters=6\nsize=3\nstride=2\npad=1\nbatch_normalize=1",
                     (4, 5, 6), 4 * 6 + 6 * 4 * 9, 2 * 6 * 4 * 9 * 4 * 5, id="stride 2 rounds up"),
        pytest.param("[conv]\nfilters=6\nsize=3\npadding=0", (5, 8, 6), 6 + 6 * 4 * 9,
                     2 * 6 * 4 * 9 * 5 * 8, id="no padding"),
        pytest.param("[conv]\nfilters=8\nsize=3\npad=1\ngroups=4", (7, 10, 8), 8 + 8 * 9,
                     2 * 8 * 9 * 70, id="depthwise, two a channel"),
        pytest.param("[conv]\nfilters=2\nsize=3\npad=1\nstride_x=2\nstride_y=3", (3, 5, 2),
                     2 + 2 * 4 * 9, 2 * 2 * 4 * 9 * 15, id="stride_x and stride_y"),
        pytest.param("[conv]\nfilters=2\nsize=3\npad=1\nstride=2\nantialiasing=1", (4, 5, 2),
                     2 + 2 * 4 * 9, 2 * 2 * 4 * 9 * 70, id="the blur takes the stride"),
        pytest.param("[conv]\nfilters=2\nsize=2\npad=1", (8, 11, 2), 2 + 2 * 4 * 4,
                     2 * 2 * 4 * 4 * 88, id="an even kernel grows the map"),
        pytest.param("[max]\nsize=2\nstride=2", (4, 5, 4), 0, 4 * 4 * 20, id="⌈7/2⌉, ⌈10/2⌉"),
        pytest.param("[max]\nsize=2\nstride=1", (7, 10, 4), 0, 4 * 4 * 70, id="keeps the sides"),
        pytest.param("[max]\nsize=3\nstride=2\npadding=0", (3, 4, 4), 0, 9 * 4 * 12, id="valid"),
        pytest.param("[max]\nmaxpool_depth=1\nout_channels=2", (7, 10, 2), 0, 4 * 70, id="depth"),
        pytest.param("[max]\nmaxpool_depth=1\nout_channels=4", (7, 10, 4), 0, 4 * 70, id="all"),
        pytest.param("[local_avgpool]\nsize=3\nstride=2", (4, 5, 4), 0, 9 * 4 * 20, id="local"),
        pytest.param("[avgpool]", (1, 1, 4), 0, 0, id="global"),
        pytest.param("[upsample]\nstride=2", (14, 20, 4), 0, 0, id="upsample"),
        pytest.param("[batchnorm]", (7, 10, 4), 16, 0, id="batchnorm"),
        pytest.param("[connected]\noutput=5\nbatch_normalize=1", (1, 1, 5), 4 * 5 + 5 * 280,
                     2 * 280 * 5, id="connected"),
        pytest.param("[implicit]\nfilters=6\natoms=2", (2, 1, 6), 12, 0, id="implicit"),
        pytest.param("[dropout]", (7, 10, 4), 0, 0, id="dropout"),
        pytest.param("[empty]", (7, 10, 4), 0, 0, id="empty"),
    ],
)  # fmt: skip
def test_shape_weights_and_cost(section, shape, parameters, flops):
    (layer,) = plan(NET + section).layers
    assert layer.output == Shape(*shape)
    assert layer.parameters == parameters
    assert layer.flops == flops


def test_another_size_is_height_and_width():
    assert plan(NET + "[empty]", (3, 5)).image == Shape(3, 5, 4)


def test_shortcuts_cost_one_addition_an_input_and_number():
    body = "[conv]\nfilters=4\n" * 3
    planned = plan(NET + body + "[shortcut]\nfrom=-2,-3\nweights_type=per_channel")
    assert planned.layers[3].flops == 2 * 7 * 10 * 4
    assert planned.layers[3].parameters == 3 * 4


def test_dontload_and_dontloadscales_leave_arrays_out_of_a_file():
    conv = "[conv]\nfilters=2\nbatch_normalize=1\n"
    planned = plan(NET + conv + conv + "dontload=1\n" + conv + "dontloadscales=1\n")
    assert [[array.role for array in layer.in_file] for layer in planned.layers] == [
        ["beta", "gamma", "mean", "variance", "kernel"],
        [],
        ["beta", "kernel"],
    ]
    assert {layer.parameters for layer in planned.layers[1:]} == {4 * 2 + 2 * 2}


def test_dontloadscales_is_of_convolutions_alone():
    (layer,) = plan(NET + "[batchnorm]\ndontloadscales=1\n").layers
    assert [array.role for array in layer.in_file] == ["beta", "gamma", "mean", "variance"]
