"""Pieces of HTML: tables, sections, pictures. Everything from files is escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2

from zoo.data.image import read_image

STYLE = Path(__file__).with_name("style.css")
#: At most this many characters of one value are shown.
LONGEST = 400


def document(title: str, subtitle: str, body: str) -> str:
    """A whole page, its style inside."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{STYLE.read_text(encoding='utf-8')}</style></head>"
        f"<body><main><header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></header>"
        f"{body}</main></body></html>\n"
    )


def section(title: str, *parts: str, anchor: str) -> str:
    """A headed part of the page, nothing when it has no content."""
    body = "".join(part for part in parts if part)
    return f'<section id="{anchor}"><h2>{escape(title)}</h2>{body}</section>' if body else ""


def columns(*parts: str) -> str:
    """Pieces side by side as far as the window is wide."""
    shown = "".join(f"<div>{part}</div>" for part in parts if part)
    return f'<div class="columns">{shown}</div>' if shown else ""


def figure(content: str, caption: str) -> str:
    """A chart or a picture with a line below."""
    return f"<figure>{content}<figcaption>{escape(caption)}</figcaption></figure>"


def note(text: str) -> str:
    """A line of small print."""
    return f'<p class="note">{escape(text)}</p>'


def number(value: Any, digits: int = 3) -> str:
    """A score; a dash for COCO's −1, that nothing was there to measure."""
    if not isinstance(value, int | float) or value < 0:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, bar: int | None = None) -> str:
    """A table whose first column is text and whose others are numbers.

    Args:
        head: titles of the columns.
        rows: cells, text as it is.
        bar: a column of numbers in [0, 1] that get a bar behind them.
    """
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = []
    for row in rows:
        cells = [
            f'<td class="bar" style="--share:{cell}">{escape(cell)}</td>'
            if place == bar and cell != "–"
            else f"<td>{escape(cell)}</td>"
            for place, cell in enumerate(row)
        ]
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def facts(values: Mapping[str, Any]) -> str:
    """Names and values of any depth; what is nested opens on a click."""
    flat = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    nested = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    rows = "".join(
        f"<tr><th>{escape(str(key))}</th><td>{escape(_short(value))}</td></tr>"
        for key, value in flat.items()
    )
    deeper = "".join(
        f"<details><summary>{escape(str(key))}</summary>{facts(value)}</details>"
        for key, value in nested.items()
        if value
    )
    return (f'<table class="facts"><tbody>{rows}</tbody></table>' if rows else "") + deeper


def picture(file: Path, alt: str) -> str:
    """A picture file inside the page, as JPEG, which is several times smaller than PNG."""
    data = file.read_bytes()
    if file.suffix == ".png":
        image = cv2.cvtColor(read_image(file), cv2.COLOR_RGB2BGR)
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
    encoded = base64.b64encode(data).decode()
    return f'<img alt="{escape(alt)}" src="data:image/jpeg;base64,{encoded}">'


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
