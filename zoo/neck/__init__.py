"""Necks: pyramid → pyramid, mixing what the levels know."""

PARTS = {
    "csp_pan": "zoo.neck.pan:csp_pan",
    "fpn": "zoo.neck.fpn:fpn",
    "identity": "zoo.neck.identity:identity",
    "spp_pan": "zoo.neck.pan:spp_pan",
    "tiny_fpn": "zoo.neck.fpn:tiny_fpn",
    "tiny_fpn_3l": "zoo.neck.fpn:tiny_fpn_3l",
}
