"""Necks: pyramid → pyramid, mixing what the levels know."""

PARTS = {
    "fpn": "zoo.necks.fpn:fpn",
    "spp_pan": "zoo.necks.pan:spp_pan",
    "tiny_fpn": "zoo.necks.fpn:tiny_fpn",
}
