"""A tiny training on two virtual devices against the same on one: every array of its state.

    python tests/training/devices.py                 # KERAS_BACKEND=jax for the other backend
    python tests/training/devices.py --resume        # killed between the parts of an update

Batch normalisation, averages of the weights, subdivisions and clipping all take part.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path

os.environ["XLA_FLAGS"] = (
    "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
)
sys.path.insert(0, str(Path(__file__).parent))

import keras
import numpy as np
from kill import UPDATE, attempt, evidence
from tiny import TINY

import zoo
from zoo import config
from zoo.training.checkpoint import FOLDER, load_newest
from zoo.training.manifest import read_manifest

#: Ten batches make five updates.
SETTINGS = [
    *TINY, "epochs=1", "steps_per_epoch=10", "subdivisions=2", "checkpoint.every=3", "journal=1",
    "+optimizer.global_clipnorm=2",
]  # fmt: skip
TOLERANCE = 1e-5


def two_devices():
    """Make two of this machine's processor."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        processor = tf.config.list_physical_devices("CPU")[0]
        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(processor, halves)


def state(directory):
    return load_newest(directory / FOLDER).arrays


def trained(directory, devices, moment=None):
    cfg = config.plain(config.compose("train", [*SETTINGS, f"devices={devices}"]))
    return attempt(cfg, directory, moment)


def furthest(ours, theirs):
    """The largest difference of two states; means of the losses relative to their size."""
    found = {}
    for name, array in ours.items():
        other = theirs[name].astype("float64")
        scale = max(1.0, np.abs(other).max()) if name.startswith("metrics") else 1.0
        role = name.partition(".")[0]
        found[role] = max(found.get(role, 0), np.abs(array - other).max() / scale)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    two_devices()
    with tempfile.TemporaryDirectory() as folder:
        one, two, stopped = (Path(folder) / name for name in ("one", "two", "stopped"))
        if trained(two, "all"):
            raise SystemExit("the run on two devices failed")
        manifest = read_manifest(two)
        print(f"devices: {manifest['config']['devices']}")
        if options.resume:
            statuses = [trained(stopped, 2, (UPDATE, 4, 0, signal.SIGKILL)), trained(stopped, 2)]
            equal = evidence(stopped) == evidence(two)
            print(f"{statuses}, {read_manifest(stopped)['resumed'][0]['step']}: equal {equal}")
            return
        if trained(one, "null"):
            raise SystemExit("the run on one device failed")
        found = furthest(state(two), state(one))
        print("furthest:", found)
        if max(found.values()) > TOLERANCE:
            raise SystemExit("two devices are not one")
        print("weights:", len(zoo.load(two).weights))


if __name__ == "__main__":
    main()
