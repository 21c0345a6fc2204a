"""Stochastic gradient descent as Darknet and PyTorch do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class SGD(keras.optimizers.Optimizer):
    """Momentum with the learning rate outside the velocity, decay on kernels only.

    v ← momentum·v + gradient + weight_decay·w (kernels), w ← w − rate·v
    [convolutional_layer.c:update_convolutional_layer]. Keras' own SGD puts the rate inside the
    velocity, which differs whenever the rate changes, as it does throughout burn-in.

    Args:
        learning_rate: a number or a schedule.
        momentum: share of the velocity that is carried over.
        weight_decay: added to the gradient of convolution kernels, not of biases or of batch
            normalisation. Not Keras' decoupled decay of the same name.
        **kwargs: those of `keras.optimizers.Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        momentum: float = 0.9,
        weight_decay: float = 0.0005,
        name: str = "sgd",
        **kwargs: Any,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.kernel_decay = weight_decay

    def build(self, variables: Sequence[Any]) -> None:
        """One velocity for each trainable variable."""
        if self.built:
            return
        super().build(variables)
        # TensorFlow hands its own variables to `update_step`, whose names are not Keras'.
        self._decays = [variable.name == "kernel" for variable in variables]
        self.velocities = self.add_optimizer_variables(variables, "velocity")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable along its velocity."""
        index = self._get_variable_index(variable)
        velocity = self.velocities[index]
        gradient = ops.cast(gradient, variable.dtype)
        if self._decays[index]:
            gradient = gradient + self.kernel_decay * variable
        moved = self.momentum * velocity + gradient
        self.assign(velocity, moved)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * moved)

    def get_config(self) -> dict[str, Any]:
        """Keyword arguments that make this optimizer again."""
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "weight_decay": self.kernel_decay,
        }
