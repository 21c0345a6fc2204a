"""Non-maximum suppression beside its peers, interleaved, on real outputs of yolov4-tiny.

python benchmarks/nms.py --images DIR [--backends tensorflow,jax] [--torch-python PYTHON]

2,535 boxes are an image at 416 pixels; 22,743, as many as yolov4 gives at 608, are nine such
outputs side by side. The boxes kept are compared with a greedy NumPy reference before any timing.
A peer that is not installed is reported as absent.

A turn is eight calls in a row, of the eight pictures one by one or eight times of all: what a
stream of pictures costs. The order of the turns is drawn anew each round, with a pause between two,
and torchvision's idle threads sleep: else the call after one of its would find both cores taken.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import peers
from environment import environment

HERE = Path(__file__).parent
KEPT, IOU, CALLS, ROUNDS = 300, 0.45, 8, 30
TORCH_PEER = """
import sys, time, numpy as np, torch, torchvision
print(torchvision.__version__, flush=True)
def run():
    for boxes, scores in zip(b, s):
        row, label = torch.nonzero(scores > t, as_tuple=True)
        found = scores[row, label]
        torchvision.ops.batched_nms(boxes[row], found, label, 0.45)[:300]
for line in sys.stdin:
    if line.strip():
        data = np.load(line.strip())
        b, s = torch.tensor(data["boxes"]), torch.tensor(data["scores"])
        t, times = float(data["threshold"]), int(data["times"])
    start = time.perf_counter()
    for _ in range(times): run()
    print(time.perf_counter() - start, flush=True)
"""


def reference(boxes, scores, threshold):
    """(box, class) of one image's kept pairs, in falling order of score."""
    row, label = np.nonzero(scores > threshold)
    order = np.argsort(-scores[row, label], kind="stable")
    row, label, kept = row[order], label[order], []
    b, alive = boxes[row], np.ones(len(row), bool)
    area = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    for i in range(len(row)):
        if not alive[i]:
            continue
        kept.append(i)
        if len(kept) == KEPT:
            break
        low, high = np.maximum(b[i, :2], b[i:, :2]), np.minimum(b[i, 2:], b[i:, 2:])
        inside = np.prod(np.maximum(high - low, 0), axis=1)
        union = area[i] + area[i:] - inside
        alive[i:] &= ~((inside > np.float32(IOU) * union) & (label[i:] == label[i]))
    return row[kept], label[kept]


def outputs(images):
    """Real decoded outputs of eight pictures: boxes (8, 2535, 4), scores (8, 2535, 80)."""
    import cv2

    import zoo

    detector = zoo.load("yolov4-tiny-coco")
    files = sorted(Path(images).rglob("*.jpg"))[:8]
    pictures = [cv2.resize(cv2.imread(str(file))[..., ::-1], (416, 416)) for file in files]
    decoded = [
        detector.head.decode(detector(np.float32(picture[None]) / 255, training=False))
        for picture in pictures
    ]
    return tuple(np.concatenate([np.asarray(d[part]) for d in decoded]) for part in (0, 1))


def tiled(boxes, scores):
    offset = np.array([[i % 3, i // 3] * 2 for i in range(9)], "float32") / 3
    which = [[(start + tile) % 8 for tile in range(9)] for start in range(8)]
    b = [np.concatenate([boxes[i] / 3 + offset[k] for k, i in enumerate(row)]) for row in which]
    s = [np.concatenate([scores[i] for i in row]) for row in which]
    return np.stack(b)[:, :22743], np.stack(s)[:, :22743]


def measure(backend, images, torch_python):
    os.environ["KERAS_BACKEND"] = backend
    boxes, scores = outputs(images)
    torch = Torchvision(torch_python) if torch_python else None
    if torch and not torch.version:
        torch = None  # its Python has said why
    for b, s in ((boxes, scores), tiled(boxes, scores)):
        for threshold in (0.25, 0.001):
            for batch in (1, 8):
                print(json.dumps(compare(backend, b, s, threshold, batch, torch)), flush=True)
    if torch:
        torch.close()


def compare(backend, boxes, scores, threshold, batch, torch):
    from keras import ops

    from zoo.nms.greedy import default
    from zoo.ops.compile import xla

    ours = xla(lambda b, s: default(b, s, score_threshold=threshold, max_detections=KEPT))
    groups = [slice(i, i + batch) for i in range(0, 8, batch)]
    inputs = [(ops.convert_to_tensor(boxes[g]), ops.convert_to_tensor(scores[g])) for g in groups]
    same = True
    for group, (b, s) in zip(groups, inputs, strict=True):
        out = {k: ops.convert_to_numpy(v) for k, v in ours(b, s).items()}
        for k, image in enumerate(range(group.start, group.stop)):
            row, label = reference(boxes[image], scores[image], threshold)
            n = out["count"][k]
            same &= n == len(row) and np.array_equal(out["boxes"][k, :n], boxes[image][row])
            same &= np.array_equal(out["classes"][k, :n], label)
    work = {"zoo": lambda i: ops.convert_to_numpy(ours(*inputs[i])["count"])}
    peer = "tf.image.combined_non_max_suppression"
    if (combined := combined_nms(boxes, scores, threshold, groups)) is not None:
        work[peer] = combined
    calls = {name: partial(timed_turn, call, len(groups)) for name, call in work.items()}
    if torch:
        torch.load(boxes, scores, threshold, times=batch)
        calls["torchvision.ops.batched_nms"] = torch.run
    seconds = peers.turns(calls, rounds=ROUNDS)
    images = CALLS * batch
    ms = {k: round(1e3 * float(np.median(v)) / images, 4) for k, v in seconds.items()}
    ratios = {k: round(ms["zoo"] / v, 3) for k, v in ms.items() if k != "zoo"}
    return {
        "backend": backend, "boxes": boxes.shape[1], "threshold": threshold, "batch": batch,
        "same_as_greedy": bool(same), "ms_per_image": ms, "zoo_over": ratios,
    }  # fmt: skip


def timed_turn(call, groups):
    return peers.timed(lambda: [call(number % groups) for number in range(CALLS)])


def combined_nms(boxes, scores, threshold, groups):
    """Number of a group → its detections counted; None without TensorFlow."""
    try:
        import tensorflow as tf
    except ImportError:
        return None

    @tf.function
    def combined(b, s):
        return tf.image.combined_non_max_suppression(
            b, s, KEPT, KEPT, iou_threshold=IOU, score_threshold=threshold, clip_boxes=False
        )

    inputs = [(tf.constant(boxes[g][:, :, None]), tf.constant(scores[g])) for g in groups]
    return lambda i: combined(*inputs[i])[3].numpy()


class Torchvision:
    """torchvision's `batched_nms` in a Python of its own, which tells how long a turn took."""

    def __init__(self, python):
        self.process = subprocess.Popen(
            [python, "-c", TORCH_PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
        )  # fmt: skip
        self.version = self.process.stdout.readline().strip()

    def load(self, boxes, scores, threshold, times):
        """All images are its work, one by one, so many times."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "inputs.npz"
            np.savez(file, boxes=boxes, scores=scores, threshold=threshold, times=times)
            self.run(file)

    def run(self, file=""):
        self.process.stdin.write(f"{file}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def torchvision_version(python):
    if not python:
        return "absent"
    command = [python, "-c", "import torchvision; print(torchvision.__version__)"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "absent"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="folder of at least eight JPEG pictures")
    parser.add_argument("--backends", default="tensorflow,jax")
    parser.add_argument("--torch-python", help="a Python that has torchvision")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.backends, options.images, options.torch_python)
        return
    env = environment("keras", "tensorflow-cpu", "jax", "numpy")  # the load before, not ours
    cases = []
    for backend in options.backends.split(","):
        command = [sys.executable, __file__, "--one", "--images", options.images]
        command += ["--backends", backend]
        command += ["--torch-python", options.torch_python] if options.torch_python else []
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        cases += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    env["torchvision"] = torchvision_version(options.torch_python)
    name = "-".join(re.findall("[a-z0-9]+", env["cpu"].lower()))
    file = HERE / "results" / f"nms-{name}-{env['cores']}cores.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"environment": env, "cases": cases}, indent=1) + "\n")
    for case in cases:
        print(case)
    print(file)
    if not all(case["same_as_greedy"] for case in cases):
        sys.exit("the boxes kept are not those of greedy suppression")


if __name__ == "__main__":
    main()
