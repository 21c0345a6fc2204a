"""batches.png: the first samples of a run, whatever else was drawn before."""

import cv2
import numpy as np
import pytest

from zoo.data.sources.shapes import Shapes
from zoo.training.preview import save_first_batches


def config(seed):
    return {
        "image_size": [64, 96], "batch_size": 4, "epochs": 2, "seed": seed,
        "model": {"head": {"masks": {"P4": [0], "P5": [1]}}},
        "augment": {"transforms": [{"name": "flip"}]},
        "data": {"max_boxes": 10, "cache_mb": 1},
    }  # fmt: skip


def written(path, seed=0):
    source = Shapes(split="train", images=8, held_out=2, size=(64, 64), seed=1)
    save_first_batches(config(seed), source, path, steps=2)
    return path.read_bytes()


def test_a_function_of_the_seed_alone(tmp_path):
    first = written(tmp_path / "a.png")
    np.random.default_rng().random(3)
    assert written(tmp_path / "b.png") == first
    assert written(tmp_path / "c.png", seed=1) != first
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["a.png", "b.png", "c.png"]


def test_twelve_samples_in_rows_of_four_with_boxes(tmp_path):
    written(tmp_path / "a.png")
    sheet = cv2.imread(str(tmp_path / "a.png"))
    # A sample of 64×96 is drawn 213×320, with 4 pixels of white between two.
    assert sheet.shape == (3 * 217, 4 * 324, 3)
    assert (sheet[213:217] == 255).all() and (sheet[:, 320:324] == 255).all()


def test_what_is_there_is_of_the_run_that_goes_on(tmp_path):
    (tmp_path / "a.png").write_bytes(b"of before")
    assert written(tmp_path / "a.png") == b"of before"


@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_of_the_global_generators_is_used(tmp_path, seed):
    before = np.random.get_state()[1].copy()
    written(tmp_path / "a.png", seed)
    assert (np.random.get_state()[1] == before).all()
