import statistics

import pytest

from zoo.training.comparison import changes, interval, spread, verdict, verdicts, worst


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(0.5, 0.5, "identical", id="the same bits"),
        pytest.param(0.5, 0.5 + 1e-12, "within tolerance", id="almost is not identical"),
        pytest.param(0.5, 0.504, "within tolerance", id="a little better"),
        pytest.param(0.5, 0.494, "not reproduced", id="6e-3 worse"),
        pytest.param(0.5, 0.506, "not reproduced", id="better is not reproduced either"),
    ],
)
def test_verdict(before, now, expected):
    assert verdict(before, now, tolerance=0.005) == expected


def test_interval_by_hand():
    # Mean 2, standard deviation 1, t(0.975, 2) = 4.303: 4.303 / √3.
    assert interval([1, 2, 3]) == pytest.approx(4.303 / 3**0.5)


@pytest.mark.parametrize(
    ("count", "quantile"), [(2, 12.706), (21, 2.086), (22, 2.0796), (31, 2.0423)]
)
def test_the_quantile_is_that_of_one_freedom_less_than_values(count, quantile):
    values = [0.0] * (count - 1) + [1.0]
    expected = quantile * statistics.stdev(values) / count**0.5
    assert interval(values) == pytest.approx(expected, rel=2e-4)


def test_a_study_has_means_and_compares_the_run_with_the_same_seed():
    runs = [{"AP": 0.5}, {"AP": 0.6}, {"AP": 0.7}]
    (row,) = verdicts({"AP": 0.5}, runs, tolerance=0.0).values()
    assert (row["now"], row["difference"], row["verdict"]) == (0.5, 0.0, "identical")
    assert row["mean"] == pytest.approx(0.6)
    assert row["interval"] == pytest.approx(4.303 * 0.1 / 3**0.5)


def test_spread_by_hand():
    # One more of n = 3: 4.303 · 1 · √(1 + 1/3).
    assert spread([1, 2, 3]) == pytest.approx(4.303 * (4 / 3) ** 0.5)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        # Mean 0.52, standard deviation 0.02: ± 4.303 · 0.02 · √(4/3) = 0.0994.
        pytest.param(0.50, "identical", id="the seed of the run"),
        pytest.param(0.504, "within tolerance", id="within the tolerance of the first"),
        pytest.param(0.61, "within tolerance", id="as far from the mean as a seed may be"),
        pytest.param(0.63, "not reproduced", id="farther than seeds are apart"),
        pytest.param(0.41, "not reproduced", id="farther below"),
    ],
)
def test_the_spread_of_seeds_counts(before, expected):
    runs = [{"AP": 0.50}, {"AP": 0.52}, {"AP": 0.54}]
    (row,) = verdicts({"AP": before}, runs, tolerance=0.005).values()
    assert row["verdict"] == expected
    assert row["spread"] == pytest.approx(0.0994, abs=1e-4)


def test_one_run_has_no_spread():
    (row,) = verdicts({"AP": 0.5}, [{"AP": 0.1}], tolerance=0.005).values()
    assert row == {"before": 0.5, "now": 0.1, "difference": -0.4, "verdict": "not reproduced"}


def test_the_worst_verdict_is_the_one_on_the_whole():
    assert worst(["identical", "not reproduced", "within tolerance"]) == "not reproduced"
    assert worst(["identical", "within tolerance"]) == "within tolerance"


def test_changes_are_lines():
    before = {"python": "3.11", "packages": {"keras": "1", "jax": "2"}}
    now = {"python": "3.11", "packages": {"keras": "3", "torch": "4"}}
    assert changes(before, now) == [
        "packages.keras: 1 → 3", "packages.jax: 2 → none", "packages.torch: none → 4",
    ]  # fmt: skip
