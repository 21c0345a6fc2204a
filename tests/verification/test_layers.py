"""Layer by layer: what is measured, and that a damaged weight is found where it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.darknet.cfg import read_cfg
from zoo.darknet.order import darknet_order
from zoo.darknet.plan import plan
from zoo.errors import ZooError
from zoo.verification.alignment import align
from zoo.verification.golden import Golden
from zoo.verification.graph import Graph, Run
from zoo.verification.inputs import open_input
from zoo.verification.layers import compare_layers
from zoo.verification.opencv import OpenCV, layer_names, read_net
from zoo.verification.reference import difference

SIZE = (96, 128)


def rows(tiny, name, cfg=None):
    """The rows of one model against OpenCV at a small size."""
    detector, its_cfg, weights = tiny[name]
    planned = plan(read_cfg(cfg or its_cfg), SIZE)
    picture = open_input(None, SIZE, detector.class_names, mode="stretch")
    graph = Graph(detector)
    reference = OpenCV(planned, weights, detector.cfg["nms"], picture)
    tensors = align(detector, graph, planned)
    return compare_layers(detector, planned, graph, tensors, reference, picture)


@pytest.mark.parametrize("name", ["yolov4-tiny", "yolov3-tiny"])
def test_every_layer_agrees_with_opencv(tiny, name):
    found = rows(tiny, name)
    assert [row.index for row in found] == list(range({"yolov4-tiny": 38, "yolov3-tiny": 24}[name]))
    assert {row.verdict for row in found} == {"agrees"}
    # OpenCV with Darknet's own epsilon is as near as another order of float32 sums.
    assert max(row.relative_error for row in found if row.type != "yolo") < 2e-5


@pytest.mark.parametrize(
    ("convolution", "layer"),
    [
        pytest.param(0, 0, id="the first"),
        pytest.param(8, 13, id="within a block"),
        pytest.param(20, 36, id="the last"),
    ],
)
def test_one_damaged_weight_is_found_in_its_layer(tiny, convolution, layer):
    damaged = darknet_order(tiny["yolov4-tiny"][0])[convolution].convolution.kernel
    right = np.array(damaged.numpy() if hasattr(damaged, "numpy") else damaged)
    wrong = right.copy()
    wrong[0, 0, 0, 0] += 0.5
    try:
        damaged.assign(wrong)
        found = rows(tiny, "yolov4-tiny")
    finally:
        damaged.assign(right)
    differing = [row for row in found if row.verdict == "differs"]
    assert differing[0].index == layer
    assert all(row.verdict == "agrees" for row in found[:layer])


def test_a_concatenation_in_another_order_is_found_behind_it(tiny, tmp_path):
    _, cfg, _ = tiny["yolov4-tiny"]
    changed = tmp_path / "changed.cfg"
    changed.write_text(cfg.read_text().replace("layers = -1,-2", "layers = -2,-1", 1))
    found = rows(tiny, "yolov4-tiny", changed)
    verdicts = [row.verdict for row in found[:9]]
    # Layer 6 has no counterpart in the model; the convolution that takes it gives other numbers.
    assert verdicts == ["agrees"] * 6 + ["not compared", "differs", "differs"]


def test_values_are_dropped_as_soon_as_nobody_needs_them(tiny):
    detector, cfg, _ = tiny["yolov4-tiny"]
    planned, graph = plan(read_cfg(cfg), SIZE), Graph(detector)
    tensors = align(detector, graph, planned)
    run = Run(graph, np.zeros((1, *SIZE, 3), "float32"), tensors)
    held = []
    for tensor, layer in zip(tensors, planned.layers, strict=True):
        assert run.value(tensor).shape == (1, *layer.output)
        held.append(len(run._values))
    assert max(held) <= 4  # of 38: two branches of a block, and what waits for the second head
    assert held[-1] == 0


def test_opencvs_names_of_layers(tiny):
    _, cfg, weights = tiny["yolov4-tiny"]
    names = layer_names(read_net(plan(read_cfg(cfg)), weights))
    assert sorted(names) == list(range(38))
    # An activation is numbered one higher than the layer that it ends; a head has none.
    assert [names[index] for index in (0, 3, 9, 29, 30)] == [
        "leaky_1", "slice_3", "pool_9", "conv_29", "yolo_30",
    ]  # fmt: skip


def test_an_opencv_without_the_reader(tiny, monkeypatch):
    import cv2

    _, cfg, weights = tiny["yolov4-tiny"]
    monkeypatch.delattr(cv2.dnn, "readNetFromDarknet")
    with pytest.raises(ZooError, match="no reader of Darknet files; install 'opencv"):
        read_net(plan(read_cfg(cfg)), weights)


# === Measures ===


@pytest.mark.parametrize(
    ("ours", "theirs", "absolute", "relative"),
    [
        pytest.param([1, 2], [1, 2], 0, 0, id="equal"),
        pytest.param([1, 2.5], [1, -2], 4.5, 2.25, id="relative to the largest magnitude"),
        pytest.param([0, 0], [0, 0], 0, 0, id="nothing"),
        pytest.param([0, 1], [0, 0], 1, np.inf, id="something for nothing"),
        pytest.param([np.nan, 1], [1, 1], np.inf, np.inf, id="no number"),
        pytest.param([np.inf, 1], [np.inf, 1], 0, 0, id="infinite alike"),
    ],
)
def test_difference(ours, theirs, absolute, relative):
    found = difference(np.array(ours, float), np.array(theirs, float))
    assert (found.absolute, found.relative) == (absolute, relative)


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5)),
    st.floats(0, 1),
)
def test_what_is_measured_of_samples_never_exceeds_the_difference(seed, shape, share):
    random = np.random.default_rng(seed)
    theirs = random.normal(size=shape)
    ours = theirs + random.normal(size=shape) * (random.random(shape) < share)
    flat = theirs.reshape(-1)
    middle = flat.size // 2
    golden = object.__new__(Golden)
    golden._heads = []
    golden._arrays = {
        "layer_first8": np.resize(flat[:8], (1, 8)),
        "layer_mid8": np.resize(flat[middle : middle + 8], (1, 8)),
        "layer_stats": np.array(
            [[flat.mean(), flat.std(), np.linalg.norm(flat), flat.min(), flat.max()]]
        ),
    }
    found = golden.difference(0, ours.transpose(1, 2, 0))
    assert found.absolute <= np.abs(ours - theirs).max() + 1e-12
    assert found.scale == np.abs(theirs).max()
    first = np.abs(ours - theirs).reshape(-1)[:8].max()
    assert found.absolute >= first - 1e-12
