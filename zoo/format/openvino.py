"""OpenVINO's intermediate representation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.format.contract import Metadata, Run, foreign, need, saved


class OpenVINO:
    """A `.xml` with a `.bin` beside it; metadata as JSON under `zoo` of the run-time information.

    `float16` halves the file, `bfloat16` also the time on processors that compute in it: OpenVINO's
    own choice there. Otherwise arithmetic is in float32.
    """

    suffix = ".xml"
    precisions = ("float32", "float16", "bfloat16")

    def write(self, function: Any, path: Path, *, metadata: Metadata, precision: str) -> None:
        """As `zoo.format.contract.Format`."""
        openvino = need("openvino", "openvino")
        with saved(function) as folder:
            model = openvino.convert_model(folder)
        model.set_rt_info(json.dumps(metadata), ["zoo"])
        openvino.save_model(model, str(path), compress_to_fp16=precision != "float32")

    def holds(self, path: Path) -> bool:
        """As `zoo.format.contract.Format`."""
        return path.suffix == self.suffix

    def open(self, path: Path, *, threads: int | None = None) -> tuple[Metadata, Run]:
        """As `zoo.format.contract.Format`."""
        openvino = need("openvino", "openvino")
        core = openvino.Core()
        model = core.read_model(str(path))
        if not model.has_rt_info(["zoo"]):
            raise foreign(path)
        metadata = json.loads(model.get_rt_info(["zoo"]).astype(str))
        hint = "bf16" if metadata["precision"] == "bfloat16" else "f32"
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        request = core.compile_model(model, "CPU", settings).create_infer_request()

        def run(inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
            found = request.infer(dict(inputs), share_inputs=True)
            return {output.get_any_name(): values for output, values in found.items()}

        return metadata, run
