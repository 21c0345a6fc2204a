"""COCO's 12 numbers at the size of val2017: zoo's evaluation (hotcoco) beside pycocotools.

python benchmarks/metrics.py [--pycocotools-python PYTHON] [--data DIR] [--output FILE]

5,000 images and about 495,000 detections, drawn as a detector finds them: boxes near the truth,
some of them twice, and many where there is nothing. Both libraries have a process of their own and
take turns from the detections to the 12 numbers, which must be the same to the last bit: zoo as its
evaluation does, which is given them image by image, pycocotools from lists of dictionaries.

With `--data`, a folder in COCO's format, memory of whole evaluations: a tiny network with random
weights, which finds 100 boxes in every image, over 200 and over 400 images, in fresh processes.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import statistics
import sys

import numpy as np
from peers import Peer, memory_mib, once, say, serve, turns

CLASSES, SIDES = 80, (480, 640)
#: COCO's val2017 has 36,781 boxes in 5,000 images.
TRUTHS, FOUND = 7.36, 99


# === What is evaluated ===


class Drawn:
    """A source of labels without pixels, and what a detector may find in its images."""

    def __init__(self, images, seed=0):
        rng = np.random.default_rng(seed)
        self.class_names = [str(n) for n in range(CLASSES)]
        self.category_ids = list(range(1, CLASSES + 1))
        frequency = 1 / np.arange(2, CLASSES + 2)  # a few classes are most of COCO
        frequency /= frequency.sum()
        self._labels = [_truth(rng, frequency) for _ in range(images)]
        self.found = [_found(rng, frequency, labels) for labels in self._labels]

    def __len__(self):
        return len(self._labels)

    def labels(self, index):
        return self._labels[index]


def _truth(rng, frequency):
    from zoo.data.sample import Labels

    number = rng.geometric(1 / (TRUTHS + 1)) - 1
    classes = rng.choice(CLASSES, number, p=frequency)
    return Labels.of(_boxes(rng, number), classes, crowd=rng.random(number) < 0.01)


def _boxes(rng, number):
    height, width = SIDES
    extent = np.exp(rng.uniform(np.log(8), np.log([width, height]), (number, 2)))
    corner = rng.random((number, 2)) * ([width, height] - extent)
    return np.concatenate([corner, corner + extent], axis=1)


def _found(rng, frequency, labels):
    """Boxes xyxy, scores and classes of about `FOUND` detections, as arrays."""
    hits = np.repeat(np.arange(len(labels)), rng.integers(0, 3, len(labels)))[:FOUND]
    extent = np.tile(labels.boxes[hits, 2:] - labels.boxes[hits, :2], 2)
    near = labels.boxes[hits] + rng.normal(0, 0.08, (len(hits), 4)) * extent
    wrong = rng.random(len(hits)) < 0.15
    classes = np.where(wrong, rng.choice(CLASSES, len(hits), p=frequency), labels.classes[hits])
    false = rng.integers(FOUND - 1, FOUND + 2) - len(hits)
    scores = np.concatenate([rng.beta(4, 3, len(hits)), rng.beta(1, 12, false)])
    return (
        np.concatenate([near, _boxes(rng, false)]).astype("float32"),
        scores.astype("float32"),
        np.concatenate([classes, rng.choice(CLASSES, false, p=frequency)]),
    )


# === The peers ===


def gathered(source):
    """The ground truth, and all detections."""
    from zoo.evaluation.coco import ground_truth
    from zoo.evaluation.found import Found

    found, categories = Found(), np.array(source.category_ids)
    for image, (xyxy, scores, classes) in enumerate(source.found):
        found.add(image, xyxy, scores, categories[classes])
    return ground_truth(source), found


def ours(options):
    from zoo.evaluation.coco import coco_numbers

    source = Drawn(options.images)
    truth, found = gathered(source)
    numbers = {}
    run(
        {
            "gather": lambda: gathered(source),
            "numbers": lambda: numbers.update(now=list(coco_numbers(truth, found).values())),
        },
        numbers,
        {"detections": len(found)},
    )


def pycocotools(options):
    from importlib.metadata import version

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = gathered(Drawn(options.images))
    numbers, detections = {}, list(found)

    def evaluate():
        with contextlib.redirect_stdout(io.StringIO()):
            reference = COCO()
            reference.dataset = truth
            reference.createIndex()
            evaluation = COCOeval(reference, reference.loadRes(detections), "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        numbers["now"] = evaluation.stats.tolist()

    run({"numbers": evaluate}, numbers, {"pycocotools": version("pycocotools")})


def run(calls, numbers, facts):
    before = memory_mib("VmRSS")
    serve(calls, facts, lambda: {"numbers": numbers["now"], "mib": memory_mib() - before})


def evaluation(options):
    """Memory of an evaluation of `options.images` images, those of a folder again and again."""
    import keras

    import zoo
    from zoo.data.sources import open_source
    from zoo.evaluation.run import evaluate
    from zoo.speed.stages import Watched

    keras.utils.set_random_seed(0)
    root = {"name": "coco_json", "root": options.data}
    source = Watched(open_source(root, "val"), repeats=options.images)
    names, most = source.class_names, options.images
    detector = zoo.build(
        "yolov4_tiny", names, ["+model.backbone.stem=4", "model.image_size=[96,96]"]
    )
    evaluate(detector, First(source, 16), max_candidates=512, score_threshold=1e-6)
    gc.collect()
    before = memory_mib("VmRSS")
    result = evaluate(detector, First(source, most), max_candidates=512, score_threshold=1e-6)
    gc.collect()
    after = memory_mib("VmRSS")
    say({"detections": len(result.found), "before": before, "after": after, "peak": memory_mib()})


class First:
    """The first images of a source."""

    def __init__(self, source, number):
        self._source, self._number = source, number

    def __len__(self):
        return self._number

    def __getattr__(self, name):
        return getattr(self._source, name)


# === All of them ===


def measure(options):
    python = {"zoo": sys.executable, "pycocotools": options.pycocotools_python or sys.executable}
    command = [__file__, "--images", options.images, "--serve"]
    peers = {name: Peer([python[name], *command, name]) for name in python}
    peers = {name: peer for name, peer in peers.items() if peer.facts}
    calls = {
        f"{name}: {what}": lambda peer=peer, what=what: peer.ask(what)
        for name, peer in peers.items()
        for what in peer.facts["calls"]
    }
    seconds = turns(calls, rounds=options.rounds, warm_up=0)
    facts = {name: peer.facts for name, peer in peers.items()}
    return seconds, facts, {name: peer.close() for name, peer in peers.items()}


def verdicts(median, last):
    from results import ratio, verdict

    numbers, gather = median["zoo: numbers"], median["zoo: gather"]
    theirs = median.get("pycocotools: numbers")
    yield verdict(
        "gathering and numbers: zoo / pycocotools", ratio(gather + numbers, theirs), most=0.03
    )
    yield verdict("numbers alone: zoo / pycocotools", ratio(numbers, theirs))
    both = [last[name]["numbers"] for name in last]
    equal = sum(len(set(pair)) == 1 for pair in zip(*both, strict=True)) if len(both) > 1 else None
    yield verdict("numbers equal to the last bit", equal, least=12)


def growth(options):
    """MiB that an evaluation adds, by the number of images; what its detections take of it."""
    command = [sys.executable, __file__, "--data", options.data, "--serve", "evaluation"]
    return {n: once([*command, "--images", n]) for n in options.growth}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pycocotools-python", help="a Python with pycocotools and zoo's packages")
    parser.add_argument("--data", help="folder in COCO's format, to measure memory with")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--growth", type=int, nargs=2, default=(200, 400), help="images evaluated")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", help="JSON file; by default results/metrics.json")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        {"zoo": ours, "pycocotools": pycocotools, "evaluation": evaluation}[options.serve](options)
        return
    from environment import environment
    from results import table, targets, write

    here = environment("hotcoco", "pycocotools", "numpy")
    seconds, facts, last = measure(options)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    judged = list(verdicts(median, last))
    result = {"environment": here, "images": options.images, "rounds": options.rounds,
              "peers": facts, "seconds": median, "last": last, "targets": judged}  # fmt: skip
    title = f"{options.images} images, {facts['zoo']['detections']} detections; medians"
    memory = {name: last[name]["mib"] for name in last}
    table(title, ["", "seconds"], median.items())
    table("memory above the lists", ["", "MiB"], memory.items())
    if options.data:
        result["evaluation_mib"] = found = growth(options)
        rows = [
            (n, *(m.get(k) for k in ("detections", "before", "after", "peak")))
            for n, m in found.items()
        ]
        table("a whole evaluation, MiB", ["images", "detections", "before", "after", "peak"], rows)
    targets(judged)
    write(result, options.output, "metrics.json")


if __name__ == "__main__":
    main()
