"""What the sections of a cfg mean: one function a kind, section and plan → `Layer`."""

from __future__ import annotations

from collections.abc import Callable

from zoo.darknet.cfg import Section
from zoo.darknet.plan import Layer, Plan
from zoo.darknet.sections.heads import cost, softmax, yolo
from zoo.darknet.sections.joining import route, sam, scale_channels, shortcut
from zoo.darknet.sections.pooling import avgpool, local_avgpool, maxpool
from zoo.darknet.sections.shaping import activation, dropout, empty, reorg, reorg3d, upsample
from zoo.darknet.sections.weighted import batchnorm, connected, convolutional, implicit

MEANINGS: dict[str, Callable[[Section, Plan], Layer]] = {
    "activation": activation,
    "avgpool": avgpool,
    "batchnorm": batchnorm,
    "connected": connected,
    "convolutional": convolutional,
    "cost": cost,
    "dropout": dropout,
    "empty": empty,
    "implicit": implicit,
    "local_avgpool": local_avgpool,
    "maxpool": maxpool,
    "reorg": reorg,
    "reorg3d": reorg3d,
    "route": route,
    "sam": sam,
    "scale_channels": scale_channels,
    "shortcut": shortcut,
    "softmax": softmax,
    "upsample": upsample,
    "yolo": yolo,
}
