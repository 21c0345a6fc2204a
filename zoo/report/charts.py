"""Charts as inline SVG, drawn by matplotlib without its global state."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

Series = tuple[Sequence[float], Sequence[float]]

INK, FAINT = "#3f4650", "#d8dce2"
COLOURS = ("#1f6feb", "#e0662b", "#2a9d5c", "#8a56c9", "#7a828e")
ERROR_COLOURS = ("#1f6feb", "#d1242f")
BLUES = "Blues"
#: Letters of a class along the confusions; at 40 wide ones nothing would be left for the chart.
LONGEST = 32
STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: small, crisp, can be searched
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "axes.prop_cycle": cycler(color=COLOURS),
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "text.parse_math": False,  # a class may be called $_$
    "legend.frameon": False,
    "legend.fontsize": 8,
}


def lines(
    series: Mapping[str, Series],
    *,
    x: str,
    y: str = "",
    unit: bool = False,
    whole: bool = False,
    mark: tuple[float, float] | None = None,
    faint: Sequence[Series] = (),
) -> str:
    """Curves over one another.

    Args:
        series: x and y of each curve by its label.
        x: label of the axis.
        y: label of the axis.
        unit: both axes go from 0 to 1.
        whole: x counts something, so that there is nothing between 1 and 2.
        mark: a point to point out.
        faint: curves behind the others, without a label.
    """

    def draw(axes: Axes) -> None:
        for xs, ys in faint:
            axes.plot(xs, ys, color=FAINT, linewidth=0.8)
        for label, (xs, ys) in series.items():
            axes.plot(xs, ys, label=label, marker="o" if len(xs) < 12 else None, markersize=3)
        if mark:
            axes.plot(*mark, "o", color=INK, markersize=5)
            axes.annotate(f"{mark[1]:.2f} at {mark[0]:.2f}", mark, (5, 6),
                          textcoords="offset points")  # fmt: skip
        if unit:
            axes.set(xlim=(0, 1), ylim=(0, 1.02))
        if whole:
            axes.xaxis.set_major_locator(
                MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True)
            )
        axes.set(xlabel=x, ylabel=y)
        if len(series) > 1:
            axes.legend()

    return _svg(draw, (4.4, 3.0), name=f"lines {x} {y} {list(series)}")


def errors(series: Mapping[str, Series], *, limit: Series, x: str, y: str) -> str:
    """Points over a logarithmic scale, and the line that they should stay below.

    Args:
        series: x and y of the points by their label, the good ones and the bad ones; zeros lie on
            the floor of the chart.
        limit: x and y of the line.
        x: label of the axis.
        y: label of the axis.
    """
    values = [value for _, ys in series.values() for value in ys if 0 < value < np.inf]
    floor = min([*values, *limit[1]]) / 3

    def draw(axes: Axes) -> None:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")  # the scale's own are formulas
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.step(*limit, where="mid", color=INK, linewidth=1, linestyle="--", label="tolerance")
        top = max([*values, *limit[1]]) * 3
        for (label, (xs, ys)), colour in zip(series.items(), ERROR_COLOURS, strict=False):
            if len(xs):
                clipped = np.clip(ys, floor, top)
                axes.plot(xs, clipped, "o", markersize=3.5, color=colour, label=label)
        axes.set(xlabel=x, ylabel=y, ylim=(floor / 1.5, top * 1.5))
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0)

    return _svg(draw, (9.0, 3.2), name=f"errors {x} {y}")


def bars(values: Sequence[float], labels: Sequence[Any], *, x: str, y: str) -> str:
    """Counts as upright bars."""

    def draw(axes: Axes) -> None:
        axes.bar(range(len(values)), values, color=COLOURS[0], width=0.85)
        every = max(1, len(values) // 10)
        axes.set_xticks(range(0, len(values), every), [str(label) for label in labels[::every]])
        axes.grid(visible=False, axis="x")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel=x, ylabel=y)

    return _svg(draw, (3.2, 2.7), name=f"bars {x} {y}")


def ranked(values: Mapping[str, float], *, x: str) -> str:
    """Lying bars, one a name, in the order given, with their numbers."""

    def draw(axes: Axes) -> None:
        drawn = axes.barh(list(values), list(values.values()), color=COLOURS[0], height=0.7)
        axes.bar_label(drawn, fmt="%.3g", padding=3, color=INK, fontsize=8)
        axes.grid(visible=False, axis="y")
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set(xlabel=x)

    return _svg(draw, (5.0, 0.7 + 0.26 * len(values)), name=f"ranked {x}")


def density(counts: Sequence[Sequence[int]], *, x: str, y: str, down: bool) -> str:
    """A map of counts over the unit square; with `down` y grows downwards, as in images."""

    def draw(axes: Axes) -> None:
        grid = np.asarray(counts, float)
        edges = np.linspace(0, 1, len(grid) + 1)
        axes.pcolormesh(edges, edges, np.sqrt(grid), cmap=BLUES, linewidth=0)
        axes.set(xlabel=x, ylabel=y, aspect="equal", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.grid(visible=False)
        if down:
            axes.invert_yaxis()

    return _svg(draw, (3.0, 2.7), name=f"density {x} {y}")


def confusion(matrix: np.ndarray, names: Sequence[str]) -> str:
    """Counts with a colour for the share of the true class; rows are true, columns predicted."""

    def draw(axes: Axes) -> None:
        share = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
        axes.pcolormesh(share, cmap=BLUES, vmin=0, vmax=1, linewidth=0)
        for row, column in zip(*np.nonzero(matrix), strict=True):
            axes.text(
                column + 0.5, row + 0.5, str(matrix[row, column]), ha="center", va="center",
                fontsize=8 if len(names) < 15 else 6,
                color="white" if share[row, column] > 0.55 else INK,
            )  # fmt: skip
        places, labels = np.arange(len(names)) + 0.5, [_short(name) for name in names]
        axes.set_xticks(places, labels, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(places, labels)
        axes.set(xlabel="predicted", ylabel="true", aspect="equal")
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.invert_yaxis()

    side = max(5.4, 2.6 + 0.24 * len(names))
    return _svg(draw, (side, side), name="confusion")


def _short(name: str) -> str:
    """A name as a label that leaves room for the chart."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _svg(draw: Callable[[Axes], None], size: tuple[float, float], *, name: str) -> str:
    """An `<svg>` element; the same drawing gives the same text."""
    # The salt keeps ids of clip paths apart when several charts are on one page.
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.add_subplot())
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    return svg[svg.index("<svg") :]
