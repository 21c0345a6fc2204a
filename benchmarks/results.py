"""What a benchmark leaves behind: targets with verdicts, a table, a JSON file, bars."""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).parent


def verdict(what, value, *, most=None, least=None):
    """A target and whether it is met; with neither bound a figure that no target stands for."""
    bound = f"≤ {most}" if most is not None else f"≥ {least}" if least is not None else "–"
    if value is None:
        return {"what": what, "value": None, "bound": bound, "met": None}
    met = (most is None or value <= most) and (least is None or value >= least)
    known = most is not None or least is not None
    return {"what": what, "value": round(value, 4), "bound": bound, "met": met if known else None}


def ratio(a, b):
    """a / b; None where one of them is not known."""
    return a / b if a is not None and b else None


def table(title, columns, rows):
    """Print rows; a number with the digits that matter, None as absent."""
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        shown.add_column(column, justify="right" if number else "left")
    for row in rows:
        shown.add_row(*(cell(value) for value in row))
    Console(width=150).print(shown)


def cell(value):
    if value is None:
        return "absent"
    if isinstance(value, bool):
        return "met" if value else "NOT met"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def targets(verdicts):
    """Print verdicts."""
    rows = [
        (v["what"], v["value"], v["bound"], "–" if v["met"] is None else v["met"]) for v in verdicts
    ]
    table("Targets", ["what", "value", "target", ""], rows)


def write(result, output, name):
    """Write a result, by default as `results/<name>`, and say where."""
    file = Path(output or HERE / "results" / name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n")
    print(file)
    return file


def bars(file, groups):
    """A picture of horizontal bars, one field of axes a group.

    Args:
        file: a PNG.
        groups: title, with the unit → {label: value}; what is None is left out.
    """
    from matplotlib.figure import Figure

    groups = {t: {k: v for k, v in g.items() if v is not None} for t, g in groups.items()}
    heights = [max(1, len(group)) for group in groups.values()]
    figure = Figure((8, 0.35 * sum(heights) + 0.9 * len(heights)), layout="constrained")
    fields = figure.subplots(len(groups), squeeze=False, height_ratios=heights)[:, 0]
    for field, (title, group) in zip(fields, groups.items(), strict=True):
        drawn = field.barh(list(group), list(group.values()), color="#4878a8")
        field.bar_label(drawn, [cell(float(value)) for value in group.values()], padding=3)
        field.invert_yaxis()
        field.margins(x=0.12)
        field.set_title(title, loc="left", fontsize=10)
        field.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, dpi=120)
    print(file)
