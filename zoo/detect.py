"""`python -m zoo.detect`: annotated pictures and detections.json from a file, folder or pattern."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from zoo.command import command
from zoo.config import plain
from zoo.data.image import SUFFIXES
from zoo.errors import ZooError


@command("detect")
def main(cfg: DictConfig) -> None:
    """Detect, draw, and list what was found; pictures that cannot be read come last."""
    from hydra.core.hydra_config import HydraConfig
    from rich.progress import track

    import zoo
    from zoo.data.image import read_image
    from zoo.evaluation.pictures import draw, write_picture
    from zoo.inference import detect, pictures

    settings = plain(cfg)
    directory = Path(HydraConfig.get().runtime.output_dir)
    source, preset = settings.pop("source"), settings.pop("preset")
    runtime, precision = settings.pop("runtime"), settings.pop("precision")
    _say_passed_over(source)
    found = pictures(source)
    if runtime == "keras" and precision != "float32":
        raise ZooError(
            f"precision={precision} is of an exported model, not of runtime=keras; add runtime=auto"
        )
    if runtime != "keras":
        from zoo.runtimes import exported

        preset = exported(preset, runtime=runtime, precision=precision, **settings)
    # One bad picture of many does not cost the others; alone it is an error.
    unread: list[ZooError] = []
    unreadable = unread.append if len(found) > 1 else None
    results = detect(_light(zoo.load(preset)), source, unreadable=unreadable, **settings)
    records = []
    for number, (name, detections) in enumerate(
        track(results, "detecting", total=len(found), transient=True)
    ):
        drawn = draw(read_image(Path(name)), detections)
        # Files of one name from several folders must not overwrite each other.
        picture = directory / f"{number:04d}-{_short(Path(name).stem)}.png"
        write_picture(picture, drawn)
        records.append(_record(name, detections))
        print(f"{name}: {_summary(detections)} → {picture}")
    (directory / "detections.json").write_text(json.dumps(records, indent=1) + "\n")
    print(f"run directory: {directory}")
    for error in unread:
        print(f"warning: {error}", file=sys.stderr)
    if unread:
        raise ZooError(f"{len(unread)} of {len(found)} pictures could not be read, see above")


def _say_passed_over(source: Any) -> None:
    """Name what a folder has besides pictures: folders, and files of other formats."""
    if not isinstance(source, str) or not os.path.isdir(source) or not os.access(source, os.R_OK):
        return
    others = [
        entry.name
        for entry in sorted(Path(source).iterdir())
        if entry.is_dir() or entry.suffix.lower() not in SUFFIXES
    ]
    if others:
        print(
            f"warning: {source}: {len(others)} files or folders are passed over; the first is "
            f"{others[0]}; source='{source}/**/*.jpg' looks into folders",
            file=sys.stderr,
        )


def _short(stem: str) -> str:
    """What a file name of at most 255 bytes has room for, without bytes that are no Unicode."""
    return os.fsencode(stem)[:200].decode("utf-8", "ignore")


def _light(detector: Any) -> Any:
    """A detector of Keras with its batch normalisation folded; an exported one has it so."""
    from zoo.exported import ExportedDetector

    if isinstance(detector, ExportedDetector):
        return detector
    from zoo.deployment.fold import fold
    from zoo.detector import Detector

    return fold(detector) if isinstance(detector, Detector) else detector


def _record(name: str, detections: Any) -> dict[str, Any]:
    rows = zip(
        detections.xyxy.tolist(),
        detections.confidence.tolist(),
        detections.class_id.tolist(),
        detections.data["class_name"].tolist(),
        strict=True,
    )
    keys = ("xyxy", "score", "class_id", "class_name")
    return {"file": name, "detections": [dict(zip(keys, row, strict=True)) for row in rows]}


def _summary(detections: Any) -> str:
    from zoo.evaluation.pictures import named_scores

    found = ", ".join(f"{name} {score:.2f}" for name, score in named_scores(detections))
    return found or "nothing found"


if __name__ == "__main__":
    main()
