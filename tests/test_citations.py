"""Every citation in the code resolves: papers in docs/papers.md, our own names in the code."""

import ast
import re
from pathlib import Path

import pytest

from zoo.darknet.keys import KNOWN as SECTIONS

ROOT = Path(__file__).resolve().parents[1]
KNOWN = set(re.findall(r"^\| ([\w-]+) \| ", (ROOT / "docs" / "papers.md").read_text(), re.M))
FILES = [*sorted(ROOT.glob("zoo/**/*.py")), *sorted(ROOT.glob("conf/**/*.yaml"))]
#: A key, then a section, an equation, a table, a figure or an algorithm.
CITATION = re.compile(r"[\[;] ?([a-z][\w-]*), (?:§|eq\.|table|figure|algorithm)")


def test_some_citations_are_found():
    assert len({key for file in FILES for key in CITATION.findall(file.read_text())}) >= 5


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_citations_resolve(file):
    unknown = set(CITATION.findall(file.read_text())) - KNOWN
    assert not unknown, f"{file} cites {unknown}; docs/papers.md has {sorted(KNOWN)}"


# === Keys alone, as [mixup], in docstrings ===

#: What cites; code has brackets of its own: in backticks, or behind a letter.
BRACKETS = re.compile(r"(?<!\w)\[([^\[\]]+)\]")
KEY = re.compile(r"[a-z][a-z0-9-]*")
#: The parts of one: a key alone, with a place, or a file.
PART = re.compile(
    rf"{KEY.pattern}(, (§|eq|table|figure|algorithm).+)?|[\w-]+\.(c|h|cu|cfg|py)(:.+)?"
)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
CODE = [file for file in FILES if file.suffix == ".py"]


def alone(text):
    """What docstrings cite without a section, but for the sections of Darknet's cfgs, [yolo]."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, DOCUMENTED)]
    prose = "\n".join(re.sub(r"`[^`]*`", "`", ast.get_docstring(node) or "") for node in nodes)
    cited = [re.split(r";\s+", brackets) for brackets in BRACKETS.findall(prose)]
    citations = [part for parts in cited if all(map(PART.fullmatch, parts)) for part in parts]
    return set(filter(KEY.fullmatch, citations)) - set(SECTIONS)


def test_keys_alone_are_found():
    text = "After [nncf], of [yolo], `a[b]`, c[d] [spp; voc] [a.c:f; diou] [one, or two; three]."
    assert alone(f'"""{text}"""') == {"diou", "nncf", "spp", "voc"}


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(ROOT)))
def test_keys_alone_resolve(file):
    unknown = alone(file.read_text()) - KNOWN
    assert not unknown, f"{file} cites {unknown}; docs/papers.md has {sorted(KNOWN)}"


# === Our own names, as `zoo.nms.greedy.greedy` ===

NAME = re.compile(r"`(zoo(?:\.\w+)+)[`(]")
#: Of files and of their entries, not of Python.
FILE_NAMES = {"zoo.json", "zoo.conf"}


def parsed(parts):
    """The module or package of these parts, or None."""
    path = ROOT.joinpath(*parts)
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text()) if file.is_file() else None


def defined(node):
    """Names → the nodes that a module or a class defines, attributes of `self` among them."""
    names = {}
    for child in ast.walk(node) if isinstance(node, ast.ClassDef) else node.body:
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            names[child.name] = child
        elif isinstance(child, ast.ImportFrom):
            names.update({alias.asname or alias.name: child for alias in child.names})
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            for target in child.targets if isinstance(child, ast.Assign) else [child.target]:
                names[getattr(target, "id", getattr(target, "attr", ""))] = child
    return names


def resolves(name):
    """Whether a module, or an attribute of one, has this name; nothing is imported."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if (node := parsed(parts[:length])) is not None:
            break
    for part in parts[length:]:
        names = defined(node) if isinstance(node, ast.Module | ast.ClassDef) else {}
        if part not in names:
            return False
        node = names[part]
    return True


@pytest.mark.parametrize(
    ("name", "exists"),
    [
        ("zoo.darknet.importing", True),
        ("zoo.detector.Detector.predictor", True),
        ("zoo.darknet.detector", False),
        ("zoo.verification.architecture.check_convolutions", False),
        ("zoo.nowhere.Detector", False),
    ],
)
def test_names_are_told_from_others(name, exists):
    assert resolves(name) == exists


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(ROOT)))
def test_names_of_ours_resolve(file):
    unknown = {
        name for name in NAME.findall(file.read_text()) if name not in FILE_NAMES
        and not resolves(name)
    }  # fmt: skip
    assert not unknown, f"{file} names {unknown}, which the code does not have"
