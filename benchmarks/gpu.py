"""yolov4 at 512 in bfloat16 on the device that JAX finds: training, inference, loss and NMS.

python benchmarks/gpu.py [--model yolov4] [--size 512] [--batches 8,16,32,64] [--output FILE]

A checkout with keras, jax and grain is enough: no TensorFlow, no Hydra. The data lie on the device;
some calls are sent off one after another, as `fit` does, and waited for together.

The roofline: FLOPs are counted in the network (2 · weights · pixels of each convolution, once for
the forward pass and twice for the gradients), bytes are XLA's estimate of what its compiled program
reads and writes. The shares are of the card's dense bfloat16 rate and of its memory bandwidth, as
its maker states them; on a device that is not in the table they are absent.
"""

from __future__ import annotations

import argparse
import math
import os
import time

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
import numpy as np
from batch import batch_of
from environment import environment
from results import ratio, table, targets, verdict, write
from step import Counted, JaxStep, loss_of

from zoo.deployment.fold import fold
from zoo.prediction import DecodeAndSuppress
from zoo.training.sgd import SGD

#: Part of the name that JAX gives a card → dense bfloat16 FLOP/s, bytes a second, as in NVIDIA's
#: data sheets of these cards. Those give the rate with sparsity for H100, H200 and L4: half of it.
CARDS = {
    "H100 80GB HBM3": (989.4e12, 3.35e12),  # SXM
    "H100 PCIe": (756e12, 2.0e12),
    "H200": (989.4e12, 4.8e12),
    "A100-SXM4-80GB": (312e12, 2.039e12),
    "A100-SXM4-40GB": (312e12, 1.555e12),
    "L4": (121e12, 0.3e12),
}
#: `conf/model`, composed; a test holds them to it. Hydra, which composes, may not be here.
NMS = {"name": "greedynms", "score_threshold": 0.25, "iou_threshold": 0.45}
MODELS = {
    "yolov4": {
        "backbone": {"name": "cspdarknet53"},
        "neck": {"name": "spp_pan"},
        "head": {
            "name": "yolo",
            "anchors": [[12, 16], [19, 36], [40, 28], [36, 75], [76, 55], [72, 146], [142, 110],
                        [192, 243], [459, 401]],
            "masks": {"P3": [0, 1, 2], "P4": [3, 4, 5], "P5": [6, 7, 8]},
            "scale_xy": {"P3": 1.2, "P4": 1.1, "P5": 1.05},
        },
        "loss": {"name": "yolo", "box": "ciou", "box_normalizer": 0.07, "iou_threshold": 0.213,
                 "max_delta": 5},
        "nms": NMS, "name": "yolov4", "image_size": [608, 608], "resize": "stretch",
    },
    "yolov4_tiny": {
        "backbone": {"name": "cspdarknet_tiny"},
        "neck": {"name": "tiny_fpn"},
        "head": {
            "name": "yolo",
            "anchors": [[10, 14], [23, 27], [37, 58], [81, 82], [135, 169], [344, 319]],
            "masks": {"P5": [3, 4, 5], "P4": [1, 2, 3]},
            "scale_xy": 1.05,
            "widths": {"P5": 512, "P4": 256},
        },
        "loss": {"name": "yolo", "box": "ciou", "box_normalizer": 0.07},
        "nms": NMS, "name": "yolov4_tiny", "image_size": [416, 416], "resize": "stretch",
    },
}  # fmt: skip
CLASSES = [str(n) for n in range(80)]


# === What is measured ===


def detector_of(options):
    """What `zoo.train` trains with `precision=mixed_bfloat16`."""
    cfg = {**MODELS[options.model], "image_size": [options.size, options.size]}
    detector = Counted(cfg, CLASSES)
    detector.compile(optimizer=SGD(), jit_compile=True)
    detector.optimizer.build(detector.trainable_variables)
    return detector


def training(detector, x, y):
    """The compiled step, a call that sends one off, and what to wait for."""
    step = JaxStep(detector, *jax.device_put((x, y)))
    compiled = step.lowered().compile()

    def send():
        logs, step.state = compiled(step.state, step.data)
        return step.state, logs

    return compiled, send


def inference(model, x):
    """Images → what the model gives, compiled as `predict` compiles it."""
    variables = [[v.value for v in group] for group in
                 (model.trainable_variables, model.non_trainable_variables)]  # fmt: skip

    def forward(trainable, others, images):
        return model.stateless_call(trainable, others, images, training=False)[0]

    arguments = (*variables, jax.device_put(x))
    compiled = jax.jit(forward).lower(*arguments).compile()
    return compiled, lambda: compiled(*arguments)


def suppression(options, batch, threshold):
    """Decoding and NMS of noise that has objects in one prediction of some hundred."""
    cfg, rng = MODELS[options.model], np.random.default_rng(0)
    suppress = DecodeAndSuppress(cfg["head"], len(CLASSES), {**NMS, "score_threshold": threshold})
    raw = {}
    for level, mask in cfg["head"]["masks"].items():
        side = options.size // 2 ** int(level[1:])
        logits = rng.normal(0, 2, (batch, side, side, len(mask), 85))
        logits[..., 4] -= 6
        logits[..., 5:] -= 3
        raw[level] = jax.device_put(logits.reshape(batch, side, side, -1).astype("float32"))
    return lambda: suppress(raw)


def seconds_of(send, options):
    """Of one call, the median of some groups that are sent off together and then waited for."""
    jax.block_until_ready(send())
    taken = []
    for _ in range(options.groups):
        start = time.perf_counter()
        for _ in range(options.calls):
            last = send()
        jax.block_until_ready(last)
        taken.append((time.perf_counter() - start) / options.calls)
    return float(np.median(taken))


# === FLOPs, bytes, roofs ===


def forward_flops(detector, size):
    """Multiplications and additions of the convolutions for one image; nothing is computed."""
    variables = [[v.value for v in group] for group in
                 (detector.trainable_variables, detector.non_trainable_variables)]  # fmt: skip
    image = jax.ShapeDtypeStruct((1, size, size, 3), "float32")
    program = jax.make_jaxpr(lambda x: detector.stateless_call(*variables, x, training=False)[0])
    return convolution_flops(program(image).jaxpr)


def convolution_flops(program):
    """2 · weights · pixels of all convolutions in a program of JAX, those of its parts too."""
    total = 0
    for equation in program.eqns:
        if equation.primitive.name == "conv_general_dilated":
            kernel, output = equation.invars[1].aval.shape, equation.outvars[0].aval.shape
            layout = equation.params["dimension_numbers"]
            channels = kernel[layout.rhs_spec[0]]
            total += 2 * math.prod(kernel) * math.prod(output) // channels
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            total += convolution_flops(inner) if hasattr(inner, "eqns") else 0
    return total


def roofline(flops, moved, seconds, card):
    """Rates, shares of the card's, and which of the two bounds a program of that intensity."""
    peak, bandwidth = card or (None, None)
    intensity = ratio(flops, moved)
    roof = min(peak, intensity * bandwidth) if card and intensity else None
    return {
        "tflop": flops / 1e12, "gigabytes": moved / 1e9, "flop_per_byte": intensity,
        "tflop_per_second": flops / seconds / 1e12, "gigabytes_per_second": moved / seconds / 1e9,
        "share_of_peak": ratio(flops / seconds, peak),
        "share_of_bandwidth": ratio(moved / seconds, bandwidth),
        "share_of_roof": ratio(flops / seconds, roof),
        "bound_by": roof and ("compute" if roof == peak else "bandwidth"),
    }  # fmt: skip


def card_of(kind):
    """The rates of the card that JAX calls so; None if it is not in the table."""
    found = [rates for name, rates in CARDS.items() if f" {kind}".endswith(f" {name}")]
    return found[0] if found else None


def cost(compiled):
    found = compiled.cost_analysis()
    return (found[0] if isinstance(found, list) else found).get("bytes accessed", 0.0)


def needed_gib(compiled):
    """Device memory of a compiled program: arguments, outputs and what lies between."""
    found = compiled.memory_analysis()
    parts = (found.argument_size_in_bytes, found.output_size_in_bytes, found.temp_size_in_bytes)
    return (sum(parts) - found.alias_size_in_bytes) / 2**30


# === All of it ===


def of_batch(options, detector, batch, flops, card):
    """Rows of one batch size."""
    x, y = batch_of(batch, options.size)
    light = fold(detector)  # as `zoo.detect` runs it
    for what in ("training", "inference", "inference with NMS"):
        if what == "training":
            compiled, send = training(detector, x, y)
        else:
            compiled, send = inference(light.predictor() if "NMS" in what else light, x)
        seconds = seconds_of(send, options)
        passes = 3 if what == "training" else 1
        row = {"what": what, "batch": batch, "ms": 1e3 * seconds}
        row |= {"images_per_second": batch / seconds, "device_gib": needed_gib(compiled)}
        yield row | roofline(passes * flops * batch, cost(compiled), seconds, card)
        del compiled, send
    parts = {"loss and its gradient": loss_of(detector, x, y)}
    for threshold in (0.25, 0.001):
        parts[f"NMS at {threshold}"] = suppression(options, batch, threshold)
    for what, send in parts.items():
        yield {"what": what, "batch": batch, "ms": 1e3 * seconds_of(send, options)}


def measure(options, card):
    keras.mixed_precision.set_global_policy(options.precision)
    detector = detector_of(options)
    flops, rows, failed = forward_flops(detector, options.size), [], {}
    for batch in options.batches:
        try:
            for row in of_batch(options, detector, batch, flops, card):
                print(f"batch {batch}, {row['what']}: {row['ms']:.2f} ms", flush=True)
                rows.append(row)
        except jax.errors.JaxRuntimeError as error:  # what is larger does not fit either
            failed[batch] = str(error).splitlines()[0]
            break
    return flops, rows, failed, detector.traces


def show(rows, flops, options, kind):
    columns = {
        "what": "", "batch": "batch", "ms": "ms", "images_per_second": "images/s",
        "device_gib": "GiB", "tflop_per_second": "TFLOP/s", "share_of_peak": "of peak",
        "gigabytes_per_second": "GB/s", "share_of_bandwidth": "of bandwidth",
        "flop_per_byte": "FLOP/byte", "share_of_roof": "of roof", "bound_by": "bound by",
    }  # fmt: skip
    title = f"{options.model} {options.size}, {options.precision}, {kind}; "
    title += f"{flops / 1e9:.2f} GFLOP an image forward"
    table(title, list(columns.values()), [[row.get(key, "–") for key in columns] for row in rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="yolov4", choices=MODELS)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batches", default="8,16,32,64", type=lambda s: [*map(int, s.split(","))])
    parser.add_argument("--precision", default="mixed_bfloat16")
    parser.add_argument("--groups", type=int, default=5, help="of which the median is taken")
    parser.add_argument("--calls", type=int, default=10, help="in a group")
    parser.add_argument("--output", help="JSON file; by default results/gpu-<card>.json")
    options = parser.parse_args()
    kind = jax.devices()[0].device_kind
    card, here = card_of(kind), environment("keras", "jax", "jaxlib", "grain", "numpy")
    flops, rows, failed, traces = measure(options, card)
    trained = [row["share_of_peak"] for row in rows if row["what"] == "training"]
    best = max((share for share in trained if share is not None), default=None)
    # A trace for each batch size; a failed one may have been traced too.
    sizes = len({row["batch"] for row in rows if row["what"] == "training"} | set(failed))
    judged = [
        verdict("training, share of the card's dense bfloat16 peak, best batch", best, least=0.3),
        verdict("traces of the training step / batch sizes", ratio(traces, sizes), most=1),
    ]
    show(rows, flops, options, kind)
    targets(judged)
    result = {
        "environment": here, "device": kind, "devices": len(jax.devices()),
        "peak_and_bandwidth": card, "xla_flags": os.environ.get("XLA_FLAGS", ""),
        "model": options.model, "size": options.size, "precision": options.precision,
        "forward_flops": flops, "rows": rows, "failed": failed, "targets": judged,
    }  # fmt: skip
    write(result, options.output, f"gpu-{'-'.join(kind.lower().split())}.json")


if __name__ == "__main__":
    main()
