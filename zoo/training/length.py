"""How long a run is: epochs, also where the config gives updates or leaves it to the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from zoo.data.sample import Source
from zoo.errors import ZooError
from zoo.ranges import check_whole

#: AlexeyAB's advice for custom data counts iterations of that many images.
BATCH = 64
#: … of them at least so many, and so many for each class.
LEAST, A_CLASS = 6000, 2000


def steps_of_an_epoch(cfg: Mapping[str, Any], source: Source) -> int:
    """Batches of an epoch; an update is made every `subdivisions` batches.

    Raises:
        ZooError: there are not enough images for one, or a key is no positive whole number.
    """
    for key in ("batch_size", "subdivisions"):
        check_whole(key, cfg[key], least=1)
    if cfg["steps_per_epoch"] is not None:
        check_whole("steps_per_epoch", cfg["steps_per_epoch"], least=1)
    steps = cfg["steps_per_epoch"] or len(source) // cfg["batch_size"]
    if steps < 1:
        raise ZooError(
            f"batch_size {cfg['batch_size']} is more than the {len(source)} training "
            "images; lower it or set steps_per_epoch"
        )
    return steps


def epochs(cfg: Mapping[str, Any], source: Source, *, steps: int) -> int:
    """Epochs of a run: `epochs`, or as many whole ones as make at least `updates`.

    `updates: auto` is max(6000, 2000 · classes, images) iterations of 64 images, in updates of
    `batch_size` · `subdivisions` images [AlexeyAB/darknet README].

    Args:
        cfg: plain `conf/train.yaml`.
        source: the training split.
        steps: batches of an epoch.

    Raises:
        ZooError: neither is set, `updates` is neither a number nor auto, or the epochs have not
            the batches of one update.
    """
    updates, parts = cfg["updates"], cfg["subdivisions"]
    if cfg["epochs"] is not None:
        check_whole("epochs", cfg["epochs"], least=1)
        if (batches := steps * cfg["epochs"]) < parts:
            raise ZooError(
                f"subdivisions={parts}: the run has {batches} batches, too few for one update; "
                "lower it or raise epochs"
            )
        return cfg["epochs"]
    if updates == "auto":
        iterations = max(LEAST, A_CLASS * len(source.class_names), len(source))
        updates = math.ceil(iterations * BATCH / (cfg["batch_size"] * parts))
    if not isinstance(updates, int) or isinstance(updates, bool) or updates < 1:
        raise ZooError(
            f"epochs is null and updates is {updates}; set epochs=20, updates=6000 or updates=auto"
        )
    return math.ceil(updates * parts / steps)
