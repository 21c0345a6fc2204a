"""`python -m zoo.convert`: Darknet's files into a `.keras` file, or a detector into Darknet's."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

from omegaconf import DictConfig

from zoo.command import command
from zoo.config import plain
from zoo.errors import ZooError
from zoo.format.contract import refuse_exported


@command("convert")
def main(cfg: DictConfig) -> None:
    """Convert, and say what was written."""
    settings = plain(cfg)
    output = Path(settings["output"])
    if output.suffix not in (".keras", ".weights"):
        raise ZooError(f"output {str(output)!r}: the name must end in .keras or .weights")
    if (settings["cfg"] is None) == (settings["preset"] is None):
        raise ZooError("convert needs either cfg= or preset=")
    model = _model(settings)
    for note in notes(settings, model):
        print(note)
    refuse_to_replace(model, output)
    for file in write(model, output):
        print(f"{model.name}, {model.count_params():,} parameters → {file}")


def _model(settings: dict[str, Any]) -> Any:
    import zoo

    if settings["cfg"] is not None:
        names = settings["class_names"]
        return zoo.load(settings["cfg"], weights=settings["weights"], class_names=names)
    for key in ("weights", "class_names"):
        if settings[key] is not None:
            raise ZooError(f"{key}= goes with cfg=; a preset has its own")
    refuse_exported("preset", settings["preset"], "layers to convert")
    return zoo.load(settings["preset"])


def notes(settings: dict[str, Any], model: Any) -> Iterator[str]:
    """What a cfg alone does not say about a model, and what to give for it."""
    if settings["cfg"] is None:
        return
    if settings["weights"] is None:
        yield "no weights=: all weights are fresh"
    if settings["class_names"] is None and Path(settings["output"]).suffix == ".keras":
        yield f"classes are 0 … {len(model.class_names) - 1}; class_names=FILE names them"


def refuse_to_replace(model: Any, output: Path) -> None:
    """Raise a `ZooError` where a file of other content is in the way; it may be the only one."""
    beside = [output.with_suffix(".cfg")] if output.suffix == ".weights" else []
    if not any(file.exists() for file in (output, *beside)):
        return
    with tempfile.TemporaryDirectory() as folder:
        for file in write(model, Path(folder) / output.name):
            there = output.with_name(file.name)
            if there.exists() and _content(there) != _content(file):
                raise ZooError(
                    f"{there} exists with other content; remove it or choose another output="
                )


def _content(file: Path) -> Any:
    """The bytes of a file; of an archive by member, without the date when it was saved."""
    if not is_zipfile(file):
        return file.read_bytes()
    with ZipFile(file) as archive:
        return {n: archive.read(n) for n in archive.namelist() if n != "metadata.json"}


def write(model: Any, output: Path) -> list[Path]:
    """Write a model, and the cfg of Darknet's weights where it is known; what was written."""
    if output.suffix == ".weights":
        from zoo.darknet.exporting import export

        return export(model, output)
    from zoo.saved import save

    save(model, output)
    return [output]


if __name__ == "__main__":
    main()
