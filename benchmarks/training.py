"""A training step of yolov4_tiny at 416 with batches of 8, and where its time goes.

python benchmarks/training.py [--torch-python PYTHON] [--rounds 12] [--output FILE]

Keras on TensorFlow, Keras on JAX and Ultralytics have a process each and take turns, call by call;
so does a product of two matrices, which says what the machine can do. Ultralytics runs in a Python
of its own, which `--torch-python` names; without one it is reported as absent.

FLOPs of a step are three times those of the forward pass (itself, the gradients of the inputs and
of the weights), counted for both networks alike: convolutions 2 · weights · pixels, pools window ·
outputs. The share of sgemm is FLOPs / seconds / the rate of the matrix product in the same run.

TensorFlow's step is measured three ways, because that is what `zoo` chooses from: as it is (only
the loss compiled with XLA, what `zoo.train` does on a CPU), whole in XLA, and in bfloat16.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys

from peers import Peer, serve, timed, turns

#: Darknet (AVX, OpenMP), yolov4-tiny on a machine of this kind, images a second. From another run
#: than this one: Darknet is no peer here.
DARKNET = 1.7
CLASSES, STEPS = 80, 5
FULL, TRIVIAL, LOSS = "step", "step, trivial loss", "loss alone"
XLA, HALF = "step, all of it in XLA", "step, bfloat16"
KERAS = {"tensorflow": (FULL, TRIVIAL, LOSS, XLA, HALF), "jax": (FULL, TRIVIAL, LOSS)}
SGEMM = (2048, 4096)


# === The peers ===


def keras_steps(options):
    """The steps of one backend, that of KERAS_BACKEND, and their FLOPs."""
    from batch import batch_of
    from step import loss_of

    from zoo.model_card.counting import count_flops

    x, y = batch_of(options.batch, options.size, num_classes=CLASSES)
    detector = detector_of(options)
    flops = count_flops(detector, (options.size, options.size))
    calls, counted = {}, {}
    for name in KERAS[options.serve]:
        if name == LOSS:
            calls[name] = loss_of(detector, x, y)
        else:
            calls[name], counted[name] = step_of_kind(name, options, x, y)
    serve(
        calls, {"forward_flops": flops}, lambda: {k: model.traces for k, model in counted.items()}
    )


def step_of_kind(name, options, x, y):
    """A step, and its detector."""
    import keras
    from step import step_of

    keras.mixed_precision.set_global_policy("mixed_bfloat16" if name == HALF else "float32")
    detector = detector_of(options, trivial=name == TRIVIAL)
    if name == XLA:
        detector.jit_compile = True
    return step_of(detector, x, y), detector


def detector_of(options, trivial=False):
    """What `zoo.train model=yolov4_tiny` trains, compiled as it compiles it."""
    from step import Bare, Counted

    from zoo import config
    from zoo.training.devices import Devices
    from zoo.training.run import compile_detector

    size = f"image_size=[{options.size},{options.size}]"
    cfg = config.plain(config.compose("train", ["model=yolov4_tiny", size]))
    model = {**cfg["model"], "image_size": cfg["image_size"]}
    detector = (Bare if trivial else Counted)(model, [str(n) for n in range(CLASSES)])
    compile_detector(detector, cfg, total_steps=1000, devices=Devices())
    return detector


def ultralytics_steps(options):
    from ultralytics_step import forward_flops, step_of, versions

    full, model = step_of(options.size, options.batch)
    half, _ = step_of(options.size, options.batch, bfloat16=True)
    serve(
        {FULL: full, HALF: half},
        {**versions(), "forward_flops": forward_flops(model, options.size)},
    )


def matrix_products():
    """Size → a product of two matrices of that size, by the kernels made for this processor."""
    # Before NumPy comes: with it machines keep OpenBLAS to the instructions of an older processor.
    os.environ.pop("OPENBLAS_CORETYPE", None)
    import numpy as np

    rng = np.random.default_rng(0)
    pairs = {n: [rng.random((n, n), "float32") for _ in range(2)] for n in SGEMM}
    return {f"sgemm {n}": (lambda a=a, b=b: a @ b) for n, (a, b) in pairs.items()}


# === All of them, in turn ===


def peers_of(options):
    """Name → a peer, None where its library is missing."""
    command = [__file__, "--size", options.size, "--batch", options.batch, "--serve"]
    peers = {
        backend: Peer([sys.executable, *command, backend], KERAS_BACKEND=backend)
        for backend in options.backends.split(",")
    }
    peers["ultralytics"] = None
    if options.torch_python:
        peers["ultralytics"] = Peer([options.torch_python, *command, "ultralytics"])
    return {name: peer if peer and peer.facts else None for name, peer in peers.items()}


def measure(options):
    peers = peers_of(options)
    calls = {name: (lambda call=call: timed(call)) for name, call in matrix_products().items()}
    for name, peer in peers.items():
        for what in peer.facts["calls"] if peer else []:
            calls[f"{name}: {what}"] = lambda peer=peer, what=what: peer.ask(what)
    seconds = turns(calls, rounds=options.rounds, warm_up=STEPS - 1)
    facts = {name: peer and peer.facts for name, peer in peers.items()}
    traces = {name: peer.close() for name, peer in peers.items() if peer}
    return seconds, facts, traces


def rows_of(seconds, facts, options):
    """Name → milliseconds, images a second, and share of sgemm."""
    median = {name: statistics.median(values) for name, values in seconds.items()}
    peak = max(2 * n**3 / median[f"sgemm {n}"] for n in SGEMM)
    rows = {}
    for name, value in median.items():
        who, _, what = name.partition(": ")
        if not what:
            continue
        rows[name] = row = {"ms": 1e3 * value, "least_ms": 1e3 * min(seconds[name])}
        if what != LOSS:
            flops = training_flops(facts[who]["forward_flops"], options.batch)
            row |= {
                "images_per_second": options.batch / value,
                "share_of_sgemm": flops / value / peak,
            }
    return rows, peak / 1e9


def training_flops(forward, batch):
    """FLOPs of a training step, from those of the forward pass of one image."""
    return 3 * forward * batch


def verdicts(rows, traces):
    """The targets; where a peer is absent its targets have no value."""
    from results import ratio, verdict

    def of(who, what, key):
        return rows.get(f"{who}: {what}", {}).get(key)

    ours, theirs = "tensorflow", "ultralytics"
    full, half = (of(ours, what, "share_of_sgemm") for what in (FULL, HALF))
    peer, peer_half = (of(theirs, what, "share_of_sgemm") for what in (FULL, HALF))
    ms = {what: of(ours, what, "ms") for what in KERAS[ours]}
    yield verdict("loss / step, TensorFlow", ratio(ms[LOSS], ms[FULL]), most=0.08)
    yield verdict(
        "step / step with a trivial loss, TensorFlow", ratio(ms[FULL], ms[TRIVIAL]), most=1.1
    )
    yield verdict("share of sgemm, float32 / Ultralytics' float32", ratio(full, peer), least=1.1)
    yield verdict("share of sgemm, bfloat16 / Ultralytics' float32", ratio(half, peer), least=1.4)
    yield verdict(
        "share of sgemm, bfloat16 / Ultralytics' bfloat16 autocast", ratio(half, peer_half)
    )
    rate = of(ours, FULL, "images_per_second")
    yield verdict(f"images/s / Darknet's {DARKNET} (of another run)", ratio(rate, DARKNET), least=3)
    yield verdict("step whole in XLA / as it is, TensorFlow", ratio(ms[XLA], ms[FULL]))
    for who, counted in traces.items():
        for what, number in (counted or {}).items():
            yield verdict(f"traces of {who}: {what}", number, most=1)
    if f"jax: {FULL}" in rows:
        jax = {what: of("jax", what, "ms") for what in KERAS["jax"]}
        yield verdict("loss / step, JAX", ratio(jax[LOSS], jax[FULL]))
        yield verdict("step / step with a trivial loss, JAX", ratio(jax[FULL], jax[TRIVIAL]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch-python", help="a Python that has ultralytics")
    parser.add_argument("--backends", default="tensorflow,jax")
    parser.add_argument("--size", type=int, default=416)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=12, help="calls of each that are timed")
    parser.add_argument("--output", help="JSON file; by default results/training.json")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        (ultralytics_steps if options.serve == "ultralytics" else keras_steps)(options)
        return
    from environment import environment
    from results import bars, table, targets, write

    here = environment("keras", "tensorflow-cpu", "jax", "numpy")  # the load before, not ours
    seconds, facts, traces = measure(options)
    rows, peak = rows_of(seconds, facts, options)
    judged = list(verdicts(rows, traces))
    result = {
        "environment": here, "size": options.size, "batch": options.batch,
        "rounds": options.rounds, "peers": facts, "sgemm_gflops": round(peak, 1),
        "traces": traces, "rows": rows, "targets": judged,
        "note": f"Darknet's {DARKNET} images/s are from another run; it is no peer in this one.",
    }  # fmt: skip
    columns = ["", "ms", "least_ms", "images_per_second", "share_of_sgemm"]
    lines = [
        (name, *(row.get(column, "–") for column in columns[1:])) for name, row in rows.items()
    ]
    lines += [(name, *[None] * 4) for name, peer in facts.items() if peer is None]
    title = f"yolov4_tiny {options.size} × {options.batch}; sgemm {peak:.0f} GFLOP/s; medians"
    table(title, columns, lines)
    targets(judged)
    file = write(result, options.output, "training.json")
    share = {k: row.get("share_of_sgemm") for k, row in rows.items()}
    shown = {k: value and 100 * value for k, value in share.items()}
    milliseconds = {k: row["ms"] for k, row in rows.items()}
    bars(file.with_suffix(".png"), {"a step, ms": milliseconds, "share of sgemm, %": shown})


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
