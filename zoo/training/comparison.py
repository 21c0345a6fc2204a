"""Two runs side by side: what differs around them, and whether their numbers agree."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.nested import differences

IDENTICAL, WITHIN, NOT = "identical", "within tolerance", "not reproduced"
#: Two-sided 95 % quantiles of Student's t with 1, 2, … degrees of freedom.
STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)  # fmt: skip
#: That of the normal distribution.
NORMAL = 1.959964


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """`key: value before → value now` of all that differs between two nested mappings."""
    return [f"{key}: {_said(a)} → {_said(b)}" for key, a, b in differences(before, now)]


def _said(value: Any) -> str:
    return "none" if value is None else str(value)


def verdict(before: float, now: float, *, tolerance: float) -> str:
    """Whether a number came out again.

    Args:
        before: the number to reproduce.
        now: what came out.
        tolerance: greatest difference that counts as reproduced.
    """
    if before == now:
        return IDENTICAL
    return WITHIN if abs(before - now) <= tolerance else NOT


def verdicts(
    before: Mapping[str, float], runs: Sequence[Mapping[str, float]], *, tolerance: float
) -> dict[str, dict[str, Any]]:
    """For each metric its value before and in the runs, their spread and the verdict.

    Of several runs the spread counts too: a number is reproduced as well where another run with
    another seed would be as far from their mean.

    Args:
        before: the metrics to reproduce.
        runs: metrics of the runs; the first has the seed of the run to reproduce, if one has.
        tolerance: greatest difference between before and the first that counts as reproduced.

    Returns:
        metric → `{"before", "now", "difference", "verdict"}`, and from two runs on also `"mean"`,
        `"interval"` and `"spread"`: half the widths of the 95 % confidence interval of the mean,
        and of the 95 % prediction interval of one more run.
    """
    table = {}
    for name, value in before.items():
        values = [metrics[name] for metrics in runs]
        table[name] = {
            "before": value,
            "now": values[0],
            "difference": values[0] - value,
            "verdict": verdict(value, values[0], tolerance=tolerance),
        }
        if len(values) > 1:
            mean = statistics.fmean(values)
            table[name] |= {"mean": mean, "interval": interval(values), "spread": spread(values)}
            if table[name]["verdict"] == NOT and abs(value - mean) <= spread(values):
                table[name]["verdict"] = WITHIN
    return table


def interval(values: Sequence[float]) -> float:
    """Half the width of the 95 % confidence interval of the mean, by Student's t."""
    freedom, z = len(values) - 1, NORMAL
    if freedom <= len(STUDENT):
        quantile = STUDENT[freedom - 1]
    else:  # two terms of its expansion in 1 / freedom, right to 0.0003 by then
        quantile = z + (z**3 + z) / (4 * freedom)
        quantile += (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return quantile * statistics.stdev(values) / math.sqrt(len(values))


def spread(values: Sequence[float]) -> float:
    """Half the width of the 95 % prediction interval of one more value, by Student's t.

    √(1 + n) of `interval`: the mean is uncertain, and so is the value.
    """
    return interval(values) * math.sqrt(1 + len(values))


def worst(found: Sequence[str]) -> str:
    """The verdict on the whole."""
    return max(found, key=(IDENTICAL, WITHIN, NOT).index)
