"""Charts that names of any length leave room for."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from zoo.report.charts import confusion


@pytest.mark.parametrize("letter", ["a", "W"])
def test_long_names_leave_room_for_the_confusions(monkeypatch, letter):
    figures = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *a, **k: (figures.append(figure), save(figure, *a, **k))
    )
    confusion(np.eye(2, dtype=int), ["short", letter * 80])  # Matplotlib's warning is an error
    (axes,) = figures[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["short", f"{letter * 31}…"]
    assert axes.get_position().width * figures[0].get_figwidth() > 0.8  # inches
