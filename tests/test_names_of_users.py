"""What users named is shown as they wrote it, in tables, titles and charts."""

import numpy as np
import pytest

from zoo.data.sample import Labels
from zoo.evaluation.report import print_metrics
from zoo.report import charts
from zoo.reproduce import print_result
from zoo.speed.page import print_model
from zoo.training import preview

NAMES = ["[/x]", "car[truck]", ":car:", "[red]"]


class Named:
    """One image with a box of the first class."""

    class_names, category_ids, fingerprint = NAMES, [1, 2, 3, 4], ""

    def __len__(self):
        return 1

    def size(self, index):
        return 100, 200

    def labels(self, index):
        return Labels.of([(0, 0, 40, 10)], [0])


def test_classes_in_the_table_of_browse(capsys):
    preview._print(preview.label_counts(Named(), size=(64, 64), mode="stretch"))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    counts = {words[1]: words[3] for words in rows if words[0] == "│"}
    assert counts == {"[/x]": "1", "car[truck]": "0", ":car:": "0", "[red]": "0"}


@pytest.mark.parametrize("name", NAMES)
def test_titles(name, capsys):
    print_metrics({"AP": 0.5}, title=f"runs/{name}/best.keras", caption=f"not clean: {name}")
    spread = {"median": 1, "p95": 1, "least": 1, "most": 1}
    cold = {"seconds": 1, "peak_rss_mib": 1}
    found = {"latency": spread, "whole": spread, "throughput": {}, "cold_start": cold}
    print_model(found, f"runs/{name} on keras")
    row = {"before": 0.5, "now": 0.5, "verdict": "identical"}
    result = {"run": name, "runs": [1], "metrics": {"AP": row}, "weights": "", "changed": {}}
    print_result({**result, "verdict": "identical"})
    out = capsys.readouterr().out
    for said in (f"runs/{name}/best.keras", f"not clean: {name}", f"runs/{name} on keras"):
        assert said in out
    assert f"run {name} again" in " ".join(out.split())


@pytest.mark.parametrize("name", ["$_$", "$x$", "a$"])
def test_charts(name):
    matrix = np.array([[2, 1], [0, 3]])
    for chart in (
        charts.confusion(matrix, [name, "background"]),
        charts.ranked({name: 1.0, "other": 2.0}, x="AP"),
        charts.bars([1, 2], [name, "other"], x="class", y="boxes"),
        charts.lines({name: ([0, 1], [0, 1]), "other": ([0, 1], [1, 0])}, x="recall"),
    ):
        assert f">{name}</text>" in chart


def test_powers_of_ten_beside_a_logarithmic_scale():
    points = {"agree": ([0, 1], [1e-6, 1e-4]), "differ": ([2], [1.0])}
    chart = charts.errors(points, limit=([0, 1, 2], [1e-3] * 3), x="layer", y="difference")
    for label in ("1e−06", "0.001", "1"):
        assert f">{label}</text>" in chart
    assert "$" not in chart
