"""Imports point one way: commands → concerns → parts → ops and layers → keras."""

import ast
from pathlib import Path

import pytest

import zoo

ROOT = Path(zoo.__file__).parent
#: From the bottom up. A module may import its own folder and anything below, nothing beside.
LEVELS = [
    {"errors"},
    {"backend", "signature", "files", "ranges", "nested", "console"},
    {"registry", "download"},
    {"building"},
    {"config"},
    {"command"},
    {"ops"},
    {"layer"},
    {"backbone", "neck", "head", "loss", "nms"},
    {"data", "format", "video"},
    {"network", "prediction", "detections", "runs"},
    {"inference"},
    {"detector", "exported"},
    {"classifier"},
    {"darknet"},
    {"cards", "saved"},
    {"runtimes"},
    {"evaluation", "report"},
    {"training", "verification", "deployment"},
    {"speed"},
    {"model_card"},
    {
        "card",
        "train",
        "evaluate",
        "detect",
        "export",
        "verify",
        "convert",
        "browse",
        "anchors",
        "benchmark",
        "reproduce",
        "__main__",
    },
]
LEVEL = {name: number for number, names in enumerate(LEVELS) for name in names}
NO_BACKEND = {
    "errors",
    "signature",
    "registry",
    "building",
    "config",
    "command",
    "detections",
    "data",
    "download",
    "files",
    "ranges",
    "nested",
    "console",
    "format",
    "inference",
    "cards",
    "exported",
    "runs",
    "runtimes",
    "video",
}
FILES = [file for file in sorted(ROOT.rglob("*.py")) if file != ROOT / "__init__.py"]


def room(module):
    return module.split(".")[1] if module.startswith("zoo.") else None


def imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "zoo":
                yield from (f"zoo.{alias.name}" for alias in node.names)
            else:
                yield node.module


def top_level_imports(file):
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_arrows_point_down(file):
    here = file.relative_to(ROOT).parts[0].removesuffix(".py")
    assert here in LEVEL, f"{here} has no place in the layout; give it one in tests/test_arrows.py"
    for module in imports(file):
        there = room(module)
        if there is None or there == here:
            continue
        assert LEVEL[there] < LEVEL[here], f"{file} imports {module}"


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_what_needs_no_backend_imports_none(file):
    here = file.relative_to(ROOT).parts[0].removesuffix(".py")
    if here in NO_BACKEND:
        backends = {"keras", "tensorflow", "jax", "torch"}
        assert not backends & {module.split(".")[0] for module in top_level_imports(file)}
