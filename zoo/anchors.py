"""`python -m zoo.anchors data=…`: anchors that fit a data set."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from zoo.command import command
from zoo.config import plain


@command("anchors")
def main(cfg: DictConfig) -> None:
    """Find anchors, compare them with the model's, and print YAML to paste."""
    from hydra.core.hydra_config import HydraConfig

    from zoo.training.anchors import propose

    directory = Path(HydraConfig.get().runtime.output_dir)
    propose(plain(cfg), directory)
    print(f"run directory: {directory}")


if __name__ == "__main__":
    main()
