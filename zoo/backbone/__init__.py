"""Backbones: images → pyramid.

A backbone is a function of images, float (batch, height, width, 3) in [0, 1], RGB, sides divisible
by the coarsest stride, to a pyramid `{"P3": …, "P4": …, "P5": …}` whose level n has stride 2ⁿ.
"""

PARTS = {
    "cspdarknet": "zoo.backbone.cspdarknet:cspdarknet",
    "cspdarknet53": "zoo.backbone.cspdarknet:cspdarknet53",
    "cspdarknet_tiny": "zoo.backbone.tiny:cspdarknet_tiny",
    "darknet_cfg": "zoo.darknet.backbone:darknet_cfg",
    "darknet53": "zoo.backbone.darknet:darknet53",
    "darknet_tiny": "zoo.backbone.tiny:darknet_tiny",
}
