"""Whether the keys and values of a config fit the signature of what they are for."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from zoo.errors import ZooError, nearest

#: What a config holds; other values come from code, which is believed.
PLAIN = (NoneType, str, bool, Real, list, tuple, Mapping)
WORDS = {
    NoneType: "null",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}


def check_mapping(kind: str, cfg: Any) -> None:
    """Raise a `ZooError` where the config of a part is no mapping."""
    if not isinstance(cfg, Mapping):
        raise ZooError(f"{kind}={cfg!r} must be keys with values, `name` among them")


def check_call(
    what: str, call: Callable, args: tuple, keywords: Mapping[str, Any], context: Mapping[str, Any]
) -> None:
    """Refuse a call whose keys or values do not fit the signature, before anything runs.

    Args:
        what: names the part in messages.
        call: a function or class; annotations that are plain types say what its values may be.
        args: positional arguments, given by the caller.
        keywords: from the config.
        context: keyword arguments that the caller gives.

    Raises:
        ZooError: an unknown key (the nearest is suggested), a repeated or a missing one, or a value
            of another type than its annotation.
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
    annotations = _annotations(call)
    for key, value in keywords.items():
        annotation = annotations.get(key, Any)
        if not _fits(value, annotation):
            raise ZooError(f"{what}: {key}={value!r} must be {_words(annotation)}")


def check_keywords(what: str, call: Callable, keywords: Mapping[str, Any]) -> None:
    """Raise a `ZooError` where a call has a keyword that a function does not take by name alone."""
    parameters = inspect.signature(call).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    for key in keywords:
        if key not in known:
            raise ZooError(f"{what} takes no {key!r}; {nearest(key, known)}")


def _annotations(call: Callable) -> dict[str, Any]:
    while isinstance(call, functools.partial):
        call = call.func
    try:
        return typing.get_type_hints(call.__init__ if inspect.isclass(call) else call)
    except Exception:  # a stranger's annotation may name what only a type checker knows
        return {}


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value is of a type; True for values and types that no config writes."""
    if not isinstance(value, PLAIN):
        return True
    origin, arms = get_origin(annotation) or annotation, get_args(annotation)
    if origin in (Union, UnionType):
        return any(_fits(value, arm) for arm in arms)
    if origin is Literal:
        return value in arms
    if origin in (int, float):  # true is no number here, though Python has it as 1
        kind = Integral if origin is int else Real
        return isinstance(value, kind) and not isinstance(value, bool)
    if origin in (str, bool, NoneType):
        return isinstance(value, origin)
    if origin in (list, tuple, Sequence, Collection):
        item = arms[0] if arms and (origin is not tuple or arms[1:] == (...,)) else Any
        return isinstance(value, list | tuple) and all(_fits(one, item) for one in value)
    if origin in (dict, Mapping):
        return isinstance(value, Mapping)
    return True


def _words(annotation: Any) -> str:
    origin, arms = get_origin(annotation) or annotation, get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(_words(arm) for arm in arms)
    if origin is Literal:
        return " or ".join(map(repr, arms))
    if origin in (list, tuple, Sequence, Collection):
        return "a list" + (f", each {_words(arms[0])}" if arms and arms[0] in WORDS else "")
    if origin in (dict, Mapping):
        return "a mapping"
    return WORDS.get(origin, getattr(origin, "__name__", str(origin)))
