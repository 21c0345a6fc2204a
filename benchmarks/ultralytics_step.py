"""The training step of Ultralytics' YOLOv3-tiny on a CPU: its model, its loss, SGD.

It runs in a Python that has `ultralytics`, and needs NumPy besides. Its trainer also clips
gradients and averages weights; left out, in its favour.
"""

from __future__ import annotations

import contextlib
import os
import tempfile

import numpy as np
from batch import batch_of

MODEL = "yolov3-tiny.yaml"


def model_of():
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.gettempdir())
    from ultralytics.cfg import get_cfg
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel(MODEL, nc=80, verbose=False)
    model.args = get_cfg()  # the weights of the parts of the loss
    return model.train()


def step_of(size, batch, *, bfloat16=False):
    """A function that takes a training step, and its model."""
    import torch

    model, data = model_of(), torch_batch(batch, size)
    kernels = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": 0.0005}, {"params": others}]
    # A small rate: the pictures are noise, on which a step at 0.01 may diverge.
    optimizer = torch.optim.SGD(groups, lr=1e-5, momentum=0.937, nesterov=True)

    def step():
        precision = torch.autocast("cpu", torch.bfloat16) if bfloat16 else contextlib.nullcontext()
        with precision:
            loss = model(data)[0].sum()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss.detach())

    return step, model


def torch_batch(batch, size):
    """The batch of `batch_of` in Ultralytics' format: boxes cxcywh relative to the picture."""
    import torch

    images, truth = batch_of(batch, size)
    image, row = np.nonzero(truth["classes"] >= 0)
    xyxy = truth["boxes"][image, row] / size
    boxes = np.concatenate([(xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]], axis=1)
    return {
        "img": torch.tensor(images.transpose(0, 3, 1, 2).copy()),
        "batch_idx": torch.tensor(image.astype("float32")),
        "cls": torch.tensor(truth["classes"][image, row].astype("float32"))[:, None],
        "bboxes": torch.tensor(boxes),
    }


def forward_flops(model, size):
    """Multiplications and additions for one image, counted as `count_flops` counts ours."""
    import torch

    total = 0

    def count(layer, inputs, output):
        nonlocal total
        height, width = output.shape[-2:]
        if isinstance(layer, torch.nn.Conv2d):
            total += 2 * layer.weight.numel() * height * width
        else:
            total += layer.kernel_size**2 * output[0].numel()

    counted = (torch.nn.Conv2d, torch.nn.MaxPool2d)
    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, counted)]
    with torch.no_grad():
        model(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return total


def versions():
    import torch
    import ultralytics

    return {"torch": torch.__version__, "ultralytics": ultralytics.__version__}
