"""What a detector and a classifier have in common as models that `fit` trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral
from typing import Any

import keras

from zoo.errors import ZooError

#: Arguments of Keras' `compile` for which the model itself stands in.
OF_ITS_OWN = ("loss", "loss_weights", "metrics", "weighted_metrics")


class Trainable(keras.Model):
    """A model that brings its loss along, and whose images have sides that are multiples.

    Attributes:
        stride: in pixels; sides of images are multiples of it.
    """

    stride: int

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **options: Any,
    ) -> None:
        """As Keras' `compile`, but for loss and metrics: those are the model's own.

        Raises:
            ZooError: one of these is given.
        """
        for key, value in zip(
            OF_ITS_OWN, (loss, loss_weights, metrics, weighted_metrics), strict=True
        ):
            if value is not None:
                raise ZooError(
                    f"compile({key}={value!r}): {self.name} has a loss and metrics of its own, by "
                    "its config; leave it out"
                )
        super().compile(optimizer=optimizer, **options)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """The inverse of `get_compile_config`, as Keras has it for a `compile` of its own."""
        options = keras.saving.deserialize_keras_object(config)
        self.compile(**{key: options[key] for key in options if key not in OF_ITS_OWN})
        self.optimizer.build(self.trainable_variables)

    def _purge_model_variables(self, **of: bool) -> None:
        """Nothing, in place of what Keras' JAX trainer does before a first step.

        Keras empties the variables there, so that a first step that fails, for a mistake in `y`,
        say, leaves a model without weights. No memory is kept: the step takes their buffers.
        """

    def check_size(self, size: Any) -> tuple[int, int]:
        """(height, width) from one side or a pair.

        Raises:
            ZooError: a side is not a positive multiple of `stride`, that of the coarsest level.
        """
        sides: tuple[Any, ...] = tuple(size) if isinstance(size, Iterable) else (size, size)
        whole = [
            isinstance(s, Integral) and int(s) > 0 and int(s) % self.stride == 0 for s in sides
        ]
        if len(sides) != 2 or not all(whole):
            raise ZooError(
                f"image_size {size}: height and width must be multiples of {self.stride} "
                f"for {self.name}"
            )
        return int(sides[0]), int(sides[1])


def check_truth(y: Any, sample_weight: Any = None) -> None:
    """Refuse what is no ground truth, by what is known before anything runs.

    Raises:
        ZooError: keys are missing, shapes are not (batch, n, 4) and (batch, n), or there are
            weights of samples.
    """
    if sample_weight is not None:
        raise ZooError("sample_weight and class_weight: the loss takes none")
    given: Any = "None" if y is None else f"a {type(y).__name__}"
    if isinstance(y, Mapping):
        given = {key: tuple(getattr(value, "shape", ())) for key, value in y.items()}
        match given:
            case {"boxes": (*rows, 4), "classes": (*_,) as classes} if len(rows) == 2:
                if len(classes) == 2 and all(
                    a == b or None in (a, b) for a, b in zip(rows, classes, strict=True)
                ):
                    return
    raise ZooError(
        f"y is {given}, not {{'boxes': (batch, n, 4) xyxy in pixels, 'classes': (batch, n)}}"
    )
