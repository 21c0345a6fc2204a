"""Building what a plain config names. Imports neither Keras nor Hydra.

A config is data: `name:` finds a part through the registry, `_target_:` constructs a class of
somebody else's library, and only from the modules in `ALLOWED_TARGETS`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from zoo.errors import ZooError, nearest
from zoo.registry import KINDS
from zoo.signature import check_call, check_mapping

#: Modules whose classes a `_target_` may construct, each directly (no dotted way further in).
ALLOWED_TARGETS = (
    "keras.callbacks",
    "keras.optimizers",
    "keras.optimizers.schedules",
)
#: … and classes of ours, each by its whole name.
OWN_TARGETS = ("zoo.training.history.CsvHistory",)
#: Classes of those modules that run code or open connections that a config names.
FORBIDDEN_TARGETS = {"LambdaCallback", "RemoteMonitor"}
#: Kinds of which Keras' own classes will do: they take nothing from the caller.
OF_KERAS = {"optimizer", "schedule"}


def build(kind: str, cfg: Mapping[str, Any], *args: Any, **context: Any) -> Any:
    """Build the part of this `kind` that `cfg` describes by `name:` or by `_target_:`.

    Args:
        kind: a key of `zoo.registry.KINDS`.
        cfg: a plain mapping.
        *args: positional arguments of a named part, given by the caller.
        **context: keyword arguments of a named part, given by the caller.

    Raises:
        ZooError: no such part or class, keys or values that it does not take, or a `_target_`
            where a part is needed.
    """
    check_mapping(kind, cfg)
    if "_target_" in cfg:
        if kind not in OF_KERAS:
            known = nearest("", KINDS[kind].names())
            raise ZooError(f"a {kind} has a `name`, not a `_target_`; {known}")
        return instantiate(cfg)
    return KINDS[kind].build(cfg, *args, **context)


def instantiate(cfg: Any) -> Any:
    """Construct the class that `_target_` names, and those inside its arguments.

    Raises:
        ZooError: the target is not a class of an allowed module, or does not take a key.
    """
    if isinstance(cfg, list):
        return [instantiate(item) for item in cfg]
    if not isinstance(cfg, Mapping):
        return cfg
    keywords = {key: instantiate(value) for key, value in cfg.items() if key != "_target_"}
    if "_target_" not in cfg:
        return keywords
    target = _allowed_class(cfg["_target_"])
    what = f"_target_ {cfg['_target_']!r}"
    check_call(what, target, (), keywords, {})
    try:
        return target(**keywords)
    except (TypeError, ValueError) as error:  # Keras takes any keyword and complains later
        known = inspect.signature(target).parameters
        hints = "; ".join(f"{key!r}: {nearest(key, known)}" for key in keywords if key not in known)
        raise ZooError(f"{what}: {error}" + (f"; {hints}" if hints else "")) from error


def _allowed_class(path: Any) -> type:
    module, _, name = str(path).rpartition(".")
    allowed = name not in FORBIDDEN_TARGETS if module in ALLOWED_TARGETS else path in OWN_TARGETS
    if not allowed:
        raise ZooError(
            f"_target_ {path!r} is not allowed: a config may construct classes of "
            f"{', '.join(ALLOWED_TARGETS)} only; for your own code register a part and use `name:`"
        )
    public = importlib.import_module(module)
    found = getattr(public, name, None)
    if not isinstance(found, type):
        classes = [known for known in dir(public) if known[:1].isupper()]
        raise ZooError(f"_target_ {path!r} is no class of {module}; {nearest(name, classes)}")
    return found
