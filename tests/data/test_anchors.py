import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.data.anchors import centred_iou, evolve, fit_of, kmeans


@pytest.mark.parametrize(
    ("box", "anchor", "expected"),
    [
        pytest.param((10, 20), (10, 20), 1.0, id="equal"),
        pytest.param((10, 10), (20, 20), 1 / 4, id="inside: a quarter of the area"),
        pytest.param((10, 20), (20, 10), 1 / 3, id="crossed: 100 of 300"),
    ],
)
def test_centred_iou(box, anchor, expected):
    assert centred_iou([box], [anchor]).tolist() == [[pytest.approx(expected)]]


def test_fit_by_hand():
    """Boxes 10×10, 20×20, 50×10, anchor 10×10: IoU 1, 1/4, 1/5; the last is five times as wide."""
    found = fit_of([(10, 10), (20, 20), (50, 10)], [(10, 10)])
    assert found.average_iou == pytest.approx((1 + 1 / 4 + 1 / 5) / 3)
    assert found.recall == pytest.approx(2 / 3) and found.recall50 == pytest.approx(1 / 3)
    assert found.boxes == 3
    assert fit_of(np.zeros((0, 2)), [(1, 1)]).recall == 1


@pytest.mark.parametrize(
    ("box", "recall", "recall50"),
    [
        pytest.param((20, 10), 1, 1, id="an IoU of one half is enough"),
        pytest.param((39, 10), 1, 0, id="almost four times as wide"),
        pytest.param((40, 10), 0, 0, id="four times as wide is too much"),
        pytest.param((10, 2.5), 0, 0, id="as is a quarter as high"),
    ],
)
def test_limits_of_a_fit(box, recall, recall50):
    found = fit_of([box], [(10, 10)])
    assert (found.recall, found.recall50) == (recall, recall50)


@pytest.mark.parametrize("seed", range(5))
def test_kmeans_starts_from_boxes_that_differ(seed):
    # Of three equal centres two would share the boxes, and the third never get one.
    wh = [(10, 10)] * 99 + [(40, 40), (90, 90)]
    found = kmeans(wh, 3, np.random.default_rng(seed))
    assert found.tolist() == [[10, 10], [40, 40], [90, 90]]


class Chosen:
    """The first centres, as rows of the distinct boxes."""

    def __init__(self, *rows):
        self.rows = list(rows)

    def choice(self, number, clusters, replace):
        return self.rows


def test_a_centre_that_loses_all_its_boxes_stays():
    # 7×5 has 3×10 too, and is 5×7.5 then: 7×5 prefers 9×7, 35/63 to 25/47.5, and 3×10 the mean of
    # 6×19 and 1×14, 30/57.75 to 22.5/45.
    wh = [(1, 14), (3, 10), (6, 19), (7, 5), (9, 7)]
    found = kmeans(wh, 3, Chosen(3, 4, 2))
    np.testing.assert_allclose(found, [(5, 7.5), (10 / 3, 43 / 3), (8, 6)])


@pytest.mark.parametrize("clusters", [6, 9])
def test_kmeans_is_as_good_as_darknets(oracle_dir, clusters):
    wh = np.load(oracle_dir / "anchors" / "wh.npz")["wh"]
    golden = json.loads((oracle_dir / "anchors" / "kmeans.json").read_text())["k"][str(clusters)]
    for seed in range(3):
        anchors = kmeans(wh, clusters, np.random.default_rng(seed))
        assert fit_of(wh, anchors).average_iou >= golden["avg_iou_min"] - 0.005
        assert (np.diff(anchors.prod(1)) >= 0).all()


def test_the_measure_is_darknets(oracle_dir):
    wh = np.load(oracle_dir / "anchors" / "wh.npz")["wh"]
    golden = json.loads((oracle_dir / "anchors" / "kmeans.json").read_text())["k"]
    for run in golden["9"]["runs"] + golden["6"]["runs"]:
        assert fit_of(wh, run["anchors"]).average_iou == pytest.approx(run["avg_iou"], abs=1e-5)


def test_kmeans_finds_groups_that_are_far_apart():
    rng = np.random.default_rng(0)
    groups = np.array([(10, 10), (100, 20), (20, 200), (300, 300)])
    wh = np.concatenate([group * rng.uniform(0.95, 1.05, (50, 2)) for group in groups])
    found = [kmeans(wh, 4, np.random.default_rng(seed)) for seed in range(8)]
    best = max(found, key=lambda anchors: fit_of(wh, anchors).average_iou)
    np.testing.assert_allclose(best, groups[[0, 1, 2, 3]], rtol=0.03)


@given(seed=st.integers(0, 999), count=st.integers(3, 40), clusters=st.integers(1, 3))
def test_refinement_is_never_worse(seed, count, clusters):
    rng = np.random.default_rng(seed)
    wh = rng.uniform(1, 300, (count, 2))
    start = kmeans(wh, clusters, rng)
    better = evolve(wh, start, rng, generations=20)
    assert np.isfinite(better).all() and (better > 0).all()
    assert fit_of(wh, better).average_iou >= fit_of(wh, start).average_iou


def test_refinement_sorts_by_area():
    start = [[30, 30], [10, 20]]
    better = evolve([(10, 20), (30, 30)], start, np.random.default_rng(0), generations=3)
    assert better.tolist() == [[10, 20], [30, 30]]  # which nothing betters


def test_refinement_mends_a_bad_start():
    wh = np.full((20, 2), (50.0, 80.0))
    better = evolve(wh, [[20.0, 20.0]], np.random.default_rng(0), generations=500)
    assert fit_of(wh, [[20, 20]]).average_iou == pytest.approx(0.1)
    assert fit_of(wh, better).average_iou > 0.95


def test_a_fit_is_that_of_all_parts(monkeypatch):
    boxes, anchors = np.random.default_rng(0).uniform(1, 99, (50, 2)), [(9, 20), (50, 40)]
    whole = fit_of(boxes, anchors)
    monkeypatch.setattr("zoo.data.anchors.BLOCK", 7)
    assert fit_of(boxes, anchors) == whole
