"""Pure functions on tensors: boxes, overlaps, non-maximum suppression, compilation."""

#: Non-maximum suppression by name, Darknet's `nms_kind`.
PARTS = {
    "default": "zoo.ops.nms:default",
    "diounms": "zoo.ops.nms:diounms",
    "greedynms": "zoo.ops.nms:greedynms",
}
