"""What the replicas of a model, of which each device has one, tell each other.

On TensorFlow a replica sees its part of the batch only, and says what it wants from the others.
On JAX one program sees the whole batch, whatever devices it lies on: there is one replica.
"""

from __future__ import annotations

from typing import Any

import keras


def replicas() -> int:
    """How many models train together, each on its part of the batch; 1 outside a training step."""
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def mean_over_replicas(tensor: Any) -> Any:
    """The mean of a tensor's values in all replicas, the same bits in each; differentiable."""
    return tensor if replicas() == 1 else _reduced("MEAN", tensor)


def sum_over_replicas(tensors: list[Any]) -> list[Any]:
    """The sums of some tensors' values in all replicas, the same bits in each."""
    return tensors if replicas() == 1 else _reduced("SUM", tensors)


def whole_batch(tensors: Any) -> Any:
    """The rows of all replicas, in order, in each replica; differentiable.

    Args:
        tensors: any structure of tensors (batch, …), on each replica of the same shapes.
    """
    count = replicas()
    if count == 1:
        return tensors
    return keras.tree.map_structure(lambda tensor: _gathered(tensor, count), tensors)


def _gathered(tensor: Any, count: int) -> Any:
    whole = _context().all_gather(tensor, axis=0)
    rows, *rest = tensor.shape
    whole.set_shape((rows and rows * count, *rest))
    return whole


def _reduced(how: str, tensors: Any) -> Any:
    import tensorflow as tf

    return _context().all_reduce(tf.distribute.ReduceOp[how], tensors)


def _context() -> Any:
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    return tf.distribute.get_replica_context()
