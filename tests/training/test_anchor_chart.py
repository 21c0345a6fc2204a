"""How proposed anchors are drawn."""

import numpy as np
from matplotlib.figure import Figure

from zoo.training.anchors import _draw


def test_the_axes_have_few_plain_labels(monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    _draw(np.array([[10.0, 12.0], [300.0, 280.0]]), [], np.array([[20, 30]]), tmp_path / "a.png")
    drawn[0].draw_without_rendering()
    (axes,) = drawn[0].axes
    for axis in (axes.xaxis, axes.yaxis):
        ends = axis.get_view_interval()
        shown = [
            tick.label1.get_text() for minor in (False, True)
            for tick in (axis.get_minor_ticks() if minor else axis.get_major_ticks())
            if ends[0] <= tick.get_loc() <= ends[1] and tick.label1.get_text()
        ]  # fmt: skip
        assert shown == ["16", "32", "64", "128", "256"]
