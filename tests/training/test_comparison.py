import pytest

from zoo.training.comparison import differences, interval, verdict, verdicts, worst


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


def test_a_study_has_means_and_compares_the_run_with_the_same_seed():
    runs = [{"AP": 0.5}, {"AP": 0.6}, {"AP": 0.7}]
    (row,) = verdicts({"AP": 0.5}, runs, tolerance=0.0).values()
    assert (row["now"], row["difference"], row["verdict"]) == (0.5, 0.0, "identical")
    assert row["mean"] == pytest.approx(0.6)
    assert row["interval"] == pytest.approx(4.303 * 0.1 / 3**0.5)


def test_one_run_has_no_spread():
    (row,) = verdicts({"AP": 0.5}, [{"AP": 0.1}], tolerance=0.005).values()
    assert row == {"before": 0.5, "now": 0.1, "difference": -0.4, "verdict": "not reproduced"}


def test_the_worst_verdict_is_the_one_on_the_whole():
    assert worst(["identical", "not reproduced", "within tolerance"]) == "not reproduced"
    assert worst(["identical", "within tolerance"]) == "within tolerance"


def test_differences_are_lines():
    before = {"python": "3.11", "packages": {"keras": "1", "jax": "2"}}
    now = {"python": "3.11", "packages": {"keras": "3", "torch": "4"}}
    assert differences(before, now) == [
        "packages.keras: 1 → 3", "packages.jax: 2 → none", "packages.torch: none → 4",
    ]  # fmt: skip
