"""Curves of what a run has written."""

import json

from zoo.report.history import section_of


def test_scores_of_classifiers_are_drawn(tmp_path):
    lines = [{"step": step, "val_top1": 0.25, "val_top5": 0.5 * step} for step in (1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = section_of(tmp_path)
    assert "Scores on the validation split." in page
    assert "top-1" in page and "top-5" in page
