"""Every citation in the code resolves in docs/papers.md."""

import re
from pathlib import Path

import pytest

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
