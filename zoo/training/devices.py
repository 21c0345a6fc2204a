"""Training on several devices: each has the whole model and its part of every batch."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.errors import ZooError
from zoo.training.manifest import FILE

log = logging.getLogger(__name__)

#: In a run directory; held by the process that trains there.
LOCK = "train.lock"


@dataclass(frozen=True)
class Devices:
    """What a run trains on.

    Attributes:
        count: devices of all processes together.
        process: number of this process; process 0 alone writes the run directory.
        processes: how many there are, each with as many devices; several on JAX alone.
        distribution: Keras' on JAX, for several devices.
        strategy: TensorFlow's, for several devices of this process.
    """

    count: int = 1
    process: int = 0
    processes: int = 1
    distribution: Any = None
    strategy: Any = None

    def training(self) -> AbstractContextManager:
        """Around everything from building the model to the end of training."""
        return self.distribution.scope() if self.distribution else nullcontext()

    def building(self) -> AbstractContextManager:
        """Around whatever creates variables."""
        return self.strategy.scope() if self.strategy else nullcontext()

    @property
    def agree(self) -> Callable[[int | None, bool], tuple[int | None, bool]] | None:
        """See `zoo.training.interruption`: any signal, and whether the first process has saved."""
        if self.processes == 1:
            return None
        from jax.experimental.multihost_utils import process_allgather

        def agree(came: int | None, saved: bool) -> tuple[int | None, bool]:
            found = process_allgather(np.array([came or 0, saved], np.int32))
            return int(found[:, 0].max()) or None, bool(found[0, 1])

        return agree

    @contextlib.contextmanager
    def place(self, directory: Path) -> Iterator[Path]:
        """The folder that this process writes into: the run's, or one that is thrown away.

        Raises:
            ZooError: another training is writing into the run's.
        """
        if self.process == 0:
            with alone_in(directory):
                yield directory
            return
        with tempfile.TemporaryDirectory(prefix="zoo-") as scratch:
            if (directory / FILE).is_file():  # the run goes on
                shutil.copy(directory / FILE, scratch)
            yield Path(scratch)


@contextlib.contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Keep other trainings out of a directory; a lock ends with its process, however that ends.

    Raises:
        ZooError: one is there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # Not the file `lock`, which the job of a sweep holds all the while.
    with open(directory / LOCK, "w") as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ZooError(
                f"another process trains in {directory}; wait for its end, or start this one with "
                "another hydra.run.dir"
            ) from error
        except (ImportError, OSError) as error:  # Windows; some file systems of clusters
            log.warning("no lock in %s (%s): start no other training there", directory, error)
        yield


def devices_of(cfg: Mapping[str, Any]) -> Devices:
    """The devices of a training config, ready for work. Ask before anything is computed.

    Raises:
        ZooError: there are not so many, they cannot share a batch, or the backend has one only.
    """
    wanted = cfg.get("devices")  # configs of older runs lack it
    if wanted in (None, 1):
        return Devices()
    if wanted != "all" and not (isinstance(wanted, int) and wanted > 0):
        raise ZooError(f"devices={wanted} is neither a number of devices nor all; null is one")
    backend = keras.backend.backend()
    if backend not in ("jax", "tensorflow"):
        raise ZooError(
            f"devices={wanted}: several devices train together on JAX and TensorFlow, not on "
            f"{backend}; set KERAS_BACKEND=jax, or devices=null for one device"
        )
    devices = _on_jax(wanted) if backend == "jax" else _on_tensorflow(wanted, cfg["precision"])
    if cfg["batch_size"] % devices.count:
        raise ZooError(
            f"batch_size {cfg['batch_size']} cannot be shared out evenly among {devices.count} "
            f"devices; make it a multiple of {devices.count}"
        )
    return devices


def _on_jax(wanted: Any) -> Devices:
    import jax

    several = any(name.startswith("KERAS_DISTRIBUTION_") for name in os.environ)
    if several and not jax.distributed.is_initialized():
        keras.distribution.initialize()
    there = keras.distribution.list_devices()
    count = _count(wanted, len(there), processes=jax.process_count())
    if count == 1:
        return Devices()
    return Devices(
        count,
        process=jax.process_index(),
        processes=jax.process_count(),
        distribution=keras.distribution.DataParallel(
            devices=there[:count], auto_shard_dataset=False
        ),
    )


def _on_tensorflow(wanted: Any, precision: str) -> Devices:
    import tensorflow as tf

    if _several_in_tf_config():
        raise ZooError(
            f"devices={wanted} with a TF_CONFIG of several processes: Keras cannot train across "
            "processes on TensorFlow; unset TF_CONFIG, or set KERAS_BACKEND=jax and the variables "
            "KERAS_DISTRIBUTION_JOB_ADDRESSES, …_NUM_PROCESSES and …_PROCESS_ID"
        )
    there = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    count = _count(wanted, len(there), processes=1)
    if count == 1:
        return Devices()
    if precision == "mixed_float16":
        raise ZooError(
            "precision=mixed_float16: loss scaling does not work on several devices with "
            "TensorFlow; set precision=mixed_bfloat16 or KERAS_BACKEND=jax"
        )
    strategy = tf.distribute.MirroredStrategy([device.name for device in there[:count]])
    return Devices(count, strategy=strategy)


def _several_in_tf_config() -> bool:
    """Whether TF_CONFIG tells of several processes, as keras-team/keras#20585 says Keras cannot."""
    try:
        jobs = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        return sum(len(addresses) for addresses in jobs.values()) > 1
    except (ValueError, AttributeError, TypeError):  # TensorFlow would not read it either
        return False


def _count(wanted: Any, there: int, *, processes: int) -> int:
    if wanted == "all":
        return there
    if wanted > there:
        raise ZooError(
            f"devices={wanted}, but there are {there}; set devices=all or fewer, but go on with a "
            "run on as many as it began with"
        )
    if processes > 1 and wanted != there:
        raise ZooError(
            f"devices={wanted}, but the {processes} processes have {there}, which only train "
            "together; set devices=all"
        )
    return wanted
