"""OpenCV's reader of Darknet's files, an implementation that shares no code with ours."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from zoo.darknet.cfg import Section, to_bytes
from zoo.darknet.file import FLOAT, read_header
from zoo.darknet.plan import Plan
from zoo.darknet.sections.weighted import strides_of
from zoo.errors import ZooError
from zoo.verification.inputs import Input, to_pixels
from zoo.verification.reference import Difference, Tolerances, difference
from zoo.verification.suppression import LIMITS, suppressed

INSTEAD = "give golden data as reference=FILE.npz"
#: Added to every variance. OpenCV normalises by √(variance + 1e-6) where AlexeyAB's Darknet has
#: 1e-5 [opencv darknet_io.cpp: `eps`; blas.c:normalize_cpu]: with this, it divides by the same
#: number. Without it heads of large networks differ by up to 5e-3, with it by 5e-5.
EPSILON = 1e-5 - 1e-6
#: OpenCV calls an activation by the number of the layer after the one that it ends.
ACTIVATIONS = {"leaky", "logistic", "mish", "relu", "swish", "tanh"}
#: Where a cfg is told to give all scores: by itself OpenCV leaves out those below 0.2.
YOLO = re.compile(r"^(\s*\[\s*yolo\s*\][^\n]*)$", re.MULTILINE)
#: Keys that OpenCV does not look at, and their values that say nothing; found by comparing each
#: with Darknet's arithmetic. What else it does not know, it refuses.
IGNORED: dict[str, dict[str, float]] = {
    "convolutional": {"dilation": 1, "antialiasing": 0},
    "maxpool": {"maxpool_depth": 0, "antialiasing": 0},
    "scale_channels": {"scale_wh": 0},
    "softmax": {"temperature": 1},
    "upsample": {"scale": 1},
}
#: Outputs that are held at once, in numbers: 256 MB.
CHUNK = 1 << 26


class OpenCV:
    """Reference: the same cfg, weights and input through `cv2.dnn` on this machine's CPU.

    Layers are not fused and not approximated by Winograd's algorithm; what is left is the order
    of float32 sums, hence the tolerances of the golden files of synthetic weights.

    Args:
        plan: the cfg, at the size of the input.
        weights: the `.weights` file.
        nms: plain config of the model's NMS.
        picture: what goes in.

    Raises:
        ZooError: this OpenCV has no such reader (version 5), or the reader refuses the files, or
            ignores a key of the cfg.
    """

    tolerances = Tolerances(layer=1e-4, logit=2e-4, box=1e-4, score=1e-4)
    thresholds: tuple[float, ...] = (0.25, 0.005)

    def __init__(
        self,
        plan: Plan,
        weights: str | os.PathLike[str],
        nms: Mapping[str, Any],
        picture: Input,
    ):
        self.name = f"OpenCV {cv2.__version__}, its reader of Darknet files"
        self._plan, self._nms, self._picture = plan, nms, picture
        self._net = read_net(plan, weights)
        self._names = layer_names(self._net)
        self._heads = [layer.index for layer in plan.of_kind("yolo")]
        self._held: dict[int, np.ndarray] = {}

    def difference(self, index: int, ours: np.ndarray) -> Difference | None:
        """See `Reference`; asked for in falling index, it recomputes everything each time."""
        if index not in self._names:
            return None
        if index not in self._held:
            self._held = self._forward(self._picture.network, self._chunk(index))
        theirs = self._held.pop(index)
        if theirs.ndim == 4:
            theirs = theirs[0].transpose(1, 2, 0)
        if theirs.shape != ours.shape:
            return Difference(float("inf"), float(np.abs(theirs).max(initial=0)))
        return difference(ours, theirs)

    def _chunk(self, start: int) -> list[int]:
        """Consecutive layers from `start` whose outputs fit the budget."""
        chunk: list[int] = []
        numbers = 0
        for layer in self._plan.layers[start:]:
            numbers += layer.output.size
            if chunk and numbers > CHUNK:
                break
            if layer.index in self._names:
                chunk.append(layer.index)
        return chunk

    def _forward(self, image: np.ndarray, indices: Sequence[int]) -> dict[int, np.ndarray]:
        self._net.setInput(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
        try:
            outputs = self._net.forward([self._names[index] for index in indices])
        except cv2.error as error:
            raise ZooError(
                f"OpenCV cannot run {self._plan.cfg.source}: {error.err}; {INSTEAD}"
            ) from error
        return dict(zip(indices, (np.asarray(output) for output in outputs), strict=True))

    def boxes(self, head: int) -> tuple[np.ndarray, np.ndarray | None]:
        """See `Reference`."""
        rows = self._rows(self._picture.network)[head]
        return rows[:, :4], rows[:, 5:]

    def _rows(self, image: np.ndarray) -> list[np.ndarray]:
        """Of each [yolo] cx, cy, w, h, objectness and class scores."""
        outputs = self._forward(image, self._heads)
        return [output.reshape(-1, output.shape[-1]) for output in outputs.values()]

    def detections(self, threshold: float) -> Any:
        """See `Reference`: OpenCV's boxes, Darknet's suppression in NumPy."""
        picture = self._picture
        limits = {"score_threshold": threshold, **LIMITS}
        return to_pixels(self.detect(picture.network, picture.window, **limits), picture)

    def detect(self, image: np.ndarray, window: np.ndarray, **limits: Any) -> dict[str, np.ndarray]:
        """Detections of an image, float32 (height, width, 3), as a windowed predictor gives them.

        `window` is where the picture lies in it, xyxy, relative.
        """
        rows = np.concatenate(self._rows(image))
        low, size = window[:2], window[2:] - window[:2]
        cxcywh = np.concatenate([(rows[:, :2] - low) / size, rows[:, 2:4] / size], axis=1)
        return suppressed(cxcywh, rows[:, 5:], **{**self._nms, **limits})


def read_net(plan: Plan, weights: str | os.PathLike[str]) -> Any:
    """The network as OpenCV reads it, its batch normalisation made Darknet's (see `EPSILON`)."""
    if not hasattr(cv2.dnn, "readNetFromDarknet"):
        raise ZooError(
            f"OpenCV {cv2.__version__} has no reader of Darknet files; install "
            f"'opencv-python-headless<5', or {INSTEAD}"
        )
    for section in (layer.section for layer in plan.layers):
        for key, what in _ignored(section):
            raise section.error(f"OpenCV's reader ignores {what}; {INSTEAD}", key)
    text = YOLO.sub(r"\1\nthresh=0", plan.cfg.text)
    cfg = np.frombuffer(to_bytes(text), np.uint8)
    try:
        net = cv2.dnn.readNetFromDarknet(cfg, corrected(plan, weights))
    except cv2.error as error:
        raise ZooError(f"OpenCV cannot read {plan.cfg.source}: {error.err}; {INSTEAD}") from error
    net.enableFusion(False)
    net.enableWinograd(False)
    return net


def _ignored(section: Section) -> Iterator[tuple[str, str]]:
    """Keys that would change what a layer computes if OpenCV looked at them, and what to say."""
    kind, stride = section.kind, section.integer("stride", 1)
    for key, nothing in {**IGNORED.get(kind, {}), "dontload": 0, "dontloadscales": 0}.items():
        if section.number(key, nothing) != nothing:
            yield key, f"{key}={section.text(key, '')}"
    if kind in ("convolutional", "maxpool") and strides_of(section) != (stride, stride):
        yield "stride_x" if "stride_x" in section.entries else "stride_y", "stride_x and stride_y"
    if kind == "convolutional":
        if "share_index" in section.entries:
            yield "share_index", "share_index"
        if section.integer("cbn", 0) and not section.integer("batch_normalize", 0):
            yield "cbn", "cbn where batch_normalize is not set"
        if "activation" not in section.entries:
            yield "activation", "that a missing activation= is logistic"
    if kind == "shortcut" and len(section.integers("from")) > 1:
        yield "from", "all layers of from= but the first"
    if kind == "shortcut" and section.text("weights_type", "none") != "none":
        yield "weights_type", "weights_type"
    if kind == "route" and section.integer("groups", 1) > 1 and len(section.integers("layers")) > 1:
        yield "groups", "groups= of several layers"


def corrected(plan: Plan, weights: str | os.PathLike[str]) -> np.ndarray:
    """The bytes of a `.weights` file with `EPSILON` added to every variance."""
    content = np.fromfile(weights, np.uint8)
    values = content[read_header(weights).size :].view(FLOAT)
    start = 0
    for layer in plan.layers:
        for array in layer.in_file:
            end = start + int(np.prod(array.shape))
            if array.role == "variance":
                values[start:end] += np.float32(EPSILON)
            start = end
    return content


def layer_names(net: Any) -> dict[int, str]:
    """Darknet's number of a layer → OpenCV's name of what ends it."""
    names = {}
    for name in net.getLayerNames():
        kind, _, number = name.rpartition("_")
        if number.isdigit():
            names[int(number) - (kind in ACTIVATIONS)] = name
    return names


class OpenCVDetector:
    """What `zoo.evaluation.run.evaluate` wants of a detector, from OpenCV.

    Args:
        reference: the network.
        detector: ours, whose classes and sizes it shares.
    """

    def __init__(self, reference: OpenCV, detector: Any):
        self.class_names, self.cfg = detector.class_names, detector.cfg
        self.image_size, self.resize = detector.image_size, detector.resize
        self.check_size, self.nms = detector.check_size, detector.nms
        self._reference = reference
        self._limits: dict[str, Any] = {}

    def predictor(self, *, windowed: bool, **limits: Any) -> OpenCVDetector:
        """Itself, with other keys of the NMS."""
        self._limits = limits
        return self

    def predict_on_batch(self, inputs: Sequence[np.ndarray]) -> dict[str, Any]:
        """Detections of images (batch, height, width, 3) and windows, as a predictor of ours."""
        pairs = zip(*inputs, strict=True)
        found = [self._reference.detect(image, window, **self._limits) for image, window in pairs]
        outputs: dict[str, Any] = {key: [one[key][0] for one in found] for key in found[0]}
        return {**outputs, "candidates": np.array(outputs["candidates"])}
