"""Scores for people to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.console import plain_console, table


def print_metrics(metrics: Mapping[str, float], *, title: str, caption: str | None = None) -> None:
    """A table of the COCO numbers on standard output, with what is to be said about them below."""
    rows = [(name, "–" if value < 0 else f"{value:.4f}") for name, value in metrics.items()]
    console = plain_console(highlight=False)
    console.print(title, style="italic", soft_wrap=True)  # a table would fold it to its width
    console.print(table(["metric", "value"], rows))
    if caption:
        console.print(caption, style="yellow")


def print_darknet(found: Mapping[str, Any]) -> None:
    """What `darknet detector map` prints; `found` is the result of `darknet_map`."""
    console = plain_console(highlight=False, soft_wrap=True)
    console.print(
        f"by Darknet's rules: mAP@0.50 {found['mAP']['0']:.4f} "
        f"(11 points {found['mAP']['11']:.4f}, 101 points {found['mAP']['101']:.4f}); "
        f"at confidence 0.25 precision {found['precision']:.2f}, recall {found['recall']:.2f}, "
        f"F1 {found['F1']:.2f}, average IoU {found['average_iou']:.4f}, "
        f"TP {found['TP']}, FP {found['FP']}, FN {found['FN']}"
    )
