from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.signature import check_call


def part(
    x,
    *,
    width: int = 1,
    rate: float | None = None,
    name: str = "",
    on: bool = False,
    sizes: Sequence[int] = (),
    pair: tuple[float, str] = (1.0, ""),
    mode: Literal["a", "b"] = "a",
    more: Mapping[str, int] | None = None,
    some: list = (),
    free=None,
): ...


def typed(x, *, width: int = 1): ...


class Strange:
    def __init__(self, width: int, **more): ...


def check(call=part, **keywords):
    check_call("part 'p'", call, (0,) if call is not Strange else (), keywords, {})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"width": "3"}, r"width='3' must be a whole number"),
        ({"width": 3.0}, r"width=3.0 must be a whole number"),
        ({"width": True}, r"width=True must be a whole number"),
        ({"width": None}, r"width=None must be a whole number"),
    ],
)
def test_a_value_of_another_type_is_named(wrong, words):
    with pytest.raises(ZooError, match=rf"part 'p': {words}$"):
        check(typed, **wrong)
    with pytest.raises(ZooError, match=words):
        check(Strange, **wrong)
    with pytest.raises(ZooError, match=words):
        check(partial(typed), **wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rate": "abc"}, "a number or null"),
        ({"rate": [1]}, "a number or null"),
        ({"name": 5}, "a text"),
        ({"on": "yes"}, "true or false"),
        ({"on": 1}, "true or false"),
        ({"sizes": 3}, "a list, each a whole number"),
        ({"sizes": "34"}, "a list, each a whole number"),
        ({"sizes": [3, "4"]}, "a list, each a whole number"),
        ({"pair": 1.0}, "a list"),
        ({"some": 3}, "a list$"),
        ({"mode": "c"}, "'a' or 'b'"),
        ({"more": ["a"]}, "a mapping or null"),
    ],
)
def test_types_are_said_in_words(wrong, words):
    (key,) = wrong
    with pytest.raises(ZooError, match=rf"{key}=.* must be {words}"):
        check(**wrong)


def test_values_that_fit_pass():
    check(width=3, rate=2, name="n", on=True, sizes=[1, 2], pair=[1, "s"], mode="b", more={})
    check(some=[1, "s"])
    check(rate=None, more=None, sizes=(), free=object(), width=np.int64(3))


def test_values_from_code_are_believed():
    check(rate=np.ones(3), sizes=np.ones(2), mode=object())


def test_annotations_that_do_not_resolve_say_nothing():
    def odd(x, *, width: "Missing" = 1): ...  # noqa: F821

    check(odd, width="anything")
