"""`python -m zoo.train`: the main job; every key of `conf/train.yaml` is an override."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from zoo.config import command, plain


@command("train")
def main(cfg: DictConfig) -> float:
    """Train, evaluate, and return the validation AP, which a sweep maximises."""
    from hydra.core.hydra_config import HydraConfig

    from zoo.training.run import train

    return train(plain(cfg), Path(HydraConfig.get().runtime.output_dir))["AP"]


if __name__ == "__main__":
    main()
