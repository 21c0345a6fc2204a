"""Curves of what a run has written."""

import json
import re

import pytest

from zoo.report.history import section_of


def test_scores_of_classifiers_are_drawn(tmp_path):
    lines = [{"step": step, "val_top1": 0.25, "val_top5": 0.5 * step} for step in (1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = section_of(tmp_path)
    assert "Scores on the validation split." in page
    assert "top-1" in page and "top-5" in page


@pytest.mark.parametrize("count", [2, 3, 30])
@pytest.mark.parametrize("x", ["step", "epoch"])
def test_steps_and_epochs_are_whole(tmp_path, x, count):
    lines = [{x: n, "loss": 7.0 / n} for n in range(1, count + 1)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = section_of(tmp_path)
    ticks = re.findall(r'id="xtick_.+?>([^<>\s]+)</text>', page, re.DOTALL)
    assert len(ticks) >= 2 and all(tick.isdecimal() for tick in ticks)
