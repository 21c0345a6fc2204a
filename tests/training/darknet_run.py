"""A training run of Darknet [train/steps], repeated through `compile` and `train_on_batch`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from darknet_truth import xyxy_pixels

import zoo
from zoo.darknet.order import darknet_order
from zoo.darknet.weights import load_weights
from zoo.detector import Detector
from zoo.training.schedules.darknet import Steps
from zoo.training.schedules.updates import PerUpdate
from zoo.training.sgd import SGD

SLICE = 16
Record = dict[str, np.ndarray]


class Recorder(SGD):
    """SGD that keeps the gradient of each variable as it was last applied."""

    def build(self, variables: Any) -> None:
        super().build(variables)
        self.gradients = self.add_optimizer_variables(variables, "gradient")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self.assign(self.gradients[self._get_variable_index(variable)], gradient)
        super().update_step(gradient, variable, learning_rate)


class Run:
    """A golden run: what Darknet did and what is done here.

    Args:
        oracle: the golden data.
        name: of the run, e.g. `yolov4-tiny_128_subdiv2`.
        scratch: a folder for synthetic weights.
    """

    def __init__(self, oracle: Path, name: str, scratch: Path):
        steps = oracle / "train" / "steps"
        with np.load(steps / f"{name}_inputs.npz") as inputs:
            self.images = inputs["images_u8"].astype("float32") / 255
            self.truth = inputs["truth"]
        with np.load(steps / f"{name}_natural.npz") as golden:
            self.golden = dict(golden)
        self.meta = json.loads(str(self.golden.pop("meta_json")))
        self.detector = detector_of(oracle, self.meta, scratch)
        self.optimizer = self._optimizer(options_of((steps / f"{name}.cfg").read_text()))
        self.detector.compile(optimizer=self.optimizer)

    def _optimizer(self, options: dict[str, str]) -> Recorder:
        steps, scales = ([float(x) for x in options[k].split(",")] for k in ("steps", "scales"))
        parts = int(options["subdivisions"])
        schedule = Steps(
            float(options["learning_rate"]),
            int(options["max_batches"]),
            steps=steps,
            scales=scales,
            burn_in=int(options["burn_in"]),
        )
        optimizer = Recorder(
            PerUpdate(schedule, parts),
            momentum=float(options["momentum"]),
            weight_decay=float(options["decay"]),
            gradient_accumulation_steps=parts if parts > 1 else None,
        )
        optimizer.build(self.detector.trainable_variables)
        optimizer._iterations.assign(self.meta["iterations_before"] * parts)
        return optimizer

    @property
    def batch(self) -> int:
        """Images of an update."""
        return self.images.shape[1] * self.images.shape[2]

    def step(self, number: int) -> Record:
        """Update number `number` of the run, and what it leaves, named as in the golden data."""
        rate = float(self.optimizer.learning_rate)
        losses = []
        for images, rows in zip(self.images[number], self.truth[number], strict=True):
            self.detector.reset_metrics()
            y = xyxy_pixels(rows, images.shape[2], images.shape[1])
            logs = self.detector.train_on_batch(images, y, return_dict=True)
            losses.append(float(logs["loss"]))
        return {"learning_rate": rate, "loss": np.mean(losses), **self._state()}

    def _state(self) -> Record:
        """Gradients G = −batch · dL/dw, weights and their norms, of each convolution."""
        gradient_of = {
            id(variable): gradient
            for variable, gradient in zip(
                self.detector.trainable_variables, self.optimizer.gradients, strict=True
            )
        }
        layers = darknet_order(self.detector)
        gradients, after = [], []
        for layer in layers:
            variables = variables_of(layer)
            after.append([oihw(variable) for variable in variables])
            gradients.append([-self.batch * oihw(gradient_of[id(v)]) for v in variables[:3]])
        return {
            "grad_norm": norms(gradients, 3),
            "grad_kernel_slice": np.stack([slice_of(arrays[0]) for arrays in gradients]),
            "grad_bias_slice": np.stack([slice_of(arrays[1]) for arrays in gradients]),
            "after_norm": norms(after, 5),
            "after_kernel_slice": np.stack([slice_of(arrays[0]) for arrays in after]),
            "after_params_slice": np.stack(
                [[slice_of(a) for a in [*arrays[1:], *[np.zeros(1)] * 3][:4]] for arrays in after]
            ),
        }


def detector_of(oracle: Path, meta: dict[str, Any], scratch: Path) -> Detector:
    """The model of a run with the weights it started from."""
    model = meta["cfg"].removesuffix(".cfg").removesuffix("-mask123").replace("-", "_")
    size = [meta["net_h"], meta["net_w"]]
    detector = zoo.build(model, [str(k) for k in range(80)], [f"model.image_size={size}"])
    weights = oracle / "weights" / meta["weights"]
    if not weights.is_file():
        weights = synthetic_weights(oracle, meta["cfg"], scratch)
    load_weights(detector, weights)
    return detector


def synthetic_weights(oracle: Path, cfg: str, scratch: Path) -> Path:
    """Weights of a seed, as `synth_weights.py CFG OUT SEED` writes them."""
    script, file = oracle / "forward" / "synth_weights.py", scratch / f"{cfg}.weights"
    command = [sys.executable, str(script), str(oracle / "cfg" / cfg), str(file), "0"]
    subprocess.run(command, check=True, capture_output=True)
    return file


def options_of(cfg: str) -> dict[str, str]:
    """Keys of the [net] section; the first of a key counts."""
    options: dict[str, str] = {}
    for line in cfg.split("[net]")[1].split("\n[")[0].splitlines():
        key, equals, value = line.replace(" ", "").partition("=")
        if equals and not key.startswith("#"):
            options.setdefault(key, value)
    return options


def variables_of(layer: Any) -> list[Any]:
    """Kernel, then bias, or beta, gamma, moving mean and moving variance."""
    if (bn := layer.normalization) is None:
        return [layer.convolution.kernel, layer.convolution.bias]
    return [layer.convolution.kernel, bn.beta, bn.gamma, bn.moving_mean, bn.moving_variance]


def oihw(variable: Any) -> np.ndarray:
    """The array of a variable, kernels in Darknet's order."""
    array = keras.ops.convert_to_numpy(variable)
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array


def norms(layers: list[list[np.ndarray]], count: int) -> np.ndarray:
    """L2 norms, 0 for what a layer does not have."""
    rows = [[np.linalg.norm(array.astype("float64")) for array in arrays] for arrays in layers]
    return np.array([(row + [0.0] * count)[:count] for row in rows])


def slice_of(array: np.ndarray) -> np.ndarray:
    """The first 8 numbers and 8 from the middle, padded with zeros."""
    flat = array.reshape(-1)
    parts = [flat[:8], flat[flat.size // 2 :][:8]]
    return np.concatenate([np.pad(part, (0, 8 - part.size)) for part in parts])
