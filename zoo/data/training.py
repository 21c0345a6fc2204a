"""Training samples, each a function of the seed and of its position."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zoo.data.cache import Cached
from zoo.data.geometry import INTERPOLATIONS, geometry_of, resize
from zoo.data.image import reduction_for
from zoo.data.sample import Source
from zoo.data.sources import LOADER_KEYS
from zoo.data.transforms.chain import Chain
from zoo.data.transforms.example import Example, scale
from zoo.errors import ZooError, nearest
from zoo.ops.levels import stride
from zoo.ranges import check_whole

#: Of decoded images, where the YAML of a data set does not say.
CACHE_MB = 512
#: Keys of a config's `augment`.
AUGMENT = ("transforms", "scales", "interpolation", "unmixed_epochs")
#: Class of the rows that fill up a batch's ground truth.
PADDING = -1
#: Partners of a mix are among so many earlier images, which are likely to be in memory still.
RECENT = 256
#: Batches of one size in a row, as for Darknet's `random=1` [detector.c:train_detector].
BATCHES_OF_A_SIZE = 10


class TrainingSamples:
    """What a network is trained on, sample by sample: `samples(position)`.

    Positions run on over the epochs; each epoch is a new order of the data set. Position `p` is
    row `p % batch_size` of batch `p // batch_size`. The sample is the same whatever was asked for
    before, by whichever thread.

    Images of four times the network input and more are averaged before they are interpolated, as in
    `resize`, JPEGs by their decoder, which takes a part of the time; boxes are the same to the bit.

    Args:
        source: the data set.
        size: height H and width W of the network input, pixels.
        mode: as in `resize`.
        interpolation: as in `resize`.
        batch_size: images of a batch, which are of one size.
        max_boxes: N, rows of ground truth.
        transforms: configs of parts of kind `transform`.
        scales: factors of `size`; one is drawn for every ten batches, the sides rounded to
            multiples of `stride`. Empty: always `size`.
        stride: of the network's coarsest level, pixels.
        unmixed_from: from this position on, transforms that ask for other images (mosaic, mixup)
            rest; None: never.
        cache_mb: megabytes of decoded images to keep in memory.
        seed: of order and transforms.

    Raises:
        ZooError: a transform, a scale or a number does not fit, or an image has more boxes than
            `max_boxes`.
    """

    def __init__(
        self,
        source: Source,
        *,
        size: Sequence[int],
        mode: str,
        interpolation: str = "linear",
        batch_size: int = 1,
        max_boxes: int = 100,
        transforms: Sequence[Mapping[str, Any]] = (),
        scales: Sequence[float] = (),
        stride: int = 32,
        unmixed_from: int | None = None,
        cache_mb: float = CACHE_MB,
        seed: int = 0,
    ):
        check_whole("seed", seed, least=0)
        check_whole("batch_size", batch_size, least=1)
        check_whole("data.max_boxes", max_boxes, least=1)
        check_max_boxes(source, max_boxes)
        if not isinstance(cache_mb, int | float) or not 0 <= cache_mb < math.inf:
            raise ZooError(f"data.cache_mb={cache_mb}: a number of megabytes, 0 for no cache")
        self.source = Cached(source, int(cache_mb * 2**20))
        self.sizes = input_sizes(size, scales, stride=stride)
        if interpolation not in INTERPOLATIONS:
            known = nearest(interpolation, INTERPOLATIONS)
            raise ZooError(f"no augment.interpolation {interpolation!r}; {known}")
        self._mode = mode
        #: Of the samples' pixels.
        self.dtype = "float32" if interpolation == "darknet" else "uint8"
        self.batch_size, self.max_boxes, self._seed = batch_size, max_boxes, seed
        self._chain = Chain(transforms, max_boxes=max_boxes)
        self._unmixed_from = unmixed_from
        # A mix reaches back into the epoch before; threads run ahead into the one after.
        self._order = functools.lru_cache(4)(self._shuffled)

    def index(self, position: int) -> int:
        """Which image of the source is at a position."""
        epoch, row = divmod(position, len(self.source))
        return int(self._order(epoch)[row])

    def size(self, position: int) -> tuple[int, int]:
        """Height and width of the network input at a position, pixels."""
        if len(self.sizes) == 1:
            return self.sizes[0]
        turn = position // self.batch_size // BATCHES_OF_A_SIZE
        return self.sizes[np.random.default_rng([self._seed, turn, 1]).integers(len(self.sizes))]

    def __call__(self, position: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The sample at a position.

        Boxes narrower or lower than a pixel of the network input are no truth
        [data.c:fill_truth_detection].

        Returns:
            x (H, W, 3) RGB, of `dtype`: uint8, or float32 in [0, 1] with Darknet's interpolation;
            y `{"boxes": float32 (N, 4) xyxy in pixels of x, "classes": int32 (N,)}`, filled up
            with boxes of zeros of class −1.
        """
        rng = np.random.default_rng([self._seed, position])
        size = self.size(position)
        example = self._chain(
            self._raw(position), rng, draw=lambda: self._raw(self._partner(position, rng)),
            size=size, mode=self._mode, mixing=not self._rests(position),
        ).clipped(min_side=0)  # fmt: skip
        if self.dtype == "float32":
            x, geometry = resize(example.image, size, mode=self._mode, interpolation="darknet")
            boxes = geometry.forward(example.boxes_xyxy)
        else:
            if example.size != size:
                geometry = geometry_of(example.size, size, mode=self._mode)
                example = example.warp(geometry.matrix, size)
            x, boxes = example.image, example.boxes_xyxy
        if example.image.dtype != np.uint8:  # floats would pass for numbers in [0, 1]
            raise ZooError(
                f"augment.transforms make image {self.source.id(self.index(position))!r} "
                f"{example.image.dtype}; transforms give uint8"
            )
        seen = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
        return x, padded(boxes[seen], example.classes[seen], self.max_boxes)

    def _shuffled(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self._seed, epoch, 2]).permutation(len(self.source))

    def _raw(self, position: int) -> Example:
        index = self.index(position)
        labels = self.source.labels(index)
        boxes, classes = labels.boxes, labels.classes
        if labels.crowd.any():
            boxes, classes = boxes[~labels.crowd], classes[~labels.crowd]
        boxes, classes = read_only(boxes), read_only(classes)  # as the pixels: others see them too
        size = self.source.size(index)
        pixels = self.pixels(index)
        (h, w), (height, width) = pixels.shape[:2], size
        if (h, w) == size:
            return Example(pixels, boxes, classes)
        # Of the whole size exactly, for transforms ask where an image ends. The decoder rounds its
        # sides up, so that this stretches by less than half a pixel of the network input.
        return Example(pixels, boxes, classes, scale(width / w, height / h), size)

    def pixels(self, index: int) -> np.ndarray:
        """An image as transforms take it, uint8 (h, w, 3), perhaps at a part of its size."""
        return self.source.reduced(index, self.reduction(self.source.size(index)))

    def reduction(self, size: tuple[int, int]) -> int:
        """The part at which an image is shown, for the largest network input.

        A function of sizes alone, so that every sample shows the same pixels of an image.
        """
        return 1 if self.dtype == "float32" else reduction_for(size, self.sizes[-1])

    def _partner(self, position: int, rng: np.random.Generator) -> int:
        # Before there are enough earlier images, later ones serve.
        partner = abs(position - 1 - int(rng.integers(min(RECENT, len(self.source)))))
        return partner if partner != position else 0  # that many before 0 is as many behind it

    def _rests(self, position: int) -> bool:
        return self._unmixed_from is not None and position >= self._unmixed_from


def input_sizes(
    size: Sequence[int], scales: Sequence[float], *, stride: int = 32
) -> list[tuple[int, int]]:
    """The distinct network inputs that scales make of a size, each side a multiple of the stride.

    Raises:
        ZooError: a scale that is not positive.
    """
    height, width = size
    if not isinstance(scales, list | tuple):
        raise ZooError(f"augment.scales={scales}: a list of factors, [] for none")
    for factor in scales:
        if not isinstance(factor, int | float) or not 0 < factor < 100:
            raise ZooError(f"augment.scales has {factor}; a scale is a positive factor, as 0.8")
    sides = (
        tuple(max(stride, round(side * factor / stride) * stride) for side in (height, width))
        for factor in scales
    )
    return sorted(set(sides)) or [(height, width)]


def check_max_boxes(source: Source, max_boxes: int) -> None:
    """Refuse a data set that has an image with more boxes than there are rows for them.

    Raises:
        ZooError: names the image with the most boxes, and the remedy.
    """
    counts = [np.count_nonzero(~source.labels(index).crowd) for index in range(len(source))]
    most = int(np.argmax(counts))
    if counts[most] > max_boxes:
        raise ZooError(
            f"image {source.id(most)!r} has {counts[most]} boxes, more than data.max_boxes="
            f"{max_boxes}; set data.max_boxes={counts[most]}"
        )


def stacked(samples: Sequence[tuple[np.ndarray, dict[str, np.ndarray]]]) -> tuple:
    """Samples as one batch.

    Args:
        samples: (x, y) of one size and type.

    Returns:
        x (B, H, W, 3) of the samples' type, of which bytes are a quarter for the device; y stacked.
    """
    x = np.stack([image for image, _ in samples])
    return x, {key: np.stack([y[key] for _, y in samples]) for key in samples[0][1]}


def read_only(array: np.ndarray) -> np.ndarray:
    """A view of an array that nobody can write to."""
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def padded(boxes: np.ndarray, classes: np.ndarray, rows: int) -> dict[str, np.ndarray]:
    """Ground truth in a fixed number of rows."""
    y = {"boxes": np.zeros((rows, 4), np.float32), "classes": np.full(rows, PADDING, np.int32)}
    y["boxes"][: len(boxes)], y["classes"][: len(classes)] = boxes, classes
    return y


def network_input(
    cfg: Mapping[str, Any], coarsest: int | None = None
) -> tuple[tuple[int, int], str, int]:
    """What a training config says of the network input, without building the model.

    Args:
        cfg: plain `conf/train.yaml`.
        coarsest: the model's stride, where it is known.

    Returns:
        Height and width, pixels; `"stretch"` or `"letterbox"`; the coarsest stride, of which both
        are multiples, by default that of the head's `masks`, or 32. Only a model that is built
        knows whether its backbone has a coarser level, which no head looks at; it checks
        `image_size` itself.

    Raises:
        ZooError: they are not, or a level of the head is none.
    """
    size, model = cfg["image_size"], cfg["model"]
    sides = tuple(size) if isinstance(size, list | tuple) else (size, size)
    if coarsest is None:
        coarsest = max(map(stride, model["head"].get("masks", {})), default=stride("P5"))
    whole = [isinstance(side, int) and side > 0 and side % coarsest == 0 for side in sides]
    if len(sides) != 2 or not all(whole):
        raise ZooError(
            f"image_size {size}: one side, or [height,width], which must be multiples of {coarsest}"
        )
    return (sides[0], sides[1]), model.get("resize", "stretch"), coarsest


def check_augment(augment: Mapping[str, Any]) -> None:
    """Refuse a key of a config's `augment` that nothing reads.

    Raises:
        ZooError: names the key; the nearest is suggested.
    """
    for key in augment:
        if key not in AUGMENT:
            raise ZooError(f"augment takes no {key!r}; {nearest(key, AUGMENT)}")


def training_samples(
    cfg: Mapping[str, Any], source: Source, *, steps: int, stride: int | None = None
) -> TrainingSamples:
    """The samples of a whole training config, as `zoo.train` and `zoo.browse` see them.

    Args:
        cfg: plain `conf/train.yaml`, its `epochs` a number (see `zoo.training.length`).
        source: the training split.
        steps: batches of an epoch.
        stride: of the model, where it is built; by default as `network_input` guesses.

    Raises:
        ZooError: something in the config does not fit.
    """
    size, mode, stride = network_input(cfg, stride)
    check_whole("epochs", cfg["epochs"], least=0)
    check_augment(cfg["augment"])
    augment = dict(cfg["augment"])
    unmixed = augment.pop("unmixed_epochs", 0)
    if not isinstance(unmixed, int | float) or not 0 <= unmixed < math.inf:
        raise ZooError(f"augment.unmixed_epochs={unmixed}: a number of epochs, or a share below 1")
    mixed_epochs = cfg["epochs"] - (round(unmixed * cfg["epochs"]) if unmixed < 1 else unmixed)
    return TrainingSamples(
        source,
        size=size,
        mode=mode,
        stride=stride,
        batch_size=cfg["batch_size"],
        unmixed_from=max(0, mixed_epochs) * steps * cfg["batch_size"],
        seed=cfg["seed"],
        **{key: cfg["data"][key] for key in LOADER_KEYS if key in cfg["data"]},
        **augment,
    )
