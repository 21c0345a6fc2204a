"""A classifier over a whole data source."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from zoo.data.loader import evaluation_batches
from zoo.data.sample import Source
from zoo.errors import ZooError, nearest
from zoo.inference import filled

#: Keys of a config's `evaluation` that have a meaning without boxes, and those of boxes, which come
#: from YAML that detectors share.
OPTIONS = ("batch_size", "image_size", "resize", "interpolation")
OF_BOXES = (
    "clip", "isotropic", "name", "score_threshold", "iou_threshold", "max_candidates",
    "max_detections",
)  # fmt: skip


def options_of(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    """Of a config's `evaluation` what `accuracy` takes.

    Raises:
        ZooError: a key that no evaluation has; the nearest is suggested.
    """
    for key in evaluation:
        if key not in OPTIONS + OF_BOXES:
            raise ZooError(f"evaluation of a classifier takes no {key!r}; {nearest(key, OPTIONS)}")
    return {key: value for key, value in evaluation.items() if key in OPTIONS}


def accuracy(
    model: Any,
    source: Source,
    *,
    batch_size: int = 8,
    resize: str | None = None,
    interpolation: str = "linear",
    image_size: Sequence[int] | None = None,
    between: Callable[[], None] | None = None,
) -> dict[str, float]:
    """Shares of the images whose class is the likeliest (top1), or among the five likeliest (top5).

    A class that ties with others is the least likely of them, and so is one whose logit is NaN.

    Args:
        model: a `zoo.classifier.BackboneClassifier`.
        source: images with one box each, whose class is the image's; classes go by name.
        batch_size: images in one forward pass.
        resize: `"stretch"` or `"letterbox"`; by default the model's.
        interpolation: `"linear"` or `"darknet"`.
        image_size: (height, width) of the network input; by default the model's.
        between: called after each batch; what it raises ends the evaluation.

    Raises:
        ZooError: a class that the model does not know, or an image without one class.
    """
    for name in source.class_names:
        if name not in model.class_names:
            hint = nearest(name, model.class_names)
            raise ZooError(f"the data has class {name!r}, which the model does not know; {hint}")
    check_one_class_an_image(source)
    names = [model.class_names.index(name) for name in source.class_names]
    ranks = []
    for images, indices, _ in evaluation_batches(
        source,
        size=model.check_size(image_size or model.image_size),
        mode=resize or model.resize,
        interpolation=interpolation,
        batch_size=batch_size,
    ):
        outputs = model.predict_on_batch(filled(images, batch_size))
        logits = ops.convert_to_numpy(outputs)[: len(images)]
        truth = [names[source.labels(index).classes[0]] for index in indices]
        own = logits[np.arange(len(truth)), truth]
        # What ties, or is no number, ranks above: equal logits tell no class.
        ranks += ((~(logits < own[:, None])).sum(axis=1) - 1).tolist()
        if between is not None:
            between()
    found = np.array(ranks)
    return {"top1": float((found < 1).mean()), "top5": float((found < 5).mean())}


def check_one_class_an_image(source: Source, where: str = "") -> None:
    """Refuse data of which an image has no class, or several.

    Args:
        source: the data.
        where: words after the name of the image, such as `" of split 'val'"`.

    Raises:
        ZooError: names the first such image.
    """
    for index in range(len(source)):
        if (count := len(source.labels(index))) != 1:
            raise ZooError(
                f"image {source.id(index)!r}{where} has {count} boxes; a classifier needs data "
                "with one class an image: data=folders or data=tfds_classes"
            )
