"""`python -m zoo.detect`: what is found in pictures or a video, drawn and as JSON."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from zoo.command import command
from zoo.config import plain
from zoo.data.image import SUFFIXES
from zoo.errors import ZooError
from zoo.format.contract import refuse_cfg
from zoo.ranges import check_whole

if TYPE_CHECKING:
    import numpy as np

    from zoo.video import Video


@command("detect")
def main(cfg: DictConfig) -> None:
    """Detect, draw, and list what was found."""
    from hydra.core.hydra_config import HydraConfig

    import zoo
    from zoo.inference import pictures
    from zoo.video import Video, is_video

    settings = plain(cfg)
    directory = Path(HydraConfig.get().runtime.output_dir)
    source, preset = settings.pop("source"), settings.pop("preset")
    runtime, precision = settings.pop("runtime"), settings.pop("precision")
    refuse_cfg(preset)
    if isinstance(source, str) and source.isdecimal() and not Path(source).exists():
        source = int(source)  # a camera; of names a command makes texts
    frames = settings.pop("frames")
    if frames is not None:
        check_whole("frames", frames, least=1)
        if not is_video(source):
            raise ZooError(f"frames={frames} goes with a video; source={source} is none")
    _say_passed_over(source)
    # What is not there is said before the model is loaded.
    found = Video(source) if is_video(source) else pictures(source)
    if runtime == "keras" and precision != "float32":
        raise ZooError(
            f"precision={precision} is of an exported model, not of runtime=keras; add runtime=auto"
        )
    if runtime == "keras":
        detector = _light(zoo.load(preset))
    else:
        from zoo.runtimes import loaded

        detector = loaded(preset, runtime=runtime, precision=precision, **settings)
    if isinstance(found, Video):
        _video(detector, found, directory, frames, settings)
    else:
        _pictures(detector, source, len(found), directory, settings)


def _pictures(
    detector: Any, source: Any, number: int, directory: Path, settings: dict[str, Any]
) -> None:
    """A drawn picture of each, and detections.json; those that cannot be read come last."""
    from rich.progress import track

    from zoo.data.image import read_image
    from zoo.evaluation.pictures import draw, write_picture
    from zoo.inference import detect

    # One bad picture of many does not cost the others; alone it is an error.
    unread: list[ZooError] = []
    unreadable = unread.append if number > 1 else None
    results = detect(detector, source, unreadable=unreadable, **settings)
    records = []
    for index, (name, detections) in enumerate(
        track(results, "detecting", total=number, transient=True)
    ):
        drawn = draw(read_image(Path(name)), detections)
        # Files of one name from several folders must not overwrite each other.
        picture = directory / f"{index:04d}-{_short(Path(name).stem)}.png"
        write_picture(picture, drawn)
        records.append({"file": name, "detections": _rows(detections)})
        print(f"{name}: {_summary(detections)} → {picture}")
    (directory / "detections.json").write_text(json.dumps(records, indent=1) + "\n")
    print(f"run directory: {directory}")
    for error in unread:
        print(f"warning: {error}", file=sys.stderr)
    if unread:
        raise ZooError(f"{len(unread)} of {number} pictures could not be read, see above")


def _video(
    detector: Any, video: Video, directory: Path, most: int | None, settings: dict[str, Any]
) -> None:
    """detections.mp4, and detections.jsonl with a line a frame; Ctrl-C ends what has no end."""
    from rich.progress import track

    from zoo.evaluation.pictures import draw
    from zoo.inference import detect
    from zoo.video import Frame, Writer

    waiting: deque[Frame] = deque()  # those whose detections have not come

    def images() -> Iterator[np.ndarray]:
        for frame in itertools.islice(video, most):
            waiting.append(frame)
            yield frame.image

    number, with_class = 0, Counter[str]()
    results = detect(detector, images(), read_ahead=not video.live, **settings)
    total = min(filter(None, (video.count, most)), default=None)
    try:
        with (
            open(directory / "detections.jsonl", "w") as lines,
            Writer(directory / "detections.mp4", video.fps) as drawn,
        ):
            for _, detections in track(results, "detecting", total=total, transient=True):
                frame = waiting.popleft()
                drawn.write(Frame(draw(frame.image, detections), frame.seconds))
                found = _rows(detections)
                record = {"frame": number, "seconds": round(frame.seconds, 3), "detections": found}
                lines.write(json.dumps(record) + "\n")
                lines.flush()  # who looks at a camera's does so before its end
                with_class.update({one["class_name"] for one in found})
                number += 1
            if total is not None and number < total:
                print(
                    f"warning: {video.name} ends after {number} of {total} frames", file=sys.stderr
                )
    except KeyboardInterrupt:
        if not (video.live and number):
            raise
    common = ", ".join(f"{name} in {frames}" for name, frames in with_class.most_common(5))
    print(f"{video.name}: {number} frames; {common or 'nothing found'}")
    print(f"run directory: {directory}")


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


def _rows(detections: Any) -> list[dict[str, Any]]:
    rows = zip(
        detections.xyxy.tolist(),
        detections.confidence.tolist(),
        detections.class_id.tolist(),
        detections.data["class_name"].tolist(),
        strict=True,
    )
    keys = ("xyxy", "score", "class_id", "class_name")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def _summary(detections: Any) -> str:
    from zoo.evaluation.pictures import named_scores

    found = ", ".join(f"{name} {score:.2f}" for name, score in named_scores(detections))
    return found or "nothing found"


if __name__ == "__main__":
    main()
