"""LiteRT, formerly TensorFlow Lite."""

from __future__ import annotations

import json
import os
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.format.contract import Batches, Metadata, Run, foreign, need, read_metadata, saved


class LiteRT:
    """One `.tflite` file; metadata in `zoo.json` and `labels.txt` of a zip archive at its end.

    That is where TensorFlow Lite keeps the files that go with a model: `unzip` shows them, and the
    interpreter does not mind. `float16` halves the file; arithmetic stays in float32. `int8`
    quantises weights and activations, each channel of a weight on its own, after training; inputs
    and outputs stay float32.
    """

    suffix = ".tflite"
    precisions = ("float32", "float16", "int8")

    def write(
        self,
        function: Any,
        path: Path,
        *,
        metadata: Metadata,
        precision: str,
        calibration: Batches | None = None,
    ) -> None:
        """As `zoo.format.contract.Format`; by TensorFlow's converter."""
        import tensorflow as tf

        with saved(function) as folder:
            converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            if precision == "float16":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.target_spec.supported_types = [tf.float16]
            if calibration is None:
                path.write_bytes(converter.convert())
            else:
                path.write_bytes(_quantised(converter, calibration))
        names = "\n".join(metadata["class_names"]) + "\n"
        with zipfile.ZipFile(path, "a") as archive:
            for name, text in (("zoo.json", json.dumps(metadata)), ("labels.txt", names)):
                # Of a fixed date, so that the same export is the same file.
                archive.writestr(zipfile.ZipInfo(name), text)

    def holds(self, path: Path) -> bool:
        """As `zoo.format.contract.Format`."""
        return path.suffix == self.suffix

    def open(self, path: Path) -> tuple[Metadata, Run]:
        """As `zoo.format.contract.Format`."""
        try:
            with zipfile.ZipFile(path) as archive:
                text = archive.read("zoo.json")
        except (zipfile.BadZipFile, KeyError) as error:
            raise foreign(path) from error
        metadata = read_metadata(path, text)
        litert = need("ai_edge_litert.interpreter", "litert")
        interpreter = litert.Interpreter(str(path), num_threads=os.cpu_count())
        runner = interpreter.get_signature_runner()
        lock = threading.Lock()  # its tensors are those of one call

        def run(inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
            with lock:
                return runner(**inputs)

        return metadata, run


def _quantised(converter: Any, calibration: Batches) -> bytes:
    """The model with its convolutions in int8, but for those that predict.

    What follows the last convolution stays in float, and so does that one. The converter would
    quantise all, suppression included: one scale for coordinates of a whole picture has steps of
    several pixels, one for the exponentials of sizes is spent on the largest box, and suppression
    compares numbers that a step of 1/256 makes equal. The outputs of the last convolution have one
    scale for all channels, while those of objectness and of sizes are of different magnitudes.
    """
    import tensorflow as tf
    from rich.progress import track
    from tensorflow.lite.python.convert import mlir_quantize

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: track(
        calibration, "calibrating", total=len(calibration), transient=True
    )
    # As `tf.lite.experimental.QuantizationDebugger`, the way to name what is not quantised, does it
    # without its model for debugging, which the interpreter cannot run with loops inside.
    converter._experimental_calibrate_only = True
    calibrated, predicting = _unranged(converter.convert())
    return mlir_quantize(calibrated, denylisted_nodes=predicting)


def _unranged(model: bytes) -> tuple[bytes, list[str]]:
    """A calibrated model without ranges where it predicts, and the names of what is made there.

    An operation that is named to be left in float gets its inputs and gives its outputs rounded to
    256 steps nevertheless where these have ranges: scores did, which cost a quarter of the AP. And
    without names a sigmoid is rounded, whose range is known.
    """
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    content = schema.ModelT.InitFromPackedBuf(model, 0)
    main, *loops = content.subgraphs
    made = [main.tensors[index] for index in _predicting(content)]
    made += [
        loop.tensors[index]
        for loop in loops for operation in loop.operators for index in operation.outputs
    ]  # fmt: skip
    for tensor in made:
        tensor.quantization = None
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output()), [tensor.name.decode() for tensor in made]


def _predicting(content: Any) -> list[int]:
    """Outputs of all operations of the first graph that no later convolution depends on."""
    from tensorflow.lite.python import schema_py_generated as schema

    found, before = [], set()  # type: list[int], set[int]
    main = content.subgraphs[0]
    for operation in reversed(main.operators):
        later = bool(before & set(operation.outputs))
        if not later:
            found += list(operation.outputs)
        code = content.operatorCodes[operation.opcodeIndex]
        convolves = schema.BuiltinOperator.CONV_2D in (code.builtinCode, code.deprecatedBuiltinCode)
        if later or convolves:
            before |= set(operation.inputs)
    return found
