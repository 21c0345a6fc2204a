"""The certificate as one page that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from zoo.evaluation.pictures import draw, write_picture
from zoo.files import write_text
from zoo.report.charts import errors
from zoo.report.html import columns, document, facts, figure, note, picture, section, table
from zoo.verification.certificate import Certificate
from zoo.verification.layers import Row
from zoo.verification.reference import AGREES, DIFFERS
from zoo.verification.run import Verification

FILE = "certificate.html"
#: The section of the page that carries the verdict is coloured by it.
COLOURS = {True: "#1a7f37", False: "#d1242f"}


def write_page(verification: Verification, directory: Path) -> Path:
    """Write `certificate.html`, and the two pictures that it shows beside it.

    Returns:
        The path of the page.
    """
    found = verification.certificate
    for name, detections in (("ours", verification.ours), ("reference", verification.theirs)):
        write_picture(directory / f"{name}.png", draw(verification.picture.image, detections))
    title = f"{found.model['name']} against {found.reference['name']}"
    body = "".join(
        (
            _verdict(found),
            _pictures(found, directory),
            section("Error of each layer", _chart(found.layers), anchor="errors"),
            section("Detections", _detections(found), _ap(found), anchor="detections"),
            section(
                "Layers", f'<div class="scroll">{_layers(found.layers)}</div>', anchor="layers"
            ),
            section("What was compared", facts(_origin(found)), anchor="origin"),
        )
    )
    path = directory / FILE
    write_text(path, document(title, found.source["name"], body))
    return path


def _verdict(found: Certificate) -> str:
    document = found.document()
    totals, worst = document["totals"], found.worst(1)
    tiles = {
        "layers compared": f"{found.compared} of {totals['layers']}",
        "largest error of a layer": f"{worst[0].error:.1e}" if worst else "–",
        "parameters": f"{totals['parameters']:,}",
        "BFLOPs": f"{totals['flops'] / 1e9:.3f}",
    }
    shown = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for name, value in tiles.items()
    )
    title = "Agrees" if found.agrees else "Does not agree"
    line = f'<p style="color:{COLOURS[found.agrees]};font-weight:600">{escape(found.sentence)}</p>'
    return section(title, line, f'<div class="tiles">{shown}</div>', anchor="verdict")


def _pictures(found: Certificate, directory: Path) -> str:
    captions = {"ours": f"{found.model['name']}, zoo", "reference": found.reference["name"]}
    shown = [
        figure(picture(directory / f"{name}.png", caption), caption)
        for name, caption in captions.items()
    ]
    return section("Detections of both", columns(*shown), anchor="pictures")


def _chart(rows: Sequence[Row]) -> str:
    compared = [row for row in rows if row.error is not None]
    series = {
        verdict: (
            [row.index for row in compared if row.verdict == verdict],
            [row.error or 0.0 for row in compared if row.verdict == verdict],
        )
        for verdict in (AGREES, DIFFERS)
    }
    limit = ([row.index for row in compared], [row.tolerance for row in compared])
    chart = errors(
        series,
        limit=limit,
        x="Darknet's layer",
        y="error",
    )
    caption = (
        "The largest difference of an output, relative to its largest magnitude; of [yolo] layers "
        "the largest difference of the boxes, relative to the network input."
    )
    return figure(chart, caption)


def _detections(found: Certificate) -> str:
    head = ("score above", "ours", "reference", "rows", "order", "box error", "score error", "")
    rows = [
        (
            f"{row.threshold:g}",
            str(row.ours),
            str(row.reference),
            "same" if row.same_rows else "differ",
            "same" if row.same_order else "differs",
            f"{row.max_box_error:.1e}",
            f"{row.max_score_error:.1e}",
            row.verdict,
        )
        for row in found.detections
    ]
    return table(head, rows)


def _ap(found: Certificate) -> str:
    if found.ap is None:
        return ""
    names = [name for name in ("AP", "AP50", "AP75") if name in found.ap["ours"]]
    rows = [
        (name, f"{found.ap['ours'][name]:.4f}", f"{found.ap['reference'][name]:.4f}")
        for name in names
    ]
    images = note(f"Of both on the same {found.ap['images']} images, by the same evaluation.")
    return table(("", "ours", "reference"), rows) + images


def _layers(rows: Sequence[Row]) -> str:
    head = (
        "layer", "section", "in the model", "output", "parameters", "FLOPs", "error", "relative",
        "tolerance", "verdict", "",
    )  # fmt: skip
    return table(head, [_cells(row) for row in rows])


def _cells(row: Row) -> tuple[str, ...]:
    def short(value: float | None) -> str:
        return "–" if value is None else f"{value:.1e}"

    return (
        str(row.index), row.type, row.layer, "×".join(map(str, row.shape)),
        f"{row.parameters:,}", f"{row.flops:,}", short(row.max_abs_error),
        short(row.relative_error), f"{row.tolerance:g}", row.verdict, row.note,
    )  # fmt: skip


def _origin(found: Certificate) -> dict[str, Any]:
    document = found.document()
    keys = ("model", "cfg", "weights", "reference", "input", "backend", "versions", "tolerances")
    return {key: document[key] for key in keys}
