"""Backbones whose levels are those of a fixed number of stages."""

from __future__ import annotations

from collections.abc import Sequence

from zoo.errors import ZooError


def check_stages(backbone: str, what: str, values: Sequence[int], *, number: int) -> None:
    """Refuse values that are not one for each stage.

    Args:
        backbone: its name, as an error should call it.
        what: the setting.
        values: of the setting.
        number: of stages.

    Raises:
        ZooError: they are more or fewer.
    """
    if len(values) != number:
        raise ZooError(
            f"backbone {backbone}: {what}={list(values)} are {len(values)}; give {number}, one for "
            "each stage"
        )
