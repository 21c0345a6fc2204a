"""What commands print for people to read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table


def plain_console(**options: Any) -> Console:
    """A console that prints names of users as they are: no `[markup]`, no `:emoji:`."""
    return Console(markup=False, emoji=False, **options)


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    title: str | None = None,
    words: Collection[str] | None = None,
) -> Table:
    """A table for `plain_console`.

    Args:
        columns: their names.
        rows: the cells of each, strings or what else rich shows.
        title: above it.
        words: columns that begin at the left; the others end at the right, as numbers do. By
            default the first one.
    """
    left = columns[:1] if words is None else words
    made = Table(title=title)
    for name in columns:
        made.add_column(name, justify="left" if name in left else "right")
    for row in rows:
        made.add_row(*row)
    return made
