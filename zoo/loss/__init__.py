"""Losses: padded ground truth and raw predictions → parts of a loss per image."""

PARTS = {"yolo": "zoo.loss.yolo:YoloLoss"}
