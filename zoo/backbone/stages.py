"""Numbers of backbones: of a fixed number of stages, and of channels."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.errors import ZooError
from zoo.ranges import check_whole


def check_stages(
    backbone: str, what: str, values: Sequence[int], *, number: int | None = None, least: int
) -> None:
    """Refuse values that are not one whole number for each stage.

    Args:
        backbone: its name, as an error should call it.
        what: the setting.
        values: of the setting.
        number: of stages; None is any.
        least: of each value.

    Raises:
        ZooError: they are more or fewer, or one is no whole number or too small.
    """
    if number is not None and len(values) != number:
        raise ZooError(
            f"backbone {backbone}: {what}={list(values)} are {len(values)}; give {number}, one for "
            "each stage"
        )
    for value in values:
        check_whole(f"backbone {backbone} {what}", value, least=least)


def check_stem(backbone: str, stem: int) -> None:
    """Refuse a first convolution without channels.

    Raises:
        ZooError: `stem` is no whole number, or below 1.
    """
    check_whole(f"backbone {backbone} stem", stem, least=1)
