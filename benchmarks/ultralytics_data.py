"""The training batches of Ultralytics' YOLODataset with its default augmentation, on one thread.

It runs in a Python that has `ultralytics`. A batch ends as its loader gives it: a uint8 tensor that
its trainer casts and divides on the device, and the labels.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
from pathlib import Path


def batches_of(root, size, batch, number, cache):
    """A function that makes `number` batches, and counts of images made and files decoded.

    Args:
        root: what `yolo_folder` of `pipeline.py` has written.
        size: side of the network input, pixels.
        batch: images of a batch.
        number: batches of a call.
        cache: as Ultralytics' own argument of that name.
    """
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.gettempdir())
    import cv2
    import torch
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import YOLODataset

    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    random.seed(0)
    names = dict(enumerate(json.loads((Path(root) / "names.json").read_text())))
    images = Path(root) / "images" / ("0" if cache else "")
    dataset = YOLODataset(
        img_path=str(images), data={"names": names, "channels": 3},
        imgsz=size, batch_size=batch, augment=True, cache=cache,
        hyp=get_cfg(overrides={"imgsz": size, "task": "detect"}),
    )  # fmt: skip
    count = {"images": 0, "decoded": 0}
    load = dataset.load_image

    def load_image(index, **keywords):
        count["decoded"] += dataset.ims[index] is None
        return load(index, **keywords)

    dataset.load_image = load_image
    order = epochs(len(dataset))
    for _ in range(dataset.max_buffer_length if not cache else 0):
        dataset[next(order)]  # as in the midst of an epoch: the buffer that mosaics draw from

    def make():
        for _ in range(number):
            made = YOLODataset.collate_fn([dataset[next(order)] for _ in range(batch)])
            assert made["img"].shape == (batch, 3, size, size)
            count["images"] += batch

    count["decoded"] = 0
    return make, count


def epochs(length):
    """Indices in an order that is drawn anew for each epoch."""
    while True:
        yield from random.sample(range(length), length)


def versions():
    import cv2
    import torch
    import ultralytics

    return {
        "torch": torch.__version__, "ultralytics": ultralytics.__version__,
        "opencv": cv2.__version__,
    }  # fmt: skip
