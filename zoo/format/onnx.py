"""ONNX, run by ONNX Runtime."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.format.contract import Metadata, Run, foreign, need, read_metadata

OPSET = 18
#: What runs a file, the first that is there. TensorRT would compile an engine for minutes first.
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


class Onnx:
    """One `.onnx` file; metadata as JSON under the key `zoo` of its metadata properties."""

    suffix = ".onnx"
    precisions = ("float32",)

    def write(self, function: Any, path: Path, *, metadata: Metadata, precision: str) -> None:
        """As `zoo.format.contract.Format`; by tf2onnx."""
        tf2onnx, onnx = need("tf2onnx", "onnx"), need("onnx", "onnx")
        logging.getLogger("tf2onnx").setLevel(logging.ERROR)
        model, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=OPSET
        )
        given = function.get_concrete_function().structured_outputs
        for output in model.graph.output:  # tf2onnx has lost some of their sizes
            kind, shape = output.type.tensor_type.elem_type, list(given[output.name].shape)
            output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, kind, shape))
        onnx.helper.set_model_props(model, {"zoo": json.dumps(metadata)})
        onnx.save(model, str(path))

    def holds(self, path: Path) -> bool:
        """As `zoo.format.contract.Format`."""
        return path.suffix == self.suffix

    def open(self, path: Path) -> tuple[Metadata, Run]:
        """As `zoo.format.contract.Format`."""
        runtime = need("onnxruntime", "onnx")
        there = runtime.get_available_providers()
        providers = [provider for provider in PROVIDERS if provider in there]
        session = runtime.InferenceSession(str(path), providers=providers)
        properties = session.get_modelmeta().custom_metadata_map
        if "zoo" not in properties:
            raise foreign(path)
        names = [output.name for output in session.get_outputs()]

        def run(inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
            return dict(zip(names, session.run(names, dict(inputs)), strict=True))

        return read_metadata(path, properties["zoo"]), run
