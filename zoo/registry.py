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

from zoo.errors import ZooError, nearest


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
    def _found(self) -> dict[str, tuple[str, str]]:
        """Name → (reference `module:attribute`, the distribution it comes from)."""
        parts = importlib.import_module(self.package).PARTS
        found = {name: (reference, "zoo") for name, reference in parts.items()}
        for point in entry_points(group=f"zoo.{self.kind}"):
            owner = point.dist.name if point.dist else "an installed distribution"
            self._refuse_duplicate(point.name, found, owner)
            found[point.name] = (point.value, owner)
        return found

    def _refuse_duplicate(
        self, name: str, found: Mapping[str, tuple[str, str]], owner: str
    ) -> None:
        if name in found:
            raise ZooError(
                f"{self.kind} {name!r} of {owner} is already provided by {found[name][1]}; "
                "rename one of them"
            )

    def names(self) -> list[str]:
        """All names of this kind, sorted; imports no part."""
        return sorted({*self._found, *self._registered})

    def origin(self, name: str) -> str:
        """The distribution that provides `name`."""
        return self._found[name][1] if name in self._found else "registered at run time"

    def __contains__(self, name: str) -> bool:
        return name in self._registered or name in self._found

    def __getitem__(self, name: str) -> Callable[..., Any]:
        """The part called `name`.

        Raises:
            ZooError: there is no such part (the nearest name is suggested), or that of a third
                party does not load.
        """
        if name in self._registered:
            return self._registered[name]
        if name not in self._found:
            raise ZooError(f"no {self.kind} {name!r}; {nearest(name, self.names())}")
        reference, owner = self._found[name]
        try:
            return EntryPoint(name, reference, f"zoo.{self.kind}").load()
        except Exception as error:  # a stranger's module may raise anything
            if owner == "zoo" and not isinstance(error, ImportError):
                raise
            raise ZooError(
                f"{self.kind} {name!r} of {owner} ({reference}) does not load: {error}"
            ) from error

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
            ZooError: no such part, a key the part does not take, or one it needs and misses.
        """
        if "name" not in cfg:
            raise ZooError(f"a {self.kind} needs a `name`; {nearest('', self.names())}")
        part = self[cfg["name"]]
        keywords = {key: value for key, value in cfg.items() if key != "name"}
        check_call(f"{self.kind} {cfg['name']!r}", part, args, keywords, context)
        return part(*args, **context, **keywords)


def check_call(
    what: str, call: Callable, args: tuple, keywords: Mapping[str, Any], context: Mapping[str, Any]
) -> None:
    """Refuse a call whose keys do not fit the signature, before anything runs.

    Raises:
        ZooError: an unknown key (the nearest is suggested), a repeated or a missing one.
    """
    parameters = inspect.signature(call).parameters
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    positional = [
        name
        for name, p in parameters.items()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    settable = set(parameters) - set(positional[: len(args)]) - set(context)
    for key in keywords:
        if key in context:
            raise ZooError(f"{what}: {key!r} is set by zoo and cannot be configured")
        if key not in settable and not open_ended:
            raise ZooError(f"{what} takes no {key!r}; {nearest(key, settable)}")
    try:
        inspect.signature(call).bind(*args, **context, **keywords)
    except TypeError as error:
        raise ZooError(f"{what}: {error}") from error


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
