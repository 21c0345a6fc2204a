"""Stochastic gradient descent as Darknet and PyTorch do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

#: What `bias_warmup` speeds up; ScaledYOLOv4 counts the β of batch normalisation as a bias.
BIASES = {"bias", "beta"}


@keras.saving.register_keras_serializable("zoo")
class SGD(keras.optimizers.Optimizer):
    """Momentum with the learning rate outside the velocity, decay on kernels only.

    v ← momentum·v + gradient + weight_decay·w (kernels), w ← w − rate·v
    [convolutional_layer.c:update_convolutional_layer]. Keras' own SGD puts the rate inside the
    velocity, which differs whenever the rate changes, as it does throughout burn-in.

    With `gradient_accumulation_steps` the gradient is the mean over that many calls, and what
    counts updates here counts those. A `learning_rate` schedule is asked by Keras with the number
    of calls: see `zoo.training.schedules.updates`.

    Args:
        learning_rate: a number or a schedule.
        momentum: share of the velocity that is carried over.
        nesterov: whether w moves along gradient + momentum·v, with the new v, as in PyTorch.
        weight_decay: added to the gradient of convolution kernels, not of biases or of batch
            normalisation. Not Keras' decoupled decay of the same name.
        warmup: updates over which the next two reach their common values, linearly [scaled-yolov4].
        bias_warmup: added to the rate of biases (and of β) at the first update; null is nothing.
        momentum_warmup: momentum of the first update; null is `momentum`.
        ema_warmup: with `use_ema`: update t keeps `ema_momentum`·(1 − e^(−t / ema_warmup)) of the
            average, as ScaledYOLOv4 does with 2000; 0 is all of `ema_momentum`.
        ema_start: with `use_ema`: the average is the weights themselves before this update, as in
            Darknet, where it is half of all [network.c:ema_update].
        **kwargs: those of `keras.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        momentum: float = 0.9,
        weight_decay: float = 0.0005,
        warmup: int = 0,
        bias_warmup: float | None = None,
        momentum_warmup: float | None = None,
        ema_warmup: float = 0,
        ema_start: int = 0,
        nesterov: bool = False,
        name: str = "sgd",
        **kwargs: Any,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.kernel_decay = weight_decay
        self.warmup = warmup
        self.bias_warmup = bias_warmup
        self.momentum_warmup = momentum_warmup
        self.ema_warmup = ema_warmup
        self.ema_start = ema_start
        self.nesterov = nesterov

    def build(self, variables: Sequence[Any]) -> None:
        """One velocity for each trainable variable."""
        if self.built:
            return
        super().build(variables)
        # TensorFlow hands its own variables to `update_step`, whose names are not Keras'.
        self._decays = [variable.name.endswith("kernel") for variable in variables]
        self._biases = [variable.name in BIASES for variable in variables]
        self.velocities = self.add_optimizer_variables(variables, "velocity")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable along its velocity."""
        index = self._get_variable_index(variable)
        velocity = self.velocities[index]
        gradient = ops.cast(gradient, variable.dtype)
        rate, momentum = ops.cast(learning_rate, variable.dtype), self._momentum()
        if self._decays[index]:
            gradient = gradient + self.kernel_decay * variable
        if self._biases[index] and self.bias_warmup is not None:
            rate = rate + ops.cast(self.bias_warmup * (1 - self._warmed()), variable.dtype)
        # One after the other: a sum of three TensorFlow adds in an order that depends on which of
        # them it finds in use, and so on the timing of its threads.
        self.assign(velocity, momentum * velocity)
        self.assign_add(velocity, gradient)
        along = gradient + momentum * velocity if self.nesterov else velocity
        self.assign_sub(variable, rate * along)

    def _momentum(self) -> Any:
        if self.momentum_warmup is None:
            return self.momentum
        return self.momentum_warmup + self._warmed() * (self.momentum - self.momentum_warmup)

    def _warmed(self) -> Any:
        """0 at the first update, 1 from update `warmup` on."""
        updates = ops.cast(self.iterations, "float32")
        return ops.minimum(updates / max(self.warmup, 1), 1.0)

    # === Average of the weights ===

    def _update_model_variables_moving_average(self, trainable_variables: Sequence[Any]) -> None:
        """Keras' hook, with a decay that depends on the update and acts at updates only."""
        decay = self._ema_decay()
        averages = self._model_variables_moving_average
        for variable, average in zip(trainable_variables, averages, strict=True):
            if average is not None:
                average.assign(decay * average + (1 - decay) * variable)

    def _ema_decay(self) -> Any:
        t = ops.cast(self.iterations, "float32") + 1
        decay = self.ema_momentum * ops.ones_like(t)
        if self.ema_warmup:
            decay = decay * (1 - ops.exp(-t / self.ema_warmup))
        decay = ops.where(t <= max(self.ema_start, 1), 0.0, decay)
        if parts := self.gradient_accumulation_steps:
            decay = ops.where((self._iterations + 1) % parts == 0, decay, 1.0)
        return decay

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this optimizer again."""
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "weight_decay": self.kernel_decay,
            "warmup": self.warmup,
            "bias_warmup": self.bias_warmup,
            "momentum_warmup": self.momentum_warmup,
            "ema_warmup": self.ema_warmup,
            "ema_start": self.ema_start,
            "nesterov": self.nesterov,
        }
