"""OpenVINO's intermediate representation."""

from __future__ import annotations

import json
import logging
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ZooError
from zoo.format.contract import Batches, Metadata, Run, foreign, need, read_metadata, saved


class OpenVINO:
    """A `.xml` with a `.bin` beside it; metadata as JSON under `zoo` of the run-time information.

    They have the settings of `compile_model` that give these numbers, and the CRC-32 of the `.bin`:
    that of another model of the same sizes would fit. To check it takes 6 ms for 24 MB, SHA-256 two
    to ten times as long.
    `float16` halves the file, `bfloat16` also the time on processors that compute in it: OpenVINO's
    own choice there. `int8` quantises weights and activations, each channel of a weight on its own,
    after training [nncf]; a quarter of the file. Otherwise arithmetic is in float32.
    """

    suffix = ".xml"
    precisions = ("float32", "float16", "bfloat16", "int8")

    def write(
        self,
        function: Any,
        path: Path,
        *,
        metadata: Metadata,
        precision: str,
        calibration: Batches | None = None,
    ) -> None:
        """As `zoo.format.contract.Format`; int8 by nncf, which shows its progress."""
        openvino = need("openvino", "openvino")
        if calibration is not None:
            need("nncf", "int8")
        with saved(function) as folder:
            model = openvino.convert_model(folder)
        if calibration is not None:
            model = _quantised(model, calibration)
        half = precision in ("float16", "bfloat16")
        try:
            openvino.save_model(model, str(path), compress_to_fp16=half)
            facts = {"compile_model": _settings(precision), "bin_crc32": _crc32(path)}
            model.set_rt_info(json.dumps({**metadata, **facts}), ["zoo"])
            openvino.save_model(model, str(path), compress_to_fp16=half)  # the same .bin
        except RuntimeError as error:  # of a full disk it says "basic_ios::clear" alone
            raise OSError(f"OpenVINO says {error}; is the disk full?") from error

    def holds(self, path: Path) -> bool:
        """As `zoo.format.contract.Format`."""
        return path.suffix == self.suffix

    def open(self, path: Path) -> tuple[Metadata, Run]:
        """As `zoo.format.contract.Format`."""
        openvino = need("openvino", "openvino")
        core = openvino.Core()
        model = core.read_model(str(path))
        if not model.has_rt_info(["zoo"]):
            raise foreign(path)
        metadata = read_metadata(path, model.get_rt_info(["zoo"]).astype(str))
        if metadata.get("bin_crc32", crc32 := _crc32(path)) != crc32:
            raise ZooError(
                f"{path.with_suffix('.bin')} is of another export than {path}; copy both files "
                "together, or export it again"
            )
        settings = _settings(metadata["precision"])
        request = core.compile_model(model, "CPU", settings).create_infer_request()
        lock = threading.Lock()  # a request is one call's at a time

        def run(inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
            with lock:
                found = request.infer(dict(inputs), share_inputs=True)
            return {output.get_any_name(): values for output, values in found.items()}

        return metadata, run


def _settings(precision: str) -> dict[str, str]:
    """What `compile_model` must be told: by itself it takes bfloat16 where a processor has it."""
    hint = "bf16" if precision == "bfloat16" else "f32"
    return {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}


def _crc32(path: Path) -> int:
    """Of the weights beside a `.xml`."""
    found = 0
    with path.with_suffix(".bin").open("rb") as file:
        while chunk := file.read(1 << 20):
            found = zlib.crc32(chunk, found)
    return found


def _quantised(model: Any, calibration: Batches) -> Any:
    """The model with its convolutions in int8.

    What follows the last convolution stays in float: one scale for coordinates of a whole picture
    has steps of several pixels, one for the exponentials of sizes is spent on the largest box, and
    suppression compares numbers that a step of 1/256 makes equal.
    """
    import nncf

    nncf.set_log_level(logging.ERROR)
    rest = nncf.IgnoredScope(names=_after_convolutions(model), validate=False)
    return nncf.quantize(
        model,
        nncf.Dataset(calibration),
        subset_size=len(calibration),
        ignored_scope=rest,
        # Leaky activations are not symmetric about 0, their ranges need not be either.
        preset=nncf.QuantizationPreset.MIXED,
    )


def _after_convolutions(model: Any) -> list[str]:
    """Names of the operations from which no path leads to a convolution."""
    found: list[str] = []
    before: set[str] = set()  # operations that a convolution depends on, and convolutions
    for node in reversed(model.get_ordered_ops()):
        name = node.get_friendly_name()
        fed = {
            target.get_node().get_friendly_name()
            for output in node.outputs()
            for target in output.get_target_inputs()
        }
        if node.get_type_name().endswith("Convolution") or fed & before:
            before.add(name)
        else:
            found.append(name)
    return found
