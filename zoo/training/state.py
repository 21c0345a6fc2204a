"""All that an update reads and changes, as arrays of NumPy, and back."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.detector import Detector


def variables(detector: Detector) -> dict[str, list[keras.Variable]]:
    """The variables of a compiled detector by role: weights, optimizer, metrics.

    Weights include the statistics of batch normalisation and the states of Keras' seed generators,
    the optimizer its count of updates, its slots and its averages of the weights.
    """
    return {
        "weights": detector.variables,
        "optimizer": detector.optimizer.variables,
        "metrics": [variable for metric in detector.metrics for variable in metric.variables],
    }


def snapshot(detector: Detector) -> dict[str, np.ndarray]:
    """The values of all variables; `weights.0007` is the eighth weight.

    They may share memory with the variables: write them before the next update.
    """
    if keras.backend.backend() == "jax":
        detector.jax_state_sync()  # within `fit` the step has their arrays
    return {
        f"{role}.{number:04d}": np.asarray(keras.ops.convert_to_numpy(_copies(variable)[0]))
        for role, of_role in variables(detector).items()
        for number, variable in enumerate(of_role)
    }


def restore(
    detector: Detector, arrays: Mapping[str, np.ndarray], roles: Sequence[str] = ()
) -> None:
    """Give variables the values of a snapshot.

    Args:
        detector: compiled, its optimizer built.
        arrays: of `snapshot`, of a detector like this one.
        roles: which; by default all.

    Raises:
        ZooError: they are not of such a detector.
    """
    for role, of_role in variables(detector).items():
        if roles and role not in roles:
            continue
        saved = sum(name.startswith(f"{role}.") for name in arrays)
        if saved != len(of_role):
            raise ZooError(f"the checkpoint has {saved} {role}, the detector {len(of_role)}")
        for number, variable in enumerate(of_role):
            array = arrays[f"{role}.{number:04d}"]
            if array.shape != tuple(variable.shape):
                raise ZooError(
                    f"the checkpoint does not fit: {variable.path} has shape "
                    f"{tuple(variable.shape)}, not {array.shape}"
                )
            # NumPy has no bfloat16, and saves its bytes.
            array = array.view(variable.dtype) if array.dtype.kind == "V" else array
            for copy in _copies(variable):
                copy.assign(array)


def _copies(variable: keras.Variable) -> Sequence[Any]:
    """What holds the values of a variable, all alike.

    Of means TensorFlow has a copy on each device, which it would sum when it reads them.
    """
    values = getattr(variable.value, "values", None)  # of PyTorch's tensors a method
    return values if isinstance(values, list | tuple) else [variable]


def digest(arrays: Mapping[str, np.ndarray], role: str = "") -> str:
    """SHA-256 over names, types, shapes and bytes of the arrays whose name begins with `role`."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        if name.startswith(role):
            array = np.ascontiguousarray(arrays[name])
            total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            total.update(array.view(np.uint8).data if array.size else b"")
    return total.hexdigest()


def weights_sha256(detector: Detector) -> str:
    """SHA-256 of the weights themselves: that of a `.keras` file changes with the time of day.

    The states of seed generators do not count.
    """
    arrays = {
        f"{number:04d}": np.asarray(keras.ops.convert_to_numpy(variable.value))
        for number, variable in enumerate(detector.weights)
    }
    return digest(arrays)


def random_state() -> dict[str, Any]:
    """The states of Python's and NumPy's global generators, which plugins may use; JSON-able."""
    version, numbers, gauss = random.getstate()
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [name, np.asarray(keys).tolist(), *rest],
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """The inverse of `random_state`."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state(tuple(state["numpy"]))
