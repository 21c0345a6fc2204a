"""`python -m zoo.verify`: the certificate that a model computes what Darknet computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from zoo.command import command
from zoo.config import plain
from zoo.errors import ZooError
from zoo.format.contract import refuse_exported


@command("verify")
def main(cfg: DictConfig) -> None:
    """Compare, write certificate.json and certificate.html, exit with 1 unless both agree."""
    from hydra.core.hydra_config import HydraConfig

    from zoo.data.sources import open_source
    from zoo.verification.page import write_page
    from zoo.verification.run import verify
    from zoo.verification.summary import print_summary

    settings = plain(cfg)
    directory = Path(HydraConfig.get().runtime.output_dir)
    detector, weights = _model(settings, directory)
    data = open_source(settings["data"], settings["split"]) if "data" in settings else None
    keys = ("cfg", "preset", "reference", "source", "image_size", "resize", "evaluation")
    found = verify(
        detector, weights=weights, data=data, progress=True, **{k: settings[k] for k in keys}
    )
    found.certificate.write(directory / "certificate.json")
    page = write_page(found, directory)
    print_summary(found.certificate)
    print(f"certificate: {page}")
    if not found.certificate.agrees:
        raise SystemExit(1)


def _model(settings: dict[str, Any], directory: Path) -> tuple[Any, Path]:
    """The detector, and the `.weights` file with the same weights."""
    import zoo
    from zoo import cards

    preset, weights = settings["preset"], settings["weights"]
    if preset is None:
        if weights is None:
            raise ZooError("weights=… is missing: the .weights file of the cfg, or a preset=…")
        names = settings["class_names"]
        return zoo.load(settings["cfg"], weights=weights, class_names=names), Path(weights)
    named = cards.preset_called(preset) is not None
    for key in ("class_names",) if named else ("weights", "class_names"):
        if settings[key] is not None:
            raise ZooError(f"{key}={settings[key]}: preset={preset} has its own; leave it out")
    if not named:
        refuse_exported("preset", preset, "layers to compare")
        from zoo.darknet.weights import save_weights
        from zoo.detector import Detector

        detector, path = zoo.load(preset), directory / "model.weights"
        if not isinstance(detector, Detector):
            raise ZooError(
                f"preset={preset} is a classifier: zoo.verify compares detectors, with [yolo]"
            )
        save_weights(detector, path)
        # In float32, as Darknet computes.
        exact = Detector(detector.cfg, detector.class_names, name=detector.name)
        exact.set_weights(detector.get_weights())
        return exact, path
    card = cards.card(preset)
    from zoo.verification.architecture import check_name

    check_name(preset, card["model"])
    path = Path(weights) if weights else cards.weights_file(card)
    return cards.loaded(card, path), path


if __name__ == "__main__":
    main()
