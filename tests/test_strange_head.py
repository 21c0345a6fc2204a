"""A head of somebody else: without anchors and `masks`, decoded after a look at what it gives."""

import keras
import numpy as np
import pytest
from keras import ops

from zoo import config
from zoo.darknet.file import Header, write_weights
from zoo.darknet.order import convolutions
from zoo.darknet.weights import initialise, save_weights, slots
from zoo.data.sources import open_source
from zoo.data.training import training_samples
from zoo.detector import Detector
from zoo.errors import PartFailed, ZooError
from zoo.model_card.facts import _architecture
from zoo.registry import HEADS, LOSSES

NARROW = ["+model.backbone.stem=4", "+model.backbone.widths=[4,8,8]"]


class Centre:
    """One box a cell of P5, its entries squashed."""

    def __init__(self, *, num_classes):
        self.num_classes = num_classes

    def __call__(self, pyramid):
        return {"P5": keras.layers.Conv2D(4 + self.num_classes, 1)(pyramid["P5"])}

    def decode(self, raw):
        rows = ops.reshape(raw["P5"], (ops.shape(raw["P5"])[0], -1, 4 + self.num_classes))
        rows = ops.sigmoid(rows)
        return rows[..., :4], rows[..., 4:]


@pytest.fixture
def acme(monkeypatch):
    """Puts a head in place of `acme`, of the distribution zoo-acme."""

    def put(head):
        monkeypatch.setitem(HEADS._listed, "acme", [("zoo_acme:head", "zoo-acme")])
        monkeypatch.setitem(HEADS._registered, "acme", head)

    put(Centre)
    return put


def model_cfg(**changes):
    cfg = config.plain(config.compose("model/yolov4_tiny", NARROW))["model"]
    del cfg["loss"]
    return {**cfg, "head": {"name": "acme"}, "image_size": [64, 64], **changes}


def test_it_is_decoded(acme):
    found = Detector(model_cfg(), ["a", "b"]).predictor().predict_on_batch(np.ones((1, 64, 64, 3)))
    assert found["boxes"].shape[0] == 1


def gives(change):
    def decode(self, raw):
        return change(*Centre.decode(self, raw))

    return type("Odd", (Centre,), {"decode": decode})


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        pytest.param(gives(lambda boxes, scores: (boxes, scores[..., :1])),
                     r"float32 \(1, 4, 4\), float32 \(1, 4, 1\) for one image, not boxes .*n, 2\)",
                     id="one class of two"),
        pytest.param(gives(lambda boxes, scores: (boxes[:, 1:], scores)),
                     r"decode gives float32 \(1, 3, 4\), float32 \(1, 4, 2\)", id="uneven"),
        pytest.param(gives(lambda boxes, scores: boxes), "decode gives a .*Tensor for", id="boxes"),
        pytest.param(gives(lambda boxes, scores: (boxes, ops.cast(scores, "float16"))),
                     "float16", id="half"),
        pytest.param(type("Odd", (Centre,), {"decode": None}), r"gives a Odd without a method dec",
                     id="none"),
    ],
)  # fmt: skip
def test_what_its_decode_gives_is_looked_at(acme, head, sentence):
    acme(head)
    detector = Detector(model_cfg(), ["a", "b"])
    with pytest.raises(ZooError, match=f"^head 'acme' of zoo-acme.* {sentence}"):
        detector.predictor()


def test_a_decode_that_fails_is_its_authors(acme):
    acme(gives(lambda boxes, scores: {}["P4"]))
    with pytest.raises(PartFailed, match=r"^head 'acme' of zoo-acme: its decode failed: Key"):
        Detector(model_cfg(), ["a", "b"]).predictor()


def test_a_file_of_first_layers_fills_the_backbone_under_it(acme, tmp_path):
    ours, other = (Detector(model_cfg(), ["a", "b"]) for _ in range(2))
    layers = convolutions(ours.get_layer("backbone"))
    file = tmp_path / "tiny.conv.29"
    write_weights(file, Header(), (slot.array() for layer in layers for slot in slots(layer)))
    total = len(layers) + len(convolutions(ours.get_layer("neck")))
    told = f"loaded the first {len(layers)} of {total} layers with weights"
    assert initialise(other, file) == told
    kernels = [
        convolutions(model.get_layer("backbone"))[-1].convolution.kernel for model in (ours, other)
    ]
    np.testing.assert_array_equal(*kernels)


def test_what_is_of_darknets_heads_says_so(acme, tmp_path):
    detector = Detector(model_cfg(), ["a", "b"])
    with pytest.raises(ZooError, match="head 'acme' of zoo-acme has no `masks`, so that yolov4_t"):
        save_weights(detector, tmp_path / "a.weights")
    for name in ("yolo", "scaled"):
        with pytest.raises(ZooError, match="heads with anchors and `masks`, which Centre has not"):
            Detector(model_cfg(loss={"name": name}), ["a", "b"])
    assert _architecture(detector, "acme")["levels"] == ["P5"]


def test_a_loss_that_is_none_is_named(acme):
    sentence = "loss 'nothing' gives a NoneType, not an object to call"
    cfg = model_cfg(loss={"name": "nothing"})
    with LOSSES.temporarily("nothing", lambda head: None), pytest.raises(ZooError, match=sentence):
        Detector(cfg, ["a", "b"])


def test_training_knows_the_stride_of_the_model_that_is_built():
    words = ["data=shapes", "data.images=8", "data.held_out=2", "augment.scales=[0.75]"]
    cfg = config.plain(config.compose("train", [*words, "image_size=64"]))
    cfg = {**cfg, "model": {**cfg["model"], "head": {"name": "acme"}}}
    source = open_source(cfg["data"], "train")
    assert training_samples(cfg, source, steps=1).sizes == [(64, 64)]  # 48 → two of 32
    assert training_samples(cfg, source, steps=1, stride=16).sizes == [(48, 48)]
    with pytest.raises(ZooError, match="must be multiples of 128"):
        training_samples(cfg, source, steps=1, stride=128)
