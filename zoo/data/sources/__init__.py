"""Data sets: one file a format."""

from __future__ import annotations

import contextlib
import gc
import inspect
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from zoo import building
from zoo.errors import ZooError, nearest
from zoo.registry import DATASETS

if TYPE_CHECKING:
    from zoo.data.sample import Source

#: Keys of `conf/data` that say what a split is called here, and those that the loader takes.
SPLITS = ("train", "val", "test")
LOADER_KEYS = ("max_boxes", "cache_mb")
#: COCO's ids of its 80 categories of objects, in their order; its labelled images have no others.
COCO_IDS = [
    id for id in range(1, 91) if id not in {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
]  # fmt: skip


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Keep Python's garbage collector off.

    Reading millions of labels it looks for garbage thousands of times, for a third of the time; and
    in JAX's part of it, if that is all Python that runs, a Ctrl-C is lost.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def open_source(data: Mapping[str, Any], split: str) -> Source:
    """Open the part of a data set that plays the role `split`.

    Args:
        data: plain config as in `conf/data`; `train`, `val` and `test` say what the data set calls
            its splits, of which a part with a keyword `splits` is given all; `max_boxes` and
            `cache_mb` are the loader's and not looked at.
        split: `"train"`, `"val"` or `"test"`.

    Raises:
        ZooError: no such role, files that may not be read, or the source finds a fault in them; a
            data set of somebody else that does not keep to the contract.
    """
    if split not in SPLITS:
        raise ZooError(f"no split {split!r}; {nearest(split, SPLITS)}")
    cfg = {key: value for key, value in data.items() if key not in (*SPLITS, *LOADER_KEYS)}
    try:
        called = {role: data.get(role) or role for role in SPLITS}
        context: dict[str, Any] = {"split": called[split]}
        if "name" in cfg and "splits" in inspect.signature(DATASETS[cfg["name"]]).parameters:
            context["splits"] = list(called.values())
        with _without_collections():
            source = building.build("dataset", cfg, **context)
        if DATASETS.origin(cfg["name"]) != "zoo":  # ours check their labels as they read them
            from zoo.data.contract import check_source

            check_source(cfg["name"], source)
        return source
    except PermissionError as error:
        raise ZooError(f"data: {error.filename} cannot be read: {error.strerror}") from error
