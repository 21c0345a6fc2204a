"""Losses: padded ground truth and raw predictions → parts of a loss per image."""

PARTS = {"scaled": "zoo.loss.scaled:ScaledLoss", "yolo": "zoo.loss.yolo:YoloLoss"}
