"""Whether the values of a training config mean something, asked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.data.training import check_augment
from zoo.errors import ZooError, nearest
from zoo.ranges import BELOW_ONE, PROBABILITY, SHARE, check_number, check_whole, is_in

#: Whole numbers, and the least of each.
WHOLE = {
    "batch_size": 1, "subdivisions": 1, "journal": 1, "checkpoint.keep": 1,
    "evaluation.every": 1, "evaluation.batch_size": 1,
}  # fmt: skip
#: … or null. No threads: batches are made where they are asked for.
WHOLE_OR_NULL = {
    "epochs": 1, "steps_per_epoch": 1, "patience": 1, "threads": 0,
    "evaluation.max_candidates": 1, "evaluation.max_detections": 1,
}  # fmt: skip
#: Keys below another that a run cannot do without; `checkpoint` has no others.
NEEDED = ("checkpoint.every", "checkpoint.keep", "evaluation.every")
#: Numbers from 0 to 1, or null.
SHARES = ("evaluation.score_threshold", "evaluation.iou_threshold")
#: NumPy takes no greater seed.
GREATEST_SEED = 2**32 - 1
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16", "float64")


def check_settings(cfg: Mapping[str, Any]) -> None:
    """Refuse at the start what the first epoch would stumble over, or ignore.

    Args:
        cfg: plain `conf/train.yaml`; a key that an older run lacks is not looked at.

    Raises:
        ZooError: names the key, its value and what fits.
    """
    below = {f"{g}.{k}": v for g in ("checkpoint", "evaluation") for k, v in cfg[g].items()}
    values = {**cfg, **below}
    for key in NEEDED:
        if key not in values:
            raise ZooError(f"a run needs {key}; leave ~{key} out")
    for key in cfg["checkpoint"]:
        if f"checkpoint.{key}" not in NEEDED:
            raise ZooError(f"checkpoint takes no {key!r}; {nearest(key, ('every', 'keep'))}")
    check_augment(cfg["augment"])
    for key, least in WHOLE.items():
        if key in values:
            check_whole(key, values[key], least=least)
    for key, least in WHOLE_OR_NULL.items():
        if values.get(key) is not None:
            check_whole(key, values[key], least=least)
    check_seed("seed", values["seed"])
    for key in SHARES:
        if values.get(key) is not None:
            check_number(key, values[key], SHARE)
    check_number("label_smoothing", values.get("label_smoothing", 0), BELOW_ONE)
    decay = values.get("ema")
    if decay is not None and not is_in(decay, PROBABILITY):
        raise ZooError(f"ema={decay}: must be a number between 0 and 1, as 0.9998; null is none")
    if cfg["precision"] not in PRECISIONS:
        raise ZooError(
            f"no precision {cfg['precision']!r}; {nearest(cfg['precision'], PRECISIONS)}"
        )
    if cfg["precision"] == "float64" and not _has_float64():
        raise ZooError("precision=float64: JAX has it where JAX_ENABLE_X64=true is set only")
    for name, callback in cfg["callbacks"].items():
        if not isinstance(callback, Mapping) or "_target_" not in callback:
            raise ZooError(
                f"callbacks.{name}={callback} must name its class, as in "
                f"callbacks.{name}._target_=keras.callbacks.CSVLogger"
            )


def check_seed(key: str, value: Any) -> None:
    """Refuse what seeds no generator.

    Raises:
        ZooError: it is no whole number from 0 to `GREATEST_SEED`.
    """
    check_whole(key, value, least=0)
    if value > GREATEST_SEED:
        raise ZooError(f"{key}={value}: must be at most {GREATEST_SEED}")


def _has_float64() -> bool:
    import keras  # for this one question: commands ask for settings before they need a backend

    if keras.backend.backend() != "jax":
        return True
    import jax

    return bool(jax.config.read("jax_enable_x64"))
