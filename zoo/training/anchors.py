"""Anchors for a data set: found, compared with the model's, drawn, and written down."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from zoo.console import plain_console, table
from zoo.data.anchors import (
    AnchorFit,
    evolve,
    fit_of,
    kmeans,
    trainable_sides,
    used_anchors,
    used_indices,
)
from zoo.data.sources import open_source
from zoo.data.training import network_input
from zoo.errors import ZooError
from zoo.files import write_text
from zoo.ranges import check_whole

#: More boxes than this tell nothing new; so many are drawn at random.
ENOUGH_BOXES = 50_000
RESTARTS = 4
#: Clusters for a model without anchors: three a level, of three levels.
USUAL = 9
#: Boxes in the chart.
DOTS = 5000


def propose(cfg: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Anchors for the training split, by k-means and genetic refinement.

    Writes anchors.json, anchors.yaml (to paste into a config) and anchors.png. Of as many as the
    model has, or as its levels use, each goes to a place that a level uses; what is in the others,
    as anchor 0 of yolov4_tiny, stays.

    Args:
        cfg: plain `conf/anchors.yaml`: all keys of training, `clusters` and `generations`.
        directory: where to write.

    Returns:
        What `anchors.json` has: the anchors, and the fit of the model's and of those found.

    Raises:
        ZooError: something in the config or in the data does not fit.
    """
    if cfg["clusters"] is None:
        cfg = {**cfg, "clusters": len(cfg["model"]["head"].get("anchors", [])) or USUAL}
    for key, least in (("seed", 0), ("clusters", 1), ("generations", 0)):
        check_whole(key, cfg[key], least=least)
    source = open_source(cfg["data"], "train")
    size, mode, _ = network_input(cfg)
    every = trainable_sides(source, size, mode)
    rng = np.random.default_rng(cfg["seed"])
    wh = every if len(every) <= ENOUGH_BOXES else rng.choice(every, ENOUGH_BOXES, replace=False)
    head, clusters = cfg["model"]["head"], cfg["clusters"]
    places = used_indices(head)
    if fills := bool(places) and clusters in (len(places), len(head["anchors"])):
        clusters = len(places)
    if clusters > (distinct := len(np.unique(wh, axis=0))):
        raise ZooError(f"clusters={clusters}: the data have {distinct} distinct box sizes")
    found = [kmeans(wh, clusters, rng) for _ in range(RESTARTS)]
    best = max(found, key=lambda anchors: fit_of(wh, anchors).average_iou)
    refined = np.rint(evolve(wh, best, rng, generations=cfg["generations"])).clip(1)
    old = used_anchors(head)
    anchors = refined.astype(int).tolist()
    result = {
        "anchors": _placed(anchors, head["anchors"], places) if fills else anchors,
        "image_size": list(size),
        "resize": mode,
        "fit": {
            **({"model": asdict(fit_of(every, old))} if old else {}),
            "kmeans": asdict(fit_of(every, best)),
            "refined": asdict(fit_of(every, refined)),
        },
    }
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "anchors.json").write_text(json.dumps(result, indent=1) + "\n")
    write_text(directory / "anchors.yaml", paste := _yaml(result, head))
    _draw(wh, old, refined, directory / "anchors.png")
    _print(result, paste)
    return result


def _placed(
    found: Sequence[list[int]], old: Sequence[Sequence[float]], places: Sequence[int]
) -> list[list[float]]:
    """The anchors of a model with those found at these places, smallest first."""
    anchors = [list(anchor) for anchor in old]
    for place, anchor in zip(places, found, strict=True):
        anchors[place] = list(anchor)
    return anchors


def _yaml(result: Mapping[str, Any], head: Mapping[str, Any]) -> str:
    """YAML to paste; a model with another number of anchors also needs other masks."""
    height, width = result["image_size"]
    fit = AnchorFit(**result["fit"]["refined"])
    lines = [
        f"# width, height, pixels at {height}×{width} ({result['resize']}); average IoU "
        f"{fit.average_iou:.3f}, best possible recall {fit.recall:.4f}",
    ]
    count = len(result["anchors"])
    if count != len(head.get("anchors", [])):
        lines.append("# set model.head.masks too: these are not as many anchors as the model has")
    elif unused := sorted(set(range(count)) - set(used_indices(head))):
        listed = ", ".join(map(str, unused))
        lines.append(f"# anchors of no level, which stay as they were: {listed} (counted from 0)")
    lines += ["model:", "  head:", f"    anchors: {result['anchors']}"]
    return "\n".join(lines) + "\n"


def _print(result: Mapping[str, Any], paste: str) -> None:
    columns = ["anchors", "average IoU", "recall, sides within 4×", "recall, IoU ≥ 0.5"]
    rows = [
        (name, *(f"{fit[key]:.4f}" for key in ("average_iou", "recall", "recall50")))
        for name, fit in result["fit"].items()
    ]
    plain_console().print(table(columns, rows, title="fit of anchors to the training boxes"))
    print(paste)


def _draw(wh: np.ndarray, old: Sequence[Sequence[float]], new: np.ndarray, path: Path) -> None:
    """Widths and heights of boxes, with the model's anchors and the new ones."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    figure = Figure(figsize=(6, 6), layout="tight")
    axes = figure.subplots()
    axes.scatter(wh[:DOTS, 0], wh[:DOTS, 1], s=4, color="0.7", label="boxes")
    for anchors, marker, label in ((np.array(old), "x", "the model's"), (new, "+", "proposed")):
        if len(anchors):
            axes.scatter(anchors[:, 0], anchors[:, 1], s=60, marker=marker, label=label)
    axes.set(xscale="log", yscale="log", xlabel="width, pixels", ylabel="height, pixels")
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(2))  # 16, 32, 64, …: few, and read at a glance
        axis.set_major_formatter(ScalarFormatter())
        axis.set_minor_formatter(NullFormatter())
    axes.legend()
    figure.savefig(path, dpi=120)
