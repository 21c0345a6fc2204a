"""Best and worst images with their boxes drawn over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from zoo.report.html import picture, section

KEY = '<p class="note key"><i></i>detected, with class and score<i class="t"></i>ground truth</p>'
HEADINGS = {"worst": "Worst", "best": "Best"}
#: Height of a picture on the page, and of what is written on it; `style.css` has the first too.
SHOWN, LETTERS = 250, 12
#: From this share of the width on what is written ends with its box, not to be cut off.
LAST = 0.8


def examples(evaluation: Mapping[str, Any], folder: Path) -> str:
    """The section of both kinds, worst first."""
    names = [row["name"] for row in evaluation.get("per_class", ())]
    parts = []
    for kind, heading in HEADINGS.items():
        rows = [row for row in evaluation.get("pictures", ()) if row["kind"] == kind]
        scenes = [_scene(row, names, folder) for row in rows if (folder / row["file"]).is_file()]
        if scenes:
            parts.append(f'<h3>{heading}</h3><div class="examples">{"".join(scenes)}</div>')
    return section("Best and worst images", *([KEY, *parts] if parts else ()), anchor="examples")


def _scene(row: Mapping[str, Any], names: Sequence[str], folder: Path) -> str:
    width, height = row["width"], row["height"]
    boxes = [
        _box(box, names, (width, height), kind) for kind in ("truth", "found") for box in row[kind]
    ]
    caption = f"{row['id']}: {row['TP']} right, {row['FP']} wrong, {row['FN']} missed"
    return (
        f'<figure><div class="scene">{picture(folder / row["file"], str(row["id"]))}'
        f'<svg viewBox="0 0 {width} {height}">{"".join(boxes)}</svg></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _box(box: Sequence[float], names: Sequence[str], sides: tuple[int, int], kind: str) -> str:
    """A box with a tooltip; what was detected has its name on it too."""
    width, height = sides
    letters = LETTERS * height / SHOWN  # in pixels of the image, whatever its size
    label, left, top, right, bottom = int(box[0]), *box[1:5]
    x, y = left * width, top * height
    text = escape(names[label] + (f" {box[5]:.2f}" if kind == "found" else ""))
    shape = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{(right - left) * width:.1f}"'
        f' height="{(bottom - top) * height:.1f}"><title>{text}</title></rect>'
    )
    at, anchor = max(x, 0) + letters / 4, "start"
    if left > LAST:
        at, anchor = min(right, 1) * width - letters / 4, "end"
    written = (
        f'<text x="{at:.1f}" text-anchor="{anchor}" y="{max(y, 0) + letters:.1f}"'
        f' font-size="{letters:.1f}" stroke-width="{letters / 4:.1f}">{text}</text>'
    )
    return f'<g class="{kind}">{shape}{written if kind == "found" else ""}</g>'
