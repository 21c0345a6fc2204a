"""What models have in common: they keep their weights, and bring their loss along."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Integral
from typing import Any, Self

import keras
import numpy as np

from zoo.errors import ZooError
from zoo.ops.compile import xla
from zoo.ops.images import in_unit_range
from zoo.ops.replicas import replicas

#: Arguments of Keras' `compile` for which the model itself stands in.
OF_ITS_OWN = ("loss", "loss_weights", "metrics", "weighted_metrics")


class Network(keras.Model):
    """A `keras.Model` that has its weights still when a call of it fails or is stopped.

    Keras' JAX trainer empties the variables before a first step, gives their arrays away at each
    step, and puts those that it gets back into the variables at the end, in `fit` also of one that
    fails. So a mistake in `y` leaves a model without weights, and threads cannot share one.
    """

    _predict: Callable[..., Any] | None = None

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """As Keras', but images, the first input, may be bytes: 0 to 255, uint8.

        A functional model would take them for floats, 255 for 255 times white.
        """
        images, *others = keras.tree.flatten(inputs)
        inputs = keras.tree.pack_sequence_as(inputs, [in_unit_range(images), *others])
        return super().call(inputs, training=training, mask=mask)

    def _purge_model_variables(self, **of: bool) -> None:
        """Nothing: the step takes the arrays, so that emptying the variables saves no memory."""

    def evaluate(self, *args: Any, **options: Any) -> Any:
        """As Keras'."""
        with self._in_sync():
            return super().evaluate(*args, **options)

    def predict(self, *args: Any, **options: Any) -> Any:
        """As Keras'."""
        with self._in_sync():
            return super().predict(*args, **options)

    @contextlib.contextmanager
    def _in_sync(self) -> Iterator[None]:
        try:
            yield
        finally:
            if keras.backend.backend() == "jax":
                self.jax_state_sync()

    def predict_on_batch(self, x: Any) -> Any:
        """As Keras', but on JAX the weights are read and nothing else."""
        if keras.backend.backend() != "jax" or self.run_eagerly:
            return super().predict_on_batch(x)
        if self._predict is None:
            self._predict = xla(self._forward)
        state = [
            [variable.value for variable in variables]
            for variables in (self.trainable_variables, self.non_trainable_variables)
        ]
        return keras.tree.map_structure(np.array, self._predict(*state, x))

    def _forward(self, trainable: Any, others: Any, x: Any) -> Any:
        outputs, _ = self.stateless_call(trainable, others, x, training=False)
        return outputs


class Trainable(Network):
    """A model that brings its loss along, and whose images have sides that are multiples.

    Attributes:
        stride: in pixels; sides of images are multiples of it.
    """

    stride: int

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._loss_mean = keras.metrics.Mean(name="loss")

    def loss_of_images(self, y: Any, y_pred: Any) -> Any:
        """The loss of each image, (batch,), which a subclass has.

        Args:
            y: ground truth that `check_truth` has passed.
            y_pred: what the model gives.
        """
        raise NotImplementedError

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Mean over the batch of the loss of each image, with the losses that layers add.

        Args:
            x: the images; not used.
            y: `{"boxes": (batch, n, 4) xyxy in input pixels, "classes": (batch, n), −1 = padding}`.
            y_pred: what the model gives.
            sample_weight: None.
            training: not used.

        Raises:
            ZooError: `y` is not of this form, there are weights of samples, or as
                `loss_of_images`.
        """
        check_truth(y, sample_weight)
        total = self.loss_of_images(y, y_pred)
        for regularisation in self.losses:
            total = total + keras.ops.cast(regularisation, total.dtype)
        self._loss_mean.update_state(total, ones_of(total))
        # Each of several replicas returns a share; they add up to the mean.
        return keras.ops.mean(total) / replicas()

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The loss, reset at each epoch."""
        return [self._loss_mean]

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

    def frozen(self) -> dict[str, list[str]]:
        """Of a config: the parts that do not learn; nothing where all do."""
        names = [layer.name for layer in self.layers if not layer.trainable]
        return {"frozen": names} if names else {}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """The inverse of `get_config`; weights come separately."""
        arguments = {key: value for key, value in config.items() if key != "frozen"}
        model = cls(**arguments)
        for name in config.get("frozen", []):
            model.get_layer(name).trainable = False
        return model

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


class WithoutBoxes:
    """A classifier: it refuses to detect.

    No `keras.Model`: into the first model of a process Keras puts its `Functional`, and fails where
    two bases lead there.

    Attributes:
        name: of the model.
        instead: what its user may do, the end of a sentence.
    """

    name: str
    instead: str

    def predictor(self, **limits: Any) -> keras.Model:
        """Refuses: a classifier has no boxes.

        Raises:
            ZooError: always.
        """
        raise ZooError(f"{self.name} is a classifier: it gives no boxes; {self.instead}")

    def detect(self, source: Any, **options: Any) -> Any:
        """Refuses, as `predictor`.

        Raises:
            ZooError: always.
        """
        return self.predictor()


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


def ones_of(values: Any) -> Any:
    """A one for each value, as its weight in a mean, that is not known before the value.

    The step in which the data end TensorFlow runs, too, as far as it depends on none of them: a
    mean would count values that are not there.
    """
    return keras.ops.where(values >= 0, 1.0, 1.0)
