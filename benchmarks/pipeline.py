"""Training samples at 416, from JPEG files to batches: images for a second of CPU.

python benchmarks/pipeline.py --data DIR [--torch-python PYTHON] [--rounds 12] [--output FILE]

zoo and Ultralytics' YOLODataset (in a Python of its own, which `--torch-python` names) make the
same number of samples of the same images with the same augmentation, that which Ultralytics
defaults to: a mosaic of four on a canvas of twice the size, an affine movement that scales by 1 ±
0.5 and moves by 0.1, hue, saturation and value, a mirror. They take turns, a few batches at a time;
each has one thread, and its CPU seconds count, so that other processes disturb less.

Batches end as uint8, the model's own first step casts them. Two ways to the pixels:

- `uncached`: as with a data set that does not fit into memory. The image of each position is
  decoded, the other three of a mosaic are among those decoded lately (zoo: the last 256, whole;
  Ultralytics: 8 batches, resized). How many files were decoded for an image is reported.
- `RAM`: every image was decoded before (zoo: whole; Ultralytics: resized).

`DIR` has `train/instances.json` and `train/images`, as COCO.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from peers import Peer, serve, turns

KINDS = ("uncached", "RAM")
#: Images for a CPU second of zoo over those of Ultralytics.
TARGETS = {"uncached": 1.5, "RAM": 2.0}
TRANSFORMS = (
    {"name": "fit"},
    {"name": "mosaic", "probability": 1.0, "canvas": 2, "cut": 0.25},
    {"name": "perspective", "translate": 0.1, "scale": 0.5},
    {"name": "hsv", "hue": 0.015, "saturation": 0.7, "value": 0.4},
    {"name": "flip"},
)
#: So often the data set stands in a row as if its images were new, where nothing is to be cached;
#: for Ultralytics as so many files.
REPEATS, COPIES = 1000, 3


# === The peers ===


def zoo_batches(options):
    import cv2

    cv2.setNumThreads(0)
    made = {kind: batches_of(options, kind) for kind in KINDS}
    serve(
        {kind: make for kind, (make, _) in made.items()}, {"opencv": cv2.__version__},
        lambda: {kind: count for kind, (_, count) in made.items()}, clock=time.process_time,
    )  # fmt: skip


def batches_of(options, kind):
    """A function that makes batches, and counts of images made and files decoded."""
    from zoo.data.training import RECENT, TrainingSamples, stacked
    from zoo.speed.stages import Watched

    source = Watched(source_of(options.data), repeats=1 if kind == "RAM" else REPEATS)
    samples = TrainingSamples(
        source, size=(options.size, options.size), mode="letterbox", batch_size=options.batch,
        max_boxes=200, transforms=TRANSFORMS, cache_mb=512 if kind == "uncached" else 2**20,
    )  # fmt: skip
    first = RECENT if kind == "uncached" else len(source)
    for position in range(first):
        samples.pixels(samples.index(position))
    before, count = source.decoded, {"images": 0, "decoded": 0}

    def make():
        for _ in range(options.batches):
            start = first + count["images"]
            x, _ = stacked([samples(start + row) for row in range(options.batch)])
            assert x.shape == (options.batch, options.size, options.size, 3)
            count["images"] += options.batch
        count["decoded"] = source.decoded - before

    return make, count


def ultralytics_batches(options):
    from ultralytics_data import batches_of, versions

    made = {
        kind: batches_of(options.yolo, options.size, options.batch, options.batches, kind == "RAM")
        for kind in KINDS
    }
    serve(
        {kind: make for kind, (make, _) in made.items()}, versions(),
        lambda: {kind: count for kind, (_, count) in made.items()}, clock=time.process_time,
    )  # fmt: skip


def source_of(root):
    from zoo.data.sources import open_source

    return open_source({"name": "coco_json", "root": root}, "train")


def yolo_folder(source, root):
    """Write a data set as Ultralytics reads it: images, a text file of labels each, names."""
    for name in ("images", "labels"):
        for copy in range(COPIES):
            (root / name / str(copy)).mkdir(parents=True)
    for index in range(len(source)):
        path, labels, (height, width) = source.path(index), source.labels(index), source.size(index)
        rows = []
        for (x0, y0, x1, y1), number, crowd in zip(
            labels.boxes.tolist(), labels.classes, labels.crowd, strict=True
        ):
            box = (
                (x0 + x1) / 2 / width,
                (y0 + y1) / 2 / height,
                (x1 - x0) / width,
                (y1 - y0) / height,
            )
            if not crowd:
                rows.append(f"{number} " + " ".join(f"{value:.6f}" for value in box))
        for copy in range(COPIES):
            (root / "images" / str(copy) / path.name).symlink_to(path.resolve())
            (root / "labels" / str(copy) / f"{path.stem}.txt").write_text("\n".join(rows) + "\n")
    (root / "names.json").write_text(json.dumps(source.class_names))


# === All of them, in turn ===


def measure(options, folder):
    command = [
        __file__, "--data", options.data, "--size", options.size, "--batch", options.batch,
        "--batches", options.batches, "--yolo", folder, "--serve",
    ]  # fmt: skip
    peers = {"zoo": Peer([sys.executable, *command, "zoo"])}
    if options.torch_python:
        peers["ultralytics"] = Peer([options.torch_python, *command, "ultralytics"])
    facts = {name: peer.facts for name, peer in peers.items()}
    calls = {
        f"{name}: {kind}": lambda peer=peer, kind=kind: peer.ask(kind)
        for name, peer in peers.items()
        for kind in (KINDS if peer.facts else ())
    }
    seconds = turns(calls, rounds=options.rounds)
    counts = {name: peer.close() for name, peer in peers.items() if peer.facts}
    return seconds, facts, counts


def rows_of(seconds, counts, images):
    """Name → images for a CPU second, and files decoded for an image."""
    rows = {}
    for name, values in seconds.items():
        who, _, kind = name.partition(": ")
        count = counts[who][kind]
        rows[name] = {
            "images_per_cpu_second": images / statistics.median(values),
            "cpu_ms": 1e3 * statistics.median(values) / images,
            "least_cpu_ms": 1e3 * min(values) / images,
            "decoded_per_image": count["decoded"] / count["images"],
        }
    return rows


def verdicts(rows):
    """The targets; where the peer is absent they have no value."""
    from results import ratio, verdict

    for kind, least in TARGETS.items():
        ours, theirs = (
            rows.get(f"{who}: {kind}", {}).get("images_per_cpu_second")
            for who in ("zoo", "ultralytics")
        )
        yield verdict(f"{kind}: zoo / Ultralytics", ratio(ours, theirs), least=least)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="a folder in COCO's format")
    parser.add_argument("--torch-python", help="a Python that has ultralytics")
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--batches", type=int, default=4, help="batches of a turn")
    parser.add_argument("--rounds", type=int, default=12, help="turns of each that are timed")
    parser.add_argument("--output", help="JSON file; by default results/pipeline.json")
    parser.add_argument("--yolo", help=argparse.SUPPRESS)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        (ultralytics_batches if options.serve == "ultralytics" else zoo_batches)(options)
        return
    from environment import environment
    from results import bars, table, targets, write

    here = environment("keras", "opencv-python-headless", "numpy")  # the load before, not ours
    with tempfile.TemporaryDirectory() as folder:
        yolo_folder(source_of(options.data), Path(folder))
        seconds, facts, counts = measure(options, folder)
    rows = rows_of(seconds, counts, options.batch * options.batches)
    judged = list(verdicts(rows))
    result = {
        "environment": here, "size": options.size, "batch": options.batch,
        "images_of_a_turn": options.batch * options.batches, "rounds": options.rounds,
        "peers": facts, "rows": rows, "targets": judged,
    }  # fmt: skip
    columns = list(next(iter(rows.values())))
    lines = [(name, *(float(row[column]) for column in columns)) for name, row in rows.items()]
    lines += [(name, *[None] * len(columns)) for name, peer in facts.items() if peer is None]
    table(f"training samples at {options.size}; medians", ["", *columns], lines)
    targets(judged)
    file = write(result, options.output, "pipeline.json")
    rates = {name: row["images_per_cpu_second"] for name, row in rows.items()}
    bars(file.with_suffix(".png"), {"training samples for a CPU second": rates})


if __name__ == "__main__":
    main()
