"""What models have in common: they keep their weights, and bring their loss along."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Integral
from typing import Any, Self

import keras
import numpy as np

from zoo.errors import ZooError
from zoo.ops.compile import xla
from zoo.ops.images import in_unit_range
from zoo.ops.policy import policy
from zoo.ops.replicas import replicas

#: Arguments of Keras' `compile` for which the model itself stands in.
OF_ITS_OWN = ("loss", "loss_weights", "metrics", "weighted_metrics")


#: Of a config: the lists of layers that do not learn, or do where others around them do not.
FLAGS = {"frozen": False, "thawed": True}


@keras.saving.register_keras_serializable("zoo")
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
        state = [variable.value for variable in self.variables]
        return keras.tree.map_structure(np.array, self._predict(state, x))

    def _forward(self, state: Any, x: Any) -> Any:
        # By variable: which are trainable may be others than when this was traced.
        value = dict(zip(map(id, self.variables), state, strict=True))
        parts = (self.trainable_variables, self.non_trainable_variables)
        values = [[value[id(variable)] for variable in part] for part in parts]
        outputs, _ = self.stateless_call(*values, x, training=False)
        return outputs


class Rebuilt(Network):
    """A model that its config builds again; what a user changed about its layers goes with it."""

    def get_config(self) -> dict[str, Any]:
        """Name, dtype policy and, where not all layers learn, `frozen` and `thawed`.

        These two name layers whose `trainable` is not that of the layer around them: a part by its
        name, a layer in it by its position among those with weights, as "backbone/2", for Keras
        numbers layers without a name anew each time; "" is the model.
        """
        flags = dict(_flags(self))
        frozen, thawed = ([path for path in flags if flags[path] is on] for on in (False, True))
        return {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            **({"frozen": frozen} if frozen else {}),
            **({"thawed": thawed} if thawed else {}),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """The inverse of `get_config`; weights come separately.

        Configs of zoo 0.2 have no dtype, and names of whole parts alone in `frozen`.
        """
        arguments = {key: config[key] for key in config if key not in ("dtype", *FLAGS)}
        with policy(config.get("dtype")):
            model = cls(**arguments)
        flags = [(path, on) for key, on in FLAGS.items() for path in config.get(key, [])]
        for path, trainable in sorted(flags, key=lambda flag: len(_steps(flag[0]))):
            _at(model, path).trainable = trainable  # and that of all layers in it
        return model


def _flags(layer: Any, path: str = "", around: bool = True) -> Iterator[tuple[str, bool]]:
    """Paths of the layers whose `trainable` is not that of the layer around them, and theirs."""
    if layer.trainable != around:
        yield path, layer.trainable
    for step, inner in _inside(layer, top=not path).items():
        yield from _flags(inner, f"{path}/{step}".lstrip("/"), layer.trainable)


def _inside(layer: Any, *, top: bool) -> dict[str, Any]:
    """The layers with weights directly in a layer, by name in a model itself, else by position."""
    if isinstance(layer, keras.Model):
        layers = layer.layers
    else:
        layers = layer._flatten_layers(include_self=False, recursive=False)
    layers = [inner for inner in layers if inner.variables]
    return {inner.name if top else str(number): inner for number, inner in enumerate(layers)}


def _steps(path: str) -> list[str]:
    return path.split("/") if path else []


def _at(model: keras.Model, path: str) -> Any:
    """The layer at a path of `_flags`, or one of the model by its name."""
    layer: Any = model
    for depth, step in enumerate(_steps(path)):
        layer = _inside(layer, top=False)[step] if depth else model.get_layer(step)
    return layer


class Trainable(Rebuilt):
    """A model that brings its loss along, and whose images have sides that are multiples.

    Attributes:
        cfg: plain config of the model.
        class_names: one for each class.
        stride: in pixels; sides of images are multiples of it.
    """

    cfg: dict[str, Any]
    class_names: list[str]
    stride: int

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._loss_mean = keras.metrics.Mean(name="loss")

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width of images, pixels; setting it changes the config, which `save` keeps."""
        return self.check_size(self.cfg["image_size"])

    @image_size.setter
    def image_size(self, size: Any) -> None:
        self.cfg["image_size"] = list(self.check_size(size))

    @property
    def resize(self) -> str:
        """How pictures get that size, `"stretch"` or `"letterbox"`; as `image_size`."""
        return str(self.cfg.get("resize", "stretch"))

    @resize.setter
    def resize(self, mode: str) -> None:
        self.cfg["resize"] = mode

    def loss_of_images(self, y: Any, y_pred: Any) -> Any:
        """The loss of each image, (batch,), which a subclass has.

        Args:
            y: ground truth that `check_truth` has passed.
            y_pred: what the model gives.
        """
        raise NotImplementedError

    def fit(self, x: Any = None, y: Any = None, *args: Any, **options: Any) -> Any:
        """As Keras'.

        Raises:
            ZooError: a NumPy array of classes has one that the model lacks, or as `compute_loss`
                and calling the model.
        """
        check_classes(y, self.class_names, self.name)
        try:
            return super().fit(x, y, *args, **options)
        except Exception as error:  # TensorFlow's, which is not imported here
            if said := re.search(r"assertion failed: \[(images .*?)\]\n", f"{error}\n"):
                raise ZooError(said[1]) from error
            raise

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
            y: `{"boxes": (batch, n, 4) xyxy in input pixels, "classes": (batch, n), −1 = padding}`;
                other numbers that are of no class count as −1.
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
        self._predict = None  # traced before, as is what Keras drops here

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """The inverse of `get_compile_config`, as Keras has it for a `compile` of its own."""
        options = keras.saving.deserialize_keras_object(config)
        self.compile(**{key: options[key] for key in options if key not in OF_ITS_OWN})
        self.optimizer.build(self.trainable_variables)

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


def check_classes(y: Any, class_names: Sequence[str], name: str) -> None:
    """Refuse, where they are at hand, numbers of classes that a model lacks: they learn as none.

    Args:
        y: ground truth; looked at if its "classes" are a NumPy array.
        class_names: of the model.
        name: of the model.

    Raises:
        ZooError: a number is as large as the number of classes, or larger.
    """
    numbers = y.get("classes") if isinstance(y, Mapping) else None
    if isinstance(numbers, np.ndarray) and numbers.size:
        largest, count = numbers.max(), len(class_names)
        if largest >= count:
            raise ZooError(
                f"y has class {largest}, but {name} has {count} classes, from 0; −1 is none"
            )


def ones_of(values: Any) -> Any:
    """A one for each value, as its weight in a mean, that is not known before the value.

    The step in which the data end TensorFlow runs, too, as far as it depends on none of them: a
    mean would count values that are not there.
    """
    return keras.ops.where(values >= 0, 1.0, 1.0)
