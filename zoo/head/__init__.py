"""Heads: pyramid and number of classes → raw predictions per level, and their decoding."""

PARTS = {"yolo": "zoo.head.yolo:YoloHead"}
