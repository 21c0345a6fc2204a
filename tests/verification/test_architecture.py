"""What a model is against what a cfg says, before anything is computed."""

import keras
import pytest

import zoo
from zoo.darknet.cfg import parse, read_cfg
from zoo.darknet.plan import Shape, plan
from zoo.errors import ZooError
from zoo.layer.convolution import ConvBN
from zoo.layer.pooling import MaxPool
from zoo.verification.alignment import align, operations
from zoo.verification.architecture import check, check_name, flops
from zoo.verification.graph import Graph, node_of

COCO = [str(number) for number in range(80)]
#: BFLOPs that Darknet prints for the official cfgs at the size of their [net].
PUBLISHED = {
    "yolov3": 65.879,
    "yolov3-spp": 141.531,
    "yolov3-tiny": 5.571,
    "yolov3-tiny-mask123": 5.571,
    "yolov4": 128.459,
    "yolov4-csp": 77.003,
    "yolov4-csp-swish": 120.317,
    "yolov4-p5": 326.809,
    "yolov4-p6": 717.190,
    "yolov4-tiny": 6.910,
    "yolov4-tiny-3l": 17.741,
    "yolov4x-mish": 221.986,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_flops_of_every_cfg_are_the_published(name, oracle_dir):
    planned = plan(read_cfg(oracle_dir / "cfg" / f"{name}.cfg"))
    # 0.001: the table has rounded and cut numbers, as 17.7405 → 17.741 and 717.1895 → 717.190.
    assert planned.flops / 1e9 == pytest.approx(PUBLISHED[name], abs=1e-3)


def counted(model, path):
    """BFLOPs of a model of parts, counted on its own Keras operations."""
    detector, planned = zoo.build(model, COCO), plan(read_cfg(path))
    graph = Graph(detector)
    check(detector, planned)
    tensors = align(detector, graph, planned)
    assert None not in tensors  # every layer of the cfg was found in the model
    total = 0
    for layer, tensor, operation in zip(
        planned.layers, tensors, operations(graph, tensors), strict=True
    ):
        if layer.section.kind in ("convolutional", "maxpool", "shortcut"):
            total += flops(operation, layer.output, len(node_of(tensor).input_tensors))
    assert detector.count_params() == planned.parameters
    return total / 1e9


@pytest.mark.parametrize(
    ("model", "cfg"), [("yolov4_tiny", "yolov4-tiny"), ("yolov3_tiny", "yolov3-tiny-mask123")]
)
def test_a_models_own_operations_cost_as_much(model, cfg, oracle_dir):
    path = oracle_dir / "cfg" / f"{cfg}.cfg"
    assert counted(model, path) == pytest.approx(PUBLISHED[cfg], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("cfg", sorted(set(PUBLISHED) - {"yolov3-tiny", "yolov3-tiny-mask123"}))
def test_the_whole_family_is_found_layer_by_layer_and_costs_as_much(cfg, oracle_dir):
    path = oracle_dir / "cfg" / f"{cfg}.cfg"
    assert counted(cfg.replace("-", "_"), path) == pytest.approx(PUBLISHED[cfg], abs=1e-3)


@pytest.mark.parametrize(
    ("layer", "inputs", "expected"),
    [
        # 2 · (3·3·4·8 weights) · (5·6 pixels)
        pytest.param(ConvBN(8, 3), 1, 2 * 288 * 30, id="convolution"),
        pytest.param(ConvBN(8, 3, groups=2), 1, 2 * 144 * 30, id="two groups, half the weights"),
        pytest.param(keras.layers.MaxPooling2D(2), 1, 4 * 5 * 6 * 8, id="Keras' pool"),
        pytest.param(MaxPool(3), 1, 9 * 5 * 6 * 8, id="Darknet's pool"),
        pytest.param(keras.layers.Add(), 3, 2 * 5 * 6 * 8, id="a sum of three"),
        pytest.param(keras.layers.Concatenate(), 2, None, id="no arithmetic that is known"),
    ],
)
def test_flops_of_an_operation(layer, inputs, expected):
    if isinstance(layer, ConvBN):
        layer.build((None, 5, 6, 4))
    assert flops(layer, Shape(5, 6, 8), inputs) == expected


# === Differences ===


@pytest.fixture(scope="module")
def yolov4_tiny():
    return zoo.build("yolov4_tiny", COCO)


def refusal(detector, text):
    planned = plan(parse(text, "changed.cfg"))
    check(detector, planned)
    align(detector, Graph(detector), planned)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param("filters=32\nsize=3\nstride=2", "filters=16\nsize=3\nstride=2",
                     r"layer 0: filters is 16, but 32 in the model \('stem1'\)", id="filters"),
        pytest.param("size=3\nstride=2", "size=5\nstride=2", "layer 0: size is 5, but 3",
                     id="size"),
        pytest.param("size=3\nstride=2\npad=1", "size=3\nstride=2\npad=0",
                     "layer 0: padding is 0, but 1", id="padding"),
        pytest.param("activation=leaky", "activation=mish",
                     "layer 0: activation is mish, but leaky_relu", id="activation"),
        pytest.param("[convolutional]\nbatch_normalize=1", "[convolutional]\nbatch_normalize=0",
                     "layer 0: batch_normalize is 0, but 1", id="normalisation"),
        pytest.param("groups=2\ngroup_id=1", "groups=2\ngroup_id=0",
                     "it takes the output of layer 3, but 'stage2_conv2' of the model takes "
                     "another tensor", id="the other half of the channels"),
        pytest.param("mask = 1,2,3", "mask = 0,1,2",
                     r"mask is \[0, 1, 2\], but \[1, 2, 3\] in the model \(the head at P4\)",
                     id="mask"),
        pytest.param("10,14", "10,13", r"anchors is \[\[10.0, 13.0\]", id="anchors"),
        pytest.param("scale_x_y = 1.05", "scale_x_y = 1.1", "scale_x_y is 1.1, but 1.05",
                     id="scale"),
        pytest.param("nms_kind=greedynms", "nms_kind=diounms",
                     "nms_kind is diounms, but greedynms", id="suppression"),
    ],
)  # fmt: skip
def test_the_first_difference_is_named(yolov4_tiny, oracle_dir, old, new, message):
    text = (oracle_dir / "cfg" / "yolov4-tiny.cfg").read_text()
    assert old in text
    with pytest.raises(ZooError, match=rf"changed.cfg, line \d+, .*{message}"):
        refusal(yolov4_tiny, text.replace(old, new))


def test_one_convolution_more(yolov4_tiny, oracle_dir):
    text = (oracle_dir / "cfg" / "yolov4-tiny.cfg").read_text()
    more = "\n[convolutional]\nfilters=8\nsize=1\nstride=1\nactivation=linear\n"
    with pytest.raises(ZooError, match=r"the model has 21 convolutions, changed\.cfg has 22"):
        refusal(yolov4_tiny, text + more)


def test_another_network_is_refused(yolov4_tiny, oracle_dir):
    text = (oracle_dir / "cfg" / "yolov3-tiny.cfg").read_text()
    with pytest.raises(ZooError, match="layer 0: filters is 16, but 32 in the model"):
        refusal(yolov4_tiny, text)


@pytest.mark.parametrize(
    ("preset", "model"),
    [
        ("yolov4-tiny-coco", "yolov4_tiny"),
        ("yolov4-coco", "yolov4"),
        ("my-cells", "yolov4"),
    ],
)
def test_a_right_name_passes(preset, model):
    check_name(preset, model)


@pytest.mark.parametrize(
    ("preset", "model", "message"),
    [
        pytest.param("yolov3-tiny-coco", "yolov4_tiny",
                     "called after yolov3_tiny, but its card says model: yolov4_tiny; the first "
                     "difference is .*: ", id="another model"),
        pytest.param("yolov4-tiny-coco", "yolov4", "called after yolov4_tiny", id="its big sister"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_refused(preset, model, message):
    with pytest.raises(ZooError, match=message):
        check_name(preset, model)
