"""No tensor of a compiled loss holds classes of every pair of a prediction and a truth."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from zoo.head.yolo import YoloHead
from zoo.loss.yolo import YoloLoss

HEAD = YoloHead(num_classes=20, anchors=[[9, 9], [30, 30]], masks={"P3": [0, 1]})
BATCH, SIDE, TRUTHS = 2, 10, 400
RAW = {"P3": np.zeros((BATCH, SIDE, SIDE, 50), "float32")}
TRUTH = {
    "boxes": np.zeros((BATCH, TRUTHS, 4), "float32"),
    "classes": np.zeros((BATCH, TRUTHS), "int32"),
}


def hlo(loss: Callable) -> str:
    """The program that XLA is given."""

    def total(truth: dict, raw: dict) -> Any:
        return sum(keras.ops.sum(part) for part in loss(truth, raw).values())

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(jax.grad(total, argnums=1)).lower(TRUTH, RAW).as_text(dialect="hlo")
    tf = pytest.importorskip("tensorflow")

    def gradient(truth: dict, raw: dict) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(raw)
            value = total(truth, raw)
        return tape.gradient(value, raw)

    truth, raw = (tf.nest.map_structure(tf.constant, arrays) for arrays in (TRUTH, RAW))
    return tf.function(gradient, jit_compile=True).experimental_get_compiler_ir(truth, raw)("hlo")


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="is not compiled")
@pytest.mark.parametrize(
    "options",
    [{}, {"truth_threshold": 0.7, "objectness_smooth": True}, {"gradient": "exact"}],
    ids=["darknet", "darknet with all its tests", "exact"],
)
def test_no_tensor_holds_classes_of_all_pairs(options):
    shapes = re.findall(r"\b[a-z]+\d*\[(\d+(?:,\d+)*)\]", hlo(YoloLoss(HEAD, **options)))
    largest = max(math.prod(int(side) for side in shape.split(",")) for shape in shapes)
    predictions = BATCH * SIDE * SIDE * 2
    # The program overlaps corners of all pairs, which XLA does not keep; 20 classes would be more.
    assert predictions * 25 <= largest <= predictions * TRUTHS * 4
