import numpy as np
import pytest

from zoo.evaluation.run import _cut


@pytest.mark.parametrize(
    ("candidates", "count", "nms", "cut"),
    [
        pytest.param(9, 2, {"max_candidates": 8, "max_detections": 3}, 1, id="more to look at"),
        pytest.param(8, 2, {"max_candidates": 8, "max_detections": 3}, 0, id="all looked at"),
        pytest.param(9, 3, {"max_candidates": 8, "max_detections": 3}, 0, id="room for no other"),
        pytest.param(9, 2, {}, 0, id="an NMS without limits"),
    ],
)
def test_images_with_candidates_left(candidates, count, nms, cut):
    # The second image fills the batch up and does not count.
    outputs = {"candidates": np.array([candidates, 99]), "count": np.array([count, 0])}
    assert _cut(outputs, 1, nms) == cut
