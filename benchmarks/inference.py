"""One JPEG file to boxes, beside the bare network of the same engine and beside OpenCV DNN.

python benchmarks/inference.py --images DIR --cfg yolov4-tiny.cfg --weights yolov4-tiny.weights \\
    [--calibration DIR] [--cold-python PYTHON]

Every engine has a process of its own and waits, blocked, while the others run; they take turns,
picture by picture. An engine that is not installed is reported as absent, and so is int8 without
pictures to calibrate with or without nncf. The bare network of an exported format is its file
without suppression, that of OpenCV its forward pass. Before any timing each engine's boxes are
compared with those of Keras. Cold starts are fresh processes, from before the interpreter starts to
the first detection; with `--cold-python` that of Keras is measured with zoo as it is installed
there, by default without extras: Keras imports scikit-learn and more where it finds them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from peers import PAUSE

PRESET, SIDE, COLD, WARM_UP = "yolov4-tiny-coco", 416, 5, 3
#: Engine → (format, precision), or None where there is no exported file.
ENGINES = {
    "keras": None,
    "opencv": None,
    "onnx": ("onnx", "float32"),
    "openvino": ("openvino", "float32"),
    "openvino bf16": ("openvino", "bfloat16"),
    "openvino int8": ("openvino", "int8"),
    "litert": ("litert", "float32"),
    "litert int8": ("litert", "int8"),
}
SUFFIX = {"onnx": ".onnx", "openvino": ".xml", "litert": ".tflite"}
#: The most that a whole path shall take of the bare network's time, and of OpenCV's whole path.
BARE = 1.15
OPENCV = {"keras": 1.15, "openvino bf16": 0.6, "openvino int8": 0.4, "litert int8": 0.4}
#: The most that a cold start shall take: seconds, and MiB.
COLD_KERAS, COLD_EXPORTED = (6.0, None), (1.0, 250)
EXPORT = """
import sys
from pathlib import Path
import zoo
from zoo.deployment.exporting import export
preset, folder, calibration, *words = sys.argv[1:]
detector = zoo.load(preset)
for word in words:
    format, precision = word.split("=")
    more = {"calibration": {"source": calibration}} if precision == "int8" else {}
    for kind, suppress in (("whole", True), ("bare", False)):
        path = Path(folder) / f"{format}-{precision}-{kind}"
        try:
            export(detector, path, format=format, precision=precision, suppress=suppress, **more)
        except zoo.ZooError as error:
            print(error, file=sys.stderr)
"""

START = """
import json, sys
from zoo.speed.cold import cold_start
print(json.dumps(cold_start(sys.argv[1])))
"""


# === One engine in one process ===


def serve(engine, options):
    """Answer lines `whole FILE` and `bare FILE` with seconds, `boxes FILE` with boxes."""
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
        detector = zoo.load(exported(options.folder, engine, "whole"))
        run = zoo.load(exported(options.folder, engine, "bare")).run

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


def exported(folder, engine, kind):
    format, precision = ENGINES[engine]
    return Path(folder) / f"{format}-{precision}-{kind}{SUFFIX[format]}"


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
    """Engine → "bare" and "whole" → milliseconds, medians."""
    seconds = {(name, what): [] for name in engines for what in ("bare", "whole")}
    order = random.Random(0)
    for turn in range(rounds + WARM_UP):
        calls = list(seconds)
        order.shuffle(calls)
        for name, what in calls:
            time.sleep(PAUSE)
            taken = engines[name].ask(what, files[turn % len(files)])
            if turn >= WARM_UP:
                seconds[name, what].append(taken)
    median = {key: 1e3 * float(np.median(values)) for key, values in seconds.items()}
    return {n: {w: round(median[n, w], 2) for w in ("bare", "whole")} for n in engines}


def cold(models, pythons):
    """Name → seconds and MiB, medians of fresh processes that take turns.

    `pythons` names those that do not run in this one.
    """
    found = {name: [] for name in models}
    for _ in range(COLD):
        for name, model in models.items():
            # Not here, where the zoo of this checkout would be found.
            with tempfile.TemporaryDirectory() as elsewhere:
                done = subprocess.run(
                    [pythons.get(name) or sys.executable, "-c", START, str(model)],
                    capture_output=True, text=True, check=True, cwd=elsewhere,
                )  # fmt: skip
            found[name].append(json.loads(done.stdout))
    return {
        name: {key: round(float(np.median([run[key] for run in runs])), 2) for key in runs[0]}
        for name, runs in found.items()
    }


def verdicts(ms, starts):
    """The targets; where an engine is absent its targets have no value."""
    from results import ratio, verdict

    def of(name, what):
        return ms.get(name, {}).get(what)

    for name in ENGINES:
        if name == "opencv":
            continue
        own = ratio(of(name, "whole"), of(name, "bare"))
        yield verdict(f"{name}: whole path / its bare network", own, most=BARE)
        theirs = ratio(of(name, "whole"), of("opencv", "whole"))
        yield verdict(f"{name}: whole path / OpenCV's", theirs, most=OPENCV.get(name))
        seconds, peak = COLD_KERAS if name == "keras" else COLD_EXPORTED
        start = starts.get(name, {})
        yield verdict(f"{name}: cold start, s", start.get("seconds"), most=seconds)
        yield verdict(f"{name}: cold start, MiB", start.get("peak_rss_mib"), most=peak)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="folder of JPEG pictures")
    parser.add_argument("--cfg", required=True, help="yolov4-tiny.cfg, for OpenCV")
    parser.add_argument("--weights", required=True, help="yolov4-tiny.weights, for OpenCV")
    parser.add_argument("--calibration", help="folder of other pictures, for int8")
    parser.add_argument("--cold-python", help="a Python with zoo's default install")
    parser.add_argument("--rounds", type=int, default=40, help="calls of each that are timed")
    parser.add_argument("--output", help="JSON file; by default results/inference.json")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options)
        return
    from environment import environment
    from results import bars, table, targets, write

    here = environment(
        "keras", "tensorflow-cpu", "onnxruntime", "openvino", "nncf", "ai-edge-litert",
        "opencv-python-headless", "numpy",
    )  # fmt: skip
    files = [str(file) for file in sorted(Path(options.images).rglob("*.jpg"))[:8]]
    with tempfile.TemporaryDirectory() as folder:
        made = export_all(folder, options.calibration)
        engines = {name: Engine(name, options, folder) for name in ["keras", "opencv", *made]}
        engines = {name: engine for name, engine in engines.items() if engine.alive}
        same = same_boxes(engines, files)
        ms = warm(engines, files, options.rounds)
        for engine in engines.values():
            engine.close()
        models = {name: exported(folder, name, "whole") for name in made if name in engines}
        starts = cold({"keras": PRESET, **models}, {"keras": options.cold_python})
    judged = list(verdicts(ms, starts))
    result = {"environment": here, "rounds": options.rounds, "ms": ms, "same_boxes_as_keras": same,
              "cold_start": starts, "targets": judged,
              "keras_starts_in": "an install of its own" if options.cold_python else "this one",
              }  # fmt: skip
    rows = [(name, *(ms.get(name, {}).get(what) for what in ("bare", "whole")),
             *(starts.get(name, {}).get(key) for key in ("seconds", "peak_rss_mib")),
             "–" if name not in same else "same" if same[name] else "others")
            for name in ENGINES]  # fmt: skip
    columns = ["", "bare, ms", "whole, ms", "cold, s", "cold, MiB", "boxes beside Keras'"]
    table(f"{PRESET} {SIDE}, one picture; medians", columns, rows)
    targets(judged)
    file = write(result, options.output, "inference.json")
    fields = {f"{what}, ms": {n: ms.get(n, {}).get(what) for n in ENGINES}
              for what in ("whole", "bare")}  # fmt: skip
    for key, title in (("seconds", "cold start, s"), ("peak_rss_mib", "cold start, MiB")):
        fields[title] = {name: starts.get(name, {}).get(key) for name in ENGINES}
    bars(file.with_suffix(".png"), fields)
    exact = [name for name in same if ENGINES[name][1] == "float32"]
    if not all(same[name] for name in exact):
        sys.exit("an engine finds other boxes than Keras")


def export_all(folder, calibration):
    """The engines whose files could be written."""
    wanted = {
        name: kind for name, kind in ENGINES.items() if kind and (calibration or kind[1] != "int8")
    }
    words = ["=".join(kind) for kind in wanted.values()]
    subprocess.run(
        [sys.executable, "-c", EXPORT, PRESET, folder, calibration or "", *words],
        stdout=subprocess.DEVNULL, check=True,
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
    )  # fmt: skip
    return [name for name in wanted if exported(folder, name, "bare").is_file()]


if __name__ == "__main__":
    main()
