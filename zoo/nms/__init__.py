"""Non-maximum suppression: overlapping boxes → detections of fixed size."""

PARTS = {
    "default": "zoo.nms.greedy:default",
    "diounms": "zoo.nms.greedy:diounms",
    "fast": "zoo.nms.matrix:fast",
    "greedynms": "zoo.nms.greedy:greedynms",
    "matrix": "zoo.nms.matrix:matrix",
    "soft": "zoo.nms.soft:soft",
}
