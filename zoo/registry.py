"""Names → parts, for ours and a stranger's alike.

Each kind of part has a table of `name: "module:attribute"`: ours in `PARTS` of the kind's package
(`zoo.backbone` …), a third party's as entry points of the group `zoo.<kind>`. Nothing is imported
until a part is asked for, so listing names costs nothing and needs no backend.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from zoo.errors import PartFailed, ZooError, nearest
from zoo.signature import check_call, check_mapping


class Registry:
    """The parts of one kind, by name.

    Args:
        kind: what the parts are, e.g. `"backbone"`; third parties use the entry-point group
            `zoo.<kind>`.
        package: the package whose `PARTS` lists ours.
    """

    def __init__(self, kind: str, package: str):
        self.kind = kind
        self.package = package
        self._registered: dict[str, Any] = {}

    @cached_property
    def _listed(self) -> dict[str, list[tuple[str, str]]]:
        """Name → each (reference `module:attribute`, distribution) that provides it."""
        parts = importlib.import_module(self.package).PARTS
        listed = {name: [(reference, "zoo")] for name, reference in parts.items()}
        for point in entry_points(group=f"zoo.{self.kind}"):
            owner = point.dist.name if point.dist else "an installed distribution"
            listed.setdefault(point.name, []).append((point.value, owner))
        return listed

    def names(self) -> list[str]:
        """All names of this kind, sorted; imports no part."""
        return sorted({*self._listed, *self._registered})

    def origin(self, name: Any) -> str:
        """The distribution that provides `name`, or those that both do."""
        if not isinstance(name, str) or name not in self._listed:
            return "registered at run time"
        return " and ".join(owner for _, owner in self._listed[name])

    def title(self, name: str) -> str:
        """A part as messages call it: with its distribution where that is not zoo."""
        owner = f" of {self.origin(name)}" if name in self._listed else ""
        return f"{self.kind} {name!r}{owner.removesuffix(' of zoo')}"

    def __contains__(self, name: Any) -> bool:
        if not isinstance(name, str):  # a list has no hash
            return False
        return name in self._registered or name in self._listed

    def __getitem__(self, name: str) -> Callable[..., Any]:
        """The part called `name`.

        Raises:
            ZooError: there is no such part (the nearest name is suggested), two distributions
                provide it, or that of a third party does not load.
        """
        if not isinstance(name, str):
            raise ZooError(f"no {self.kind} {name!r}; a name is a text, as {self.names()[0]}")
        if name in self._registered:
            return self._registered[name]
        if name not in self._listed:
            hint = _elsewhere(name, self.kind) or nearest(name, self.names())
            raise ZooError(f"no {self.kind} {name!r}; {hint}")
        (reference, owner), *others = self._listed[name]
        if others:
            raise ZooError(
                f"{self.kind} {name!r} is provided by {self.origin(name)}; uninstall one of them, "
                "or rename its part"
            )
        try:
            part = EntryPoint(name, reference, f"zoo.{self.kind}").load()
        except Exception as error:  # a stranger's module may raise anything
            if owner == "zoo" and not isinstance(error, ImportError):
                raise
            raise ZooError(
                f"{self.kind} {name!r} of {owner} ({reference}) does not load: {error}"
            ) from error
        if not callable(part):
            raise ZooError(
                f"{self.kind} {name!r} of {owner} ({reference}) is a {type(part).__name__}, not a "
                "function or a class; an entry point is module:name"
            )
        return part

    def register(self, name: str) -> Callable[[Any], Any]:
        """Decorator: add a part for the life of this process, as in a notebook.

        Raises:
            ZooError: the name is taken.
        """

        def add(part: Any) -> Any:
            if name in self:
                raise ZooError(f"{self.kind} {name!r} exists ({self.origin(name)}); rename yours")
            self._registered[name] = part
            return part

        return add

    @contextlib.contextmanager
    def temporarily(self, name: str, part: Any) -> Iterator[None]:
        """Register `part` inside a `with` block only (for tests)."""
        self.register(name)(part)
        try:
            yield
        finally:
            del self._registered[name]

    def settings(self, cfg: Mapping[str, Any]) -> dict[str, Any]:
        """All keys of the part that `cfg` names: its defaults, and what `cfg` says instead.

        Raises:
            ZooError: no such part.
        """
        parameters = inspect.signature(self[cfg["name"]]).parameters
        defaults = {key: p.default for key, p in parameters.items() if p.default is not p.empty}
        return {**defaults, **cfg}

    def build(self, cfg: Mapping[str, Any], *args: Any, **context: Any) -> Any:
        """Call the part that `cfg["name"]` names with the other keys of `cfg`.

        Args:
            cfg: `name` and keyword arguments of the part, as written in YAML.
            *args: positional arguments, given by the caller (tensors, other parts).
            **context: keyword arguments that the caller knows; `cfg` may not repeat them.

        Raises:
            ZooError: no such part, a key that it does not take, one that it needs and misses, or a
                value of another type than its annotation.
            PartFailed: a third party's part raises anything.
        """
        check_mapping(self.kind, cfg)
        if "name" not in cfg:
            raise ZooError(f"a {self.kind} needs a `name`; {nearest('', self.names())}")
        part = self[cfg["name"]]
        keywords = {key: value for key, value in cfg.items() if key != "name"}
        title = self.title(cfg["name"])
        check_call(title, part, args, keywords, context)
        try:
            return part(*args, **context, **keywords)
        except Exception as error:
            if isinstance(error, ZooError) or self.origin(cfg["name"]) == "zoo":
                raise
            reason = next(iter(str(error).splitlines()), "")
            raise PartFailed(f"{title} failed: {type(error).__name__}: {reason}") from error


def _elsewhere(name: str, kind: str) -> str:
    """Who lists `name` under another entry-point group than that of its kind; empty for nobody."""
    for point in entry_points(name=name):
        if point.group.startswith("zoo.") and point.group not in ("zoo.conf", f"zoo.{kind}"):
            owner = point.dist.name if point.dist else "an installed distribution"
            return (
                f"{owner} has one in the entry-point group {point.group!r}, where a {kind} is "
                f"looked for in 'zoo.{kind}'"
            )
    return ""


LAYERS = Registry("layer", "zoo.layer")
BACKBONES = Registry("backbone", "zoo.backbone")
NECKS = Registry("neck", "zoo.neck")
HEADS = Registry("head", "zoo.head")
LOSSES = Registry("loss", "zoo.loss")
NMS = Registry("nms", "zoo.nms")
DATASETS = Registry("dataset", "zoo.data")
TRANSFORMS = Registry("transform", "zoo.data.transforms")
OPTIMIZERS = Registry("optimizer", "zoo.training")
SCHEDULES = Registry("schedule", "zoo.training.schedules")
TRACKERS = Registry("tracker", "zoo.training.tracking")
FORMATS = Registry("format", "zoo.format")

KINDS = {
    registry.kind: registry
    for registry in (
        LAYERS, BACKBONES, NECKS, HEADS, LOSSES, NMS,
        DATASETS, TRANSFORMS, OPTIMIZERS, SCHEDULES, TRACKERS, FORMATS,
    )
}  # fmt: skip
