"""Sections of an evaluation: numbers, classes, curves, confusions, sizes and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from zoo.report import charts
from zoo.report.html import columns, figure, note, number, section, table

BACKGROUND = "background"
#: A confusion matrix of more classes is shown for those with the most objects.
MOST_CLASSES = 24
KINDS = {
    "Cls": "wrong class", "Loc": "box not tight", "Both": "wrong class and box not tight",
    "Dupe": "found twice", "Bkg": "nothing there", "Miss": "missed",
}  # fmt: skip


def sections(metrics: Mapping[str, Any], evaluation: Mapping[str, Any]) -> list[str]:
    """All that the files metrics.json and evaluation.json tell, the most important first."""
    if not evaluation:
        return [_scores(metrics, {})]
    return [
        _scores(metrics, evaluation),
        _classes(evaluation["per_class"], evaluation["confidence"]),
        _curves(evaluation),
        _confusion(evaluation),
        _errors(evaluation),
        _labels(evaluation),
    ]


def _scores(metrics: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    numbers = {k: v for k, v in metrics.items() if isinstance(v, int | float)}
    tiles = "".join(
        f'<div class="tile{" first" if name == "AP" else ""}"><b>{number(value)}</b>'
        f"<span>{escape(name)}</span></div>"
        for name, value in numbers.items()
    )
    warnings = "".join(
        f'<p class="warning">{escape(value)}</p>'
        for value in metrics.values()
        if isinstance(value, str)
    )
    size = ""
    if evaluation:
        size = note(
            f"{evaluation['images']:,} images with {evaluation['objects']:,} objects. AP is COCO's "
            "mean over IoU 0.50 to 0.95; s, m and l are small, medium and large objects; AR is "
            "recall with at most 1, 10 or 100 detections of a class in an image."
        )
    return section(
        "COCO scores" if "AP" in numbers else "Scores",
        f'<div class="tiles">{tiles}</div>' if tiles else "", warnings, size,
        anchor="scores",
    )  # fmt: skip


def _classes(rows: Sequence[Mapping[str, Any]], confidence: float) -> str:
    scores = ("AP", "AP50", "AP75", "AR100", "P", "R", "F1")
    shown = sorted((row for row in rows if row["objects"]), key=lambda row: -row["objects"])
    cells = [
        [row["name"], number(row["objects"]), *(number(row[key]) for key in scores)]
        for row in shown
    ]
    absent = len(rows) - len(shown)
    return section(
        "Classes",
        f'<div class="scroll">{table(["class", "objects", *scores], cells, bar=2)}</div>',
        note(
            f"P, R and F1 are precision, recall and their harmonic mean at confidence "
            f"{confidence:.2f} and IoU 0.5."
            + (f" {absent} more classes have no object in these images." if absent else "")
        ),
        anchor="classes",
    )


def _curves(evaluation: Mapping[str, Any]) -> str:
    curves, best = evaluation["curves"], evaluation["confidence"]
    recall, confidence = curves["recall"], curves["confidence"]
    by_class = [
        (recall, values)
        for values, row in zip(curves["precision_by_class"], evaluation["per_class"], strict=True)
        if row["objects"]
    ]
    few = by_class if len(by_class) <= MOST_CLASSES else []
    precision = {f"IoU {iou}": (recall, values) for iou, values in curves["precision"].items()}
    rates = {key: (confidence, curves[key]) for key in ("F1", "P", "R")}
    highest = curves["F1"][confidence.index(best)]
    return section(
        "Precision and recall",
        columns(
            figure(
                charts.lines(precision, x="recall", y="precision", unit=True, faint=few),
                "Mean over classes" + (", in grey each class at IoU 0.50." if few else "."),
            ),
            figure(
                charts.lines(rates, x="confidence", unit=True, mark=(best, highest)),
                "F1, precision (P) and recall (R), mean over classes at IoU 0.50.",
            ),
        ),
        _darknet(evaluation["darknet"]),
        anchor="curves",
    )


def _darknet(found: Mapping[str, Any]) -> str:
    return note(
        f"By the rules of Darknet's detector map: mAP@0.50 {number(found['mAP']['0'], 4)}, "
        f"precision {number(found['precision'], 2)}, recall {number(found['recall'], 2)}, "
        f"F1 {number(found['F1'], 2)}, average IoU {number(found['average_iou'], 4)}, "
        f"TP {found['TP']:,}, FP {found['FP']:,}, FN {found['FN']:,} at confidence 0.25."
    )


def _confusion(evaluation: Mapping[str, Any]) -> str:
    names = [*(row["name"] for row in evaluation["per_class"]), BACKGROUND]
    cells, background = evaluation["confusion"]["cells"], len(names) - 1
    counts = np.array([row["objects"] for row in evaluation["per_class"]])
    seen = {place for row, column, _ in cells for place in (row, column)} - {background}
    ranked = [int(k) for k in np.argsort(-counts, kind="stable") if k in seen]
    shown = [*ranked[:MOST_CLASSES], background]
    chart = charts.confusion(_matrix(cells, shown), [names[k] for k in shown])
    wrong = [cell for cell in cells if cell[0] != cell[1] and background not in cell[:2]]
    rows = [
        [names[true], names[predicted], str(count)]
        for true, predicted, count in sorted(wrong, key=lambda cell: -cell[2])[:12]
    ]
    caption = (
        f"At confidence {evaluation['confusion']['confidence']:.2f} and IoU 0.5. Last column: "
        "missed; last row: nothing there."
    )
    if len(ranked) > MOST_CLASSES:
        caption += f" The {MOST_CLASSES} classes with the most objects."
    confusions = _titled("Most frequent confusions", table(["true", "predicted", "times"], rows))
    body = f"{figure(chart, caption)}{confusions if rows else ''}"
    return section("Confusion matrix", f'<div class="columns wide">{body}</div>',
                   anchor="confusion")  # fmt: skip


def _matrix(cells: Sequence[Sequence[int]], shown: Sequence[int]) -> np.ndarray:
    place = {k: n for n, k in enumerate(shown)}
    matrix = np.zeros((len(shown), len(shown)), int)
    for row, column, count in cells:
        if row in place and column in place:
            matrix[place[row], place[column]] = count
    return matrix


def _titled(title: str, content: str) -> str:
    return f"<div><h3>{escape(title)}</h3>{content}</div>"


def _errors(evaluation: Mapping[str, Any]) -> str:
    errors = sorted(evaluation["errors"].items(), key=lambda item: -item[1]["AP50_lost"])
    kinds = [[KINDS.get(kind, kind), number(float(found["AP50_lost"]))] for kind, found in errors]
    head = ["size", "objects", "AP", "AP50", "AR100"]
    sizes = [[row["name"], *(number(row[key]) for key in head[1:])] for row in evaluation["sizes"]]
    return section(
        "Errors and sizes",
        columns(
            _titled("AP50 lost by kind of error", table(["kind", "AP50 lost"], kinds)),
            _titled("Size of the objects", table(head, sizes)),
        ),
        note("Kinds of error as in TIDE. Small is below 32², large from 96² pixels."),
        anchor="errors",
    )


def _labels(evaluation: Mapping[str, Any]) -> str:
    found = evaluation["labels"]
    per_image = found["per_image"]
    counts = charts.bars(per_image, range(len(per_image)), x="objects in an image", y="images")
    centres = charts.density(found["centres"], x="x", y="y", down=True)
    sides = charts.density(found["sides"], x="width", y="height", down=False)
    return section(
        "Labels",
        columns(
            figure(counts, "How many objects an image has; crowds are not counted."),
            figure(centres, "Where the centres of objects are in the image."),
            figure(sides, "Width and height of the boxes, relative to the image."),
        ),
        anchor="labels",
    )
