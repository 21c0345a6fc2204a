"""`python -m zoo`: presets, parts and commands, listed."""

from __future__ import annotations

import itertools
import re
import sys

from rich.console import Console
from rich.table import Table

import zoo
from zoo.cards import card
from zoo.config import find, options
from zoo.errors import ZooError, nearest
from zoo.registry import KINDS

COMMANDS = {
    "zoo.train": "train a detector: python -m zoo.train model=yolov4 data=coco",
    "zoo.browse": "what training will see, drawn: python -m zoo.browse data=voc data.root=DIR",
    "zoo.anchors": "anchors for your boxes: python -m zoo.anchors data=voc data.root=DIR",
    "zoo.benchmark": "data or model, which one limits: python -m zoo.benchmark data=coco_json",
    "zoo.reproduce": "a run made again, its numbers compared: python -m zoo.reproduce run=DIR",
    "zoo.evaluate": "COCO numbers: python -m zoo.evaluate preset=yolov4-tiny-coco data.root=DIR",
    "zoo.detect": "boxes on pictures: python -m zoo.detect preset=yolov4-tiny-coco source=a.jpg",
    "zoo.export": "one file without Keras: python -m zoo.export preset=yolov4-tiny-coco",
    "zoo.convert": "Darknet in, Darknet out: python -m zoo.convert cfg=a.cfg output=a.keras",
    "zoo.card": "what is known about a preset: python -m zoo.card preset=yolov4-tiny-coco",
    "zoo.verify": "agreement with Darknet: python -m zoo.verify preset=yolov4-tiny-coco cfg=FILE",
}


def main() -> None:
    """Print what there is to choose from; imports no backend."""
    try:
        _check(sys.argv[1:])
        _print()
    except ZooError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error


def _check(arguments: list[str]) -> None:
    for name in arguments:
        if f"zoo.{name}" in COMMANDS:
            raise ZooError(f"no argument {name!r}; python -m zoo.{name} is the command")
        if name not in ("-h", "--help"):
            known = nearest(name, [command.removeprefix("zoo.") for command in COMMANDS])
            raise ZooError(f"no argument {name!r}; {known}; a command is called as zoo.train")


def _print() -> None:
    console = Console()
    console.print(_table("commands (--help shows the keys)", COMMANDS))
    presets = {name: str(card(name)["description"]) for name in zoo.presets()}
    console.print(_table("presets", presets))
    console.print(_table("models", {name: _header(name) for name in options("model")}))
    parts = {kind: ", ".join(registry.names()) for kind, registry in KINDS.items()}
    console.print(_table("parts", parts))


def _header(model: str) -> str:
    """What the comment at the top of a model's config says, up to its first source or sentence."""
    lines = find("model", model).read_text(encoding="utf-8").splitlines()
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    return re.split(r" \[|\. ", " ".join(line.strip("# ") for line in comment))[0]


def _table(title: str, rows: dict[str, str]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    for name, text in rows.items():
        table.add_row(name, text)
    return table


if __name__ == "__main__":
    main()
