import keras
import pytest

from zoo.darknet.order import darknet_order
from zoo.layer.convolution import conv


class Drawn:
    """What `darknet_order` needs of a detector, drawn by hand."""

    def __init__(self, masks, **parts):
        self.head = type("Head", (), {"masks": masks})
        self.parts = parts

    def get_layer(self, name):
        return self.parts[name]


def wrapped(name, levels, draw):
    inputs = {level: keras.Input((None, None, 4), name=level) for level in levels}
    return keras.Model(inputs, draw(inputs), name=name)


def heads(levels):
    def draw(pyramid):
        return {
            level: conv(conv(pyramid[level], 4, 3, name=f"{level}_conv"), 3, 1, name=f"{level}_out")
            for level in levels
        }

    return wrapped("head", levels, draw)


def detector(neck, masks, levels=("P4", "P5")):
    images = keras.Input((None, None, 3))
    features = conv(images, 4, 3, name="body")
    backbone = keras.Model(images, dict.fromkeys(levels, features), name="backbone")
    return Drawn(
        masks, backbone=backbone, neck=wrapped("neck", levels, neck), head=heads(list(masks))
    )


def top_down(pyramid):
    top = conv(pyramid["P5"], 4, 1, name="top")
    return {"P5": top, "P4": conv(top, 4, 1, name="lateral")}


def bottom_up(pyramid):
    low = conv(pyramid["P4"], 4, 1, name="low")
    return {"P4": low, "P5": conv(low, 4, 1, name="high")}


def untouched(pyramid):
    return {"P5": pyramid["P5"], "P4": conv(pyramid["P4"], 4, 1, name="side")}


P5_FIRST, P4_FIRST = {"P5": [1], "P4": [0]}, {"P4": [0], "P5": [1]}


@pytest.mark.parametrize(
    "neck, masks, expected",
    [
        pytest.param(
            top_down,
            P5_FIRST,
            "body top P5_conv P5_out lateral P4_conv P4_out",
            id="tiny: the coarse head stands before the lateral",
        ),
        pytest.param(
            bottom_up,
            P4_FIRST,
            "body low P4_conv P4_out high P5_conv P5_out",
            id="path aggregation: the fine head first",
        ),
        pytest.param(
            untouched,
            P5_FIRST,
            "body P5_conv P5_out side P4_conv P4_out",
            id="a level that the neck passes on: its head before the neck",
        ),
        pytest.param(
            lambda pyramid: dict(pyramid),
            P5_FIRST,
            "body P5_conv P5_out P4_conv P4_out",
            id="no neck: the order of the masks",
        ),
    ],
)
def test_heads_follow_the_neck_convolution_they_need(neck, masks, expected):
    names = [layer.name for layer in darknet_order(detector(neck, masks))]
    assert names == expected.split()


def test_heads_after_the_neck_where_the_cfg_lists_them_there():
    network = detector(bottom_up, P4_FIRST)
    network.head.after_neck = True
    names = [layer.name for layer in darknet_order(network)]
    assert names == ["body", "low", "high", "P4_conv", "P4_out", "P5_conv", "P5_out"]


def test_two_levels_of_one_stride_have_each_its_own_head():
    def split(pyramid):
        low = conv(pyramid["P5"], 4, 1, name="low")
        return {"P5": low, "P5_2": conv(low, 4, 1, name="high")}

    network = detector(split, {"P5": [0], "P5_2": [1]}, levels=["P5"])
    names = [layer.name for layer in darknet_order(network)]
    assert names == ["body", "low", "P5_conv", "P5_out", "high", "P5_2_conv", "P5_2_out"]
