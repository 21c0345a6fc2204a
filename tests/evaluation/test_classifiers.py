"""`zoo.evaluate` of what has no boxes."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from zoo.classifier import BackboneClassifier
from zoo.darknet.classifier import Classifier
from zoo.data.sources.shapes import Shapes
from zoo.errors import ZooError
from zoo.evaluation.run import evaluate

TINY = {
    "name": "tiny", "image_size": [64, 64], "resize": "stretch",
    "backbone": {"name": "cspdarknet_tiny", "stem": 4, "widths": [4, 8, 8]},
}  # fmt: skip
CFG = """[net]
width=8
height=8
channels=3

[convolutional]
filters=3
size=1
activation=linear

[avgpool]

[softmax]
"""


def test_a_classifier_gets_top1_and_top5_from_the_command(tmp_path):
    """Three ants and a bee, and a classifier that says ant."""
    for name, count in (("ant", 3), ("bee", 1)):
        for split in ("train", "val"):
            (tmp_path / "data" / split / name).mkdir(parents=True)
            for number in range(count):
                file = tmp_path / "data" / split / name / f"{number}.png"
                cv2.imwrite(str(file), np.zeros((40, 50, 3), np.uint8))
    model = BackboneClassifier(TINY, ["ant", "bee"])
    dense = model.get_layer("classes")
    dense.set_weights([np.zeros(dense.kernel.shape), np.array([1.0, 0.0])])
    model.save(tmp_path / "best.keras")
    done = subprocess.run(
        [sys.executable, "-m", "zoo.evaluate", f"preset={tmp_path / 'best.keras'}", "data=folders",
         f"data.root={tmp_path / 'data'}", "evaluation.image_size=[96,64]",
         f"hydra.run.dir={tmp_path / 'out'}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    scores = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert scores == {"top1": 0.75, "top5": 1.0}
    assert "top1" in done.stdout and "0.7500" in done.stdout
    assert "0.75" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(lambda: Classifier({"name": "net", "backbone": {"text": CFG}}, list("abc")),
                     id="of Darknet"),
        pytest.param(lambda: BackboneClassifier(TINY, list("abc")), id="of a backbone"),
    ],
)  # fmt: skip
def test_a_model_without_boxes_has_no_average_precision(model):
    with pytest.raises(ZooError, match="Classifier, whose images have no boxes to evaluate; give"):
        evaluate(model(), Shapes(split="val", images=2, held_out=2, size=(64, 64)))
