"""Heads: pyramid and number of classes → raw predictions per level, and their decoding."""

PARTS = {
    "raw_yolo": "zoo.head.raw:RawYoloHead",
    "yolo": "zoo.head.yolo:YoloHead",
}
