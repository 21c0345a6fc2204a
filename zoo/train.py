"""`python -m zoo.train`: the main job; every key of `conf/train.yaml` is an override."""

from __future__ import annotations

import sys
from pathlib import Path

from omegaconf import DictConfig

from zoo.backend import import_keras
from zoo.command import command, is_job_of_sweep
from zoo.config import plain


@command("train")
def main(cfg: DictConfig) -> float:
    """Train, evaluate, and return the validation AP or top-1, which a sweep maximises."""
    from hydra.core.hydra_config import HydraConfig

    from zoo.training import determinism
    from zoo.training.interruption import Interrupted

    settings = plain(cfg)
    determinism.prepare(settings["deterministic"])
    import_keras()
    from zoo.training.resumption import check_place, stored_config
    from zoo.training.run import train
    from zoo.training.sweep import turn
    from zoo.training.task import task_of

    hydra = HydraConfig.get()
    if settings["resume"] is None and is_job_of_sweep(hydra):
        settings["resume"] = "auto"
    if settings["resume"] not in (None, "auto"):
        settings["resume"] = str(Path(hydra.runtime.cwd) / settings["resume"])
        check_place(settings["resume"], Path(hydra.runtime.output_dir))
        settings = stored_config(settings, list(hydra.overrides.task))
    try:
        with turn(hydra):
            metrics = train(settings, Path(hydra.runtime.output_dir))
            return metrics[task_of(settings).headline]
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        raise SystemExit(stop.status) from stop
    except KeyboardInterrupt as stop:
        print("stopped without saving; what was saved before is whole", file=sys.stderr)
        raise SystemExit(130) from stop


if __name__ == "__main__":
    from zoo.training.resumption import in_place

    sys.argv[1:] = in_place(sys.argv[1:])
    main()
