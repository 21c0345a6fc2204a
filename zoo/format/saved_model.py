"""TensorFlow's SavedModel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.format.contract import Metadata, Run, foreign, read_metadata, save


class SavedModel:
    """A directory, as TensorFlow Serving takes it; metadata in `assets.extra/zoo.json`."""

    suffix = ""
    precisions = ("float32",)

    def write(self, function: Any, path: Path, *, metadata: Metadata, precision: str) -> None:
        """As `zoo.format.contract.Format`."""
        save(function, str(path))
        extra = path / "assets.extra"
        extra.mkdir(exist_ok=True)
        (extra / "zoo.json").write_text(json.dumps(metadata, indent=1) + "\n")

    def holds(self, path: Path) -> bool:
        """As `zoo.format.contract.Format`."""
        return (path / "saved_model.pb").is_file()

    def open(self, path: Path) -> tuple[Metadata, Run]:
        """As `zoo.format.contract.Format`; imports TensorFlow."""
        file = path / "assets.extra" / "zoo.json"
        if not file.is_file():
            raise foreign(path)
        metadata = read_metadata(path, file.read_bytes())
        import tensorflow as tf

        module = tf.saved_model.load(str(path))
        serve = module.signatures["serving_default"]

        def run(inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
            found = serve(**{name: tf.constant(values) for name, values in inputs.items()})
            return {name: values.numpy() for name, values in found.items()}

        run.module = module  # type: ignore[attr-defined]  # its signatures do not keep it alive
        return metadata, run
