"""`python -m zoo.convert`: Darknet's files into a `.keras` file, or a detector into Darknet's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    for file in _write(model, output):
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


def _write(model: Any, output: Path) -> list[Path]:
    if output.suffix == ".weights":
        from zoo.darknet.exporting import export

        return export(model, output)
    from zoo.saved import save

    save(model, output)
    return [output]


if __name__ == "__main__":
    main()
