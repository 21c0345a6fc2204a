"""Peak memory of a detection and of a training step, each in a fresh process, beside its peers.

python benchmarks/memory.py --cfg yolov4.cfg [--torch-python PYTHON] [--output FILE]

Detection: yolov4 at 608, one picture of 640×480, random weights (memory does not depend on them):
Keras on TensorFlow as `zoo.detect` runs it, exported ONNX and OpenVINO, and OpenCV's DNN module,
which reads `--cfg` and the weights that zoo has written for it. Training: two steps of yolov4_tiny
at 416 with batches of 8, Keras on TensorFlow and on JAX, and Ultralytics' YOLOv3-tiny.

The peak is Linux's VmHWM of the whole process; beside it what the process used before the model,
its libraries imported.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

import numpy as np
from peers import memory_mib, once, say

CLASSES = [str(n) for n in range(80)]
PICTURE = np.zeros((480, 640, 3), np.uint8)
#: Name of an exported file; a folder of temporary files has them.
FILES = {"onnx": "model.onnx", "openvino": "model.xml", "opencv": "model.weights"}
DETECT = ("keras", *FILES)
TRAIN = ("tensorflow", "jax", "ultralytics")


# === In a fresh process ===


def measured(model_of, run):
    """Say what the process used before there was a model, and at most."""
    before = memory_mib("VmRSS")
    run(model_of())
    say({"before_mib": round(before), "peak_mib": round(memory_mib())})


def fresh(options):
    """The detector that all runtimes run."""
    import zoo

    return zoo.build(options.model, CLASSES, [f"model.image_size=[{options.size},{options.size}]"])


def write_files(options):
    """What the other runtimes read. It is written here so that no reader pays for the writing."""
    import zoo
    from zoo.darknet.exporting import export as export_to_darknet
    from zoo.deployment.exporting import export

    detector, folder = fresh(options), Path(options.folder)
    export_to_darknet(detector, folder / FILES["opencv"])
    for format in ("onnx", "openvino"):
        try:
            export(detector, folder / "model", format=format)
        except zoo.ZooError as error:
            print(f"{format}: {error}", file=sys.stderr)
    say(sorted(file.name for file in folder.iterdir()))


def detect_with_keras(options):
    import keras  # noqa: F401

    from zoo.deployment.fold import fold

    measured(lambda: fold(fresh(options)), lambda detector: detector.detect(PICTURE))


def detect_with_exported(options):
    import zoo

    importlib.import_module({"onnx": "onnxruntime"}.get(options.serve, options.serve))
    path = Path(options.folder) / FILES[options.serve]
    measured(lambda: zoo.load(path), lambda detector: detector.detect(PICTURE))


def detect_with_opencv(options):
    import cv2

    def run(net):
        sides = (options.size, options.size)
        net.setInput(cv2.dnn.blobFromImage(PICTURE, 1 / 255, sides, swapRB=True))
        net.forward(net.getUnconnectedOutLayersNames())

    weights = str(Path(options.folder) / FILES["opencv"])
    measured(lambda: cv2.dnn.readNetFromDarknet(options.cfg, weights), run)


def train_with_keras(options):
    import keras  # noqa: F401
    from batch import batch_of
    from step import step_of
    from training import detector_of

    import zoo.training.run  # noqa: F401

    batch = batch_of(options.batch, options.size)
    measured(lambda: step_of(detector_of(options), *batch), twice)


def train_with_ultralytics(options):
    import ultralytics  # noqa: F401
    from ultralytics_step import step_of

    measured(lambda: step_of(options.size, options.batch)[0], twice)


def twice(step):
    step()
    step()


SERVE = {
    "files": write_files,
    "keras": detect_with_keras,
    "onnx": detect_with_exported,
    "openvino": detect_with_exported,
    "opencv": detect_with_opencv,
    "tensorflow": train_with_keras,
    "jax": train_with_keras,
    "ultralytics": train_with_ultralytics,
}


# === All of them, one after another ===


def detections(options, folder):
    base = [sys.executable, __file__, "--model", options.model, "--size", options.detect_size,
            "--folder", folder]  # fmt: skip
    base += ["--cfg", options.cfg] if options.cfg else []
    once([*base, "--serve", "files"], KERAS_BACKEND="tensorflow")
    there = {file.name for file in Path(folder).iterdir()}
    found = {}
    for name in DETECT:
        if name == "opencv" and not options.cfg:
            found[name] = {"absent": "no --cfg"}
        elif FILES.get(name, "") not in {"", *there}:
            found[name] = {"absent": f"{FILES[name]} was not written"}
        else:
            found[name] = once([*base, "--serve", name], KERAS_BACKEND="tensorflow")
    return found


def steps(options):
    found = {}
    for name in TRAIN:
        python = options.torch_python if name == "ultralytics" else sys.executable
        if not python:
            found[name] = {"absent": "no --torch-python"}
            continue
        command = [python, __file__, "--serve", name]
        command += ["--size", options.train_size, "--batch", options.batch]
        backend = "tensorflow" if name == "ultralytics" else name
        found[name] = once(command, KERAS_BACKEND=backend)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cfg", help="yolov4.cfg (of --model, at --detect-size), for OpenCV")
    parser.add_argument("--torch-python", help="a Python that has ultralytics")
    parser.add_argument("--model", default="yolov4", help="that detects")
    parser.add_argument("--detect-size", type=int, default=608)
    parser.add_argument("--train-size", type=int, default=416)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--output", help="JSON file; by default results/memory.json")
    for hidden in ("--serve", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        SERVE[options.serve](options)
        return
    from environment import environment
    from results import bars, table, write

    here = environment("keras", "tensorflow-cpu", "jax", "onnxruntime", "openvino",
                       "opencv-python-headless")  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        detect = detections(options, folder)
    train = steps(options)
    groups = {
        f"{options.model} {options.detect_size}, one picture detected": detect,
        f"yolov4_tiny {options.train_size} × {options.batch}, training steps": train,
    }
    for title, found in groups.items():
        rows = [
            (n, m.get("before_mib"), m.get("peak_mib"), m.get("absent", ""))
            for n, m in found.items()
        ]
        table(title, ["", "before the model, MiB", "peak, MiB", "why it is absent"], rows)
    result = {"environment": here, "peaks": groups}
    file = write(result, options.output, "memory.json")
    peaks = {
        f"{t}: peak, MiB": {n: m.get("peak_mib") for n, m in f.items()} for t, f in groups.items()
    }
    bars(file.with_suffix(".png"), peaks)


if __name__ == "__main__":
    main()
