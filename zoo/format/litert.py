"""LiteRT, formerly TensorFlow Lite."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.format.contract import Metadata, Run, foreign, need, saved


class LiteRT:
    """One `.tflite` file; metadata in `zoo.json` and `labels.txt` of a zip archive at its end.

    That is where TensorFlow Lite keeps the files that go with a model: `unzip` shows them, and the
    interpreter does not mind. `float16` halves the file; arithmetic stays in float32.
    """

    suffix = ".tflite"
    precisions = ("float32", "float16")

    def write(self, function: Any, path: Path, *, metadata: Metadata, precision: str) -> None:
        """As `zoo.format.contract.Format`; by TensorFlow's converter."""
        import tensorflow as tf

        with saved(function) as folder:
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            if precision == "float16":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.target_spec.supported_types = [tf.float16]
            path.write_bytes(converter.convert())
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("zoo.json", json.dumps(metadata))
            archive.writestr("labels.txt", "\n".join(metadata["class_names"]) + "\n")

    def holds(self, path: Path) -> bool:
        """As `zoo.format.contract.Format`."""
        return path.suffix == self.suffix

    def open(self, path: Path, *, threads: int | None = None) -> tuple[Metadata, Run]:
        """As `zoo.format.contract.Format`."""
        try:
            with zipfile.ZipFile(path) as archive:
                metadata = json.loads(archive.read("zoo.json"))
        except (zipfile.BadZipFile, KeyError) as error:
            raise foreign(path) from error
        litert = need("ai_edge_litert.interpreter", "litert")
        interpreter = litert.Interpreter(str(path), num_threads=threads or os.cpu_count())
        runner = interpreter.get_signature_runner()

        def run(inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
            return runner(**inputs)

        return metadata, run
