"""`python -m zoo.browse data=…`: pictures of what training will see, and statistics of labels."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from zoo.command import command
from zoo.config import plain


@command("browse")
def main(cfg: DictConfig) -> None:
    """Draw the first samples of an epoch, and count the labels of the training split."""
    from hydra.core.hydra_config import HydraConfig

    from zoo.training.preview import browse

    directory = Path(HydraConfig.get().runtime.output_dir)
    browse(plain(cfg), directory)
    print(f"run directory: {directory}")


if __name__ == "__main__":
    main()
