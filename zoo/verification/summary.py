"""The certificate on a terminal: the verdict, the worst layers, the detections."""

from __future__ import annotations

from rich.table import Table

from zoo.console import plain_console, table
from zoo.verification.certificate import Certificate
from zoo.verification.layers import Row

WORST = 5


def print_summary(found: Certificate) -> None:
    """Print it; all rows are in the files."""
    console = plain_console()
    console.print(_layers(found))
    console.print(_detections(found))
    if found.ap is not None:
        ours, theirs = found.ap["ours"], found.ap["reference"]
        console.print(
            f"AP {ours['AP']:.4f}, reference {theirs['AP']:.4f}; AP50 {ours['AP50']:.4f}, "
            f"reference {theirs['AP50']:.4f}, on {found.ap['images']} images"
        )
    totals = found.document()["totals"]
    console.print(
        f"{totals['layers']} layers, {totals['parameters']:,} parameters, "
        f"{totals['flops'] / 1e9:.3f} BFLOPs, as in {found.cfg['file']}"
    )
    console.print(found.sentence, style="bold green" if found.agrees else "bold red")


def _layers(found: Certificate) -> Table:
    first, worst = found.first_divergence, found.worst(WORST)
    shown = [] if first is None else [first]
    shown += [row for row in worst if row is not first]
    title = "the layers with the largest errors"
    words = ["layer", "section", "in the model"]
    made = table(
        [*words, "error", "tolerance", "verdict"],
        [_cells(row) for row in shown],
        title=title if first is None else f"the first that diverges, and {title}",
        words=words,
    )
    if first is not None:
        made.rows[0].style = "red"
    return made


def _cells(row: Row) -> list[str]:
    numbers = (row.error, row.tolerance)
    return [
        str(row.index),
        row.type,
        row.layer,
        *("–" if number is None else f"{number:.1e}" for number in numbers),
        row.verdict,
    ]


def _detections(found: Certificate) -> Table:
    columns = ["score above", "ours", "reference", "box error", "score error", "verdict"]
    rows = [
        (
            f"{row.threshold:g}", str(row.ours), str(row.reference), f"{row.max_box_error:.1e}",
            f"{row.max_score_error:.1e}", row.verdict,
        )
        for row in found.detections
    ]  # fmt: skip
    return table(columns, rows, title="detections", words=())
