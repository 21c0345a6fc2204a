"""One JPEG file to boxes, beside the bare network of the same engine and beside OpenCV DNN.

python benchmarks/inference.py --images DIR --cfg yolov4-tiny.cfg --weights yolov4-tiny.weights

Every engine has a process of its own and waits, blocked, while the others run; they take turns,
picture by picture. An engine that is not installed is reported as absent. Before any timing each
engine's boxes are compared with those of Keras. Cold starts are fresh processes, from the first
import to the first detection.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from environment import environment

HERE = Path(__file__).parent
PRESET, SIDE, COLD = "yolov4-tiny-coco", 416, 3
#: Engine → (format, precision), or None where there is no exported file.
ENGINES = {
    "keras": None,
    "opencv": None,
    "onnx": ("onnx", "float32"),
    "openvino": ("openvino", "float32"),
    "openvino bf16": ("openvino", "bfloat16"),
    "litert": ("litert", "float32"),
}
#: The most that whole paths shall take: engine → (of which engine's time, which of its, at most).
TARGETS = {
    "keras": [("keras", "bare", 1.15), ("opencv", "whole", 1.15)],
    "onnx": [("onnx", "bare", 1.15)],
    "openvino": [("openvino", "bare", 1.15)],
    "litert": [("litert", "bare", 1.15)],
    "openvino bf16": [("openvino bf16", "bare", 1.15), ("opencv", "whole", 0.6)],
}
COLD_TARGETS = {"keras": (6.0, None), "onnx": (1.0, 250), "openvino": (1.0, 250),
                "litert": (1.0, 250)}  # fmt: skip
EXPORT = """
import sys
from pathlib import Path
import zoo
from zoo.deployment.exporting import export
detector = zoo.load(sys.argv[1])
for word in sys.argv[3:]:
    format, precision = word.split("=")
    for kind, suppress in (("whole", True), ("bare", False)):
        try:
            path = Path(sys.argv[2]) / f"{format}-{precision}-{kind}"
            print(export(detector, path, format=format, precision=precision, suppress=suppress))
        except zoo.ZooError as error:
            print(error, file=sys.stderr)
"""
COLD_START = """
import time; start = time.perf_counter()
import resource, sys, zoo
found = zoo.load(sys.argv[1]).detect(sys.argv[2])[0]
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print("cold", len(found), seconds, peak)
"""


# === One engine in one process ===


def serve(engine, options):
    """Answer lines `whole FILE` and `bare FILE` with seconds, `boxes FILE` with boxes."""
    import time

    calls = opencv(options) if engine == "opencv" else zoo_calls(engine, options)
    print("ready", flush=True)
    for line in sys.stdin:
        what, file = line.strip().split(" ", 1)
        if what == "boxes":
            print(json.dumps(calls["boxes"](file)), flush=True)
            continue
        prepared = calls["prepare"](file) if what == "bare" else file
        start = time.perf_counter()
        calls[what](prepared)
        print(time.perf_counter() - start, flush=True)


def zoo_calls(engine, options):
    import zoo
    from zoo.data.geometry import resize
    from zoo.data.image import read_image

    def prepare(file):
        return resize(read_image(file), (SIDE, SIDE), mode="stretch")[0][None]

    if engine == "keras":
        from zoo.deployment.fold import fold

        detector = fold(zoo.load(PRESET))
        bare = detector.predict_on_batch
    else:
        name = "-".join(ENGINES[engine])
        suffix = {"onnx": ".onnx", "openvino": ".xml", "litert": ".tflite"}[ENGINES[engine][0]]
        detector = zoo.load(Path(options.folder) / f"{name}-whole{suffix}")
        run = zoo.load(Path(options.folder) / f"{name}-bare{suffix}").run

        def bare(images):
            return run({"images": images})

    def boxes(file):
        found = detector.detect(file)[0]
        return [found.class_id.tolist(), found.xyxy.tolist()]

    return {"prepare": prepare, "bare": bare, "whole": detector.detect, "boxes": boxes}


def opencv(options):
    import cv2

    net = cv2.dnn.readNetFromDarknet(options.cfg, options.weights)
    heads = net.getUnconnectedOutLayersNames()

    def prepare(file):
        return blob(cv2.imread(file))

    def blob(image):
        return cv2.dnn.blobFromImage(image, 1 / 255, (SIDE, SIDE), swapRB=True)

    def bare(blob):
        net.setInput(blob)
        return np.concatenate(net.forward(heads))

    def whole(file):
        image = cv2.imread(file)
        rows = bare(blob(image))
        height, width = image.shape[:2]
        label = rows[:, 5:].argmax(axis=1)
        score = rows[np.arange(len(rows)), 5 + label]
        rows, label, score = (x[score > 0.25] for x in (rows, label, score))
        corner = rows[:, :2] - rows[:, 2:4] / 2
        boxes = np.concatenate([corner, rows[:, 2:4]], axis=1) * [width, height, width, height]
        return cv2.dnn.NMSBoxesBatched(boxes.tolist(), score.tolist(), label.tolist(), 0.25, 0.45)

    return {"prepare": prepare, "bare": bare, "whole": whole}


# === All of them, in turn ===


class Engine:
    """A process that runs one engine when it is asked."""

    def __init__(self, name, options, folder):
        command = [sys.executable, __file__, "--serve", name, "--folder", folder]
        command += ["--images", options.images, "--cfg", options.cfg, "--weights", options.weights]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.alive = self._line() == "ready"

    def _line(self):
        for line in self.process.stdout:
            if not line.startswith(("INFO", "WARNING")):
                return line.strip()
        return ""

    def ask(self, what, file):
        self.process.stdin.write(f"{what} {file}\n")
        self.process.stdin.flush()
        return json.loads(self._line())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def same_boxes(engines, files):
    """Engine → whether it finds the rows of Keras on every picture, boxes within 0.1 pixels."""
    same = {}
    for name, engine in engines.items():
        if name in ("keras", "opencv"):
            continue
        same[name] = True
        for file in files:
            (label, boxes), (expected, there) = (
                e.ask("boxes", file) for e in (engine, engines["keras"])
            )
            same[name] &= label == expected and np.allclose(boxes, there, atol=0.1)
    return same


def warm(engines, files, rounds):
    seconds = {(name, what): [] for name in engines for what in ("bare", "whole")}
    order = random.Random(0)
    for turn in range(rounds + 3):
        calls = list(seconds)
        order.shuffle(calls)
        for name, what in calls:
            taken = engines[name].ask(what, files[turn % len(files)])
            if turn >= 3:
                seconds[name, what].append(taken)
    median = {key: 1e3 * float(np.median(values)) for key, values in seconds.items()}
    return {n: {w: round(median[n, w], 2) for w in ("bare", "whole")} for n in engines}


def cold(paths, file):
    found = {}
    for name, path in paths.items():
        runs = []
        for _ in range(COLD):
            done = subprocess.run(
                [sys.executable, "-c", COLD_START, path, file], capture_output=True, text=True
            )
            lines = [line for line in done.stdout.splitlines() if line.startswith("cold")]
            runs += [[float(x) for x in line.split()[2:]] for line in lines]
        if runs:
            seconds, peak = np.median(runs, axis=0)
            found[name] = {"seconds": round(float(seconds), 2), "peak_rss_mb": round(float(peak))}
    return found


def verdicts(ms, starts):
    for name, targets in TARGETS.items():
        for other, what, most in targets:
            if name in ms and other in ms:
                ratio = ms[name]["whole"] / ms[other][what]
                yield f"{name} whole / {other} {what}", round(ratio, 3), most
    for name, (seconds, peak) in COLD_TARGETS.items():
        if name in starts:
            yield f"{name} cold start, s", starts[name]["seconds"], seconds
            if peak:
                yield f"{name} peak RSS, MB", starts[name]["peak_rss_mb"], peak


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="folder of JPEG pictures")
    parser.add_argument("--cfg", required=True, help="yolov4-tiny.cfg, for OpenCV")
    parser.add_argument("--weights", required=True, help="yolov4-tiny.weights, for OpenCV")
    parser.add_argument("--rounds", type=int, default=40, help="calls of each that are timed")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options)
        return
    env = environment(
        "keras", "tensorflow-cpu", "onnxruntime", "openvino", "ai-edge-litert",
        "opencv-python-headless", "numpy",
    )  # fmt: skip
    files = [str(file) for file in sorted(Path(options.images).rglob("*.jpg"))[:8]]
    with tempfile.TemporaryDirectory() as folder:
        words = ["=".join(kind) for kind in ENGINES.values() if kind]
        made = subprocess.run(
            [sys.executable, "-c", EXPORT, PRESET, folder, *words],
            stdout=subprocess.PIPE, text=True, check=True,
            env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        ).stdout.split()  # fmt: skip
        engines = {name: Engine(name, options, folder) for name in ENGINES}
        engines = {name: engine for name, engine in engines.items() if engine.alive}
        same = same_boxes(engines, files)
        ms = warm(engines, files, options.rounds)
        for engine in engines.values():
            engine.close()
        paths = {"keras": PRESET}
        for name, kind in ENGINES.items():
            match = [path for path in made if kind and f"{'-'.join(kind)}-whole" in path]
            paths |= {name: match[0]} if match else {}
        starts = cold(paths, files[0])
    result = {"environment": env, "ms": ms, "same_boxes_as_keras": same, "cold_start": starts,
              "targets": [list(row) for row in verdicts(ms, starts)]}  # fmt: skip
    name = "-".join(env["cpu"].lower().split())
    file = HERE / "results" / f"inference-{name}-{env['cores']}cores.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    for what, value, most in result["targets"]:
        print(f"{what}: {value} (at most {most}) {'' if value <= most else '← missed'}")
    print(file)
    exact = [name for name in same if "bf16" not in name]
    if not all(same[name] for name in exact):
        sys.exit("an engine finds other boxes than Keras")


if __name__ == "__main__":
    main()
