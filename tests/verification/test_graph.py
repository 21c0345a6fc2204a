"""A concatenation of all parts of a split, in order, takes what was split; no other one does."""

import keras
import pytest
from keras import ops

from zoo.verification.graph import Graph


class Parts:
    """A backbone that splits and joins; neck and head hand on."""

    def __init__(self, join):
        images = keras.Input((4, 4, 6))
        features = ops.relu(images)
        joined = join(features, ops.split(features, 2, axis=-1))
        between, raw = (keras.Input((None, None, None), name="P5") for _ in range(2))
        self.features, self.joined = features, joined
        self._layers = {
            "backbone": keras.Model(images, {"P5": joined}),
            "neck": keras.Model({"P5": between}, {"P5": ops.relu(between)}),
            "head": keras.Model({"P5": raw}, {"P5": ops.relu(raw)}),
        }

    def get_layer(self, name):
        return self._layers[name]


def concatenate(*tensors, axis=-1):
    return ops.concatenate(tensors, axis=axis)


@pytest.mark.parametrize(
    ("join", "wholes", "takes"),
    [
        pytest.param(lambda x, p: concatenate(*p, x), 2, True, id="in front"),
        pytest.param(lambda x, p: concatenate(x, *p, x), 3, True, id="in the middle"),
        pytest.param(lambda x, p: concatenate(p[1], p[0], x), 2, False, id="in another order"),
        pytest.param(lambda x, p: concatenate(p[1], x), 2, False, id="one is missing"),
        pytest.param(lambda x, p: concatenate(*p, axis=1), 1, False, id="along another axis"),
    ],
)
def test_what_a_concatenation_takes(join, wholes, takes):
    parts = Parts(join)
    found = Graph(parts).find("Concatenate", [parts.features] * wholes)
    assert (found is not None) == takes
    assert not takes or found.outputs[0] is parts.joined
