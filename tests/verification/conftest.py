"""The two tiny presets with their real weights, built once."""

import pytest

import zoo
from zoo import cards
from zoo.darknet.weights import load_weights

CFGS = {"yolov4-tiny": "yolov4-tiny.cfg", "yolov3-tiny": "yolov3-tiny-mask123.cfg"}


@pytest.fixture(scope="package")
def tiny(oracle_dir):
    """name → (detector, cfg, weights)."""
    found = {}
    for name, cfg in CFGS.items():
        card = cards.card(f"{name}-coco")
        detector = zoo.build(card["model"], cards.class_names(card))
        weights = oracle_dir / "weights" / f"{name}.weights"
        load_weights(detector, weights)
        found[name] = (detector, oracle_dir / "cfg" / cfg, weights)
    return found
