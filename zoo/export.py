"""`python -m zoo.export`: a detector with its NMS in one file that runs without Keras."""

from __future__ import annotations

import os
from pathlib import Path

from omegaconf import DictConfig

from zoo.command import command
from zoo.config import plain
from zoo.format.contract import check_precision, refuse_cfg
from zoo.signature import check_call


@command("export")
def main(cfg: DictConfig) -> None:
    """Export, and say what was written."""
    from hydra.core.hydra_config import HydraConfig

    settings = plain(cfg)
    preset, output = settings.pop("preset"), settings.pop("output")
    refuse_cfg(preset)
    given = {key: value for key, value in settings.items() if value is not None}
    from zoo.deployment.calibration import checked

    check_precision(given["format"], given["precision"])
    checked(given["calibration"], given["precision"])
    os.environ["KERAS_BACKEND"] = "tensorflow"  # which traces; weights are of no backend
    import zoo
    from zoo.deployment.exporting import export

    check_call("zoo.export", export, (None, None), given, {"preset": preset})
    detector = zoo.load(preset)
    directory = Path(HydraConfig.get().runtime.output_dir)
    target = Path(output) if output else directory / detector.name
    path = export(detector, target, preset=str(preset), **given)
    print(f"{detector.name} → {path}")


if __name__ == "__main__":
    main()
