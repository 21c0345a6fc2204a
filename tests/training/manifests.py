"""A manifest for tests."""

from zoo.training.manifest import new_manifest

CONFIG = {
    "seed": 3, "deterministic": True, "precision": "float32", "epochs": 2, "batch_size": 4,
    "optimizer": {"name": "sgd", "learning_rate": 0.1}, "tracker": {"name": "wandb"},
    "checkpoint": {"every": "10m", "keep": 3}, "data": {"name": "voc", "root": "cells"},
    "callbacks": {"csv": {"_target_": "keras.callbacks.CSVLogger", "filename": "/old/h.csv"}},
    "resume": None,
}  # fmt: skip


def manifest(**changes):
    split = {"images": 2, "boxes": {"a": 1}, "fingerprint": "f", "files_sha256": "s"}
    facts = {
        "backend": "tensorflow",
        "environment": {
            "python": "3.11", "system": "Linux", "packages": {"keras": "3.15.1"},
            "accelerators": [],
            "hardware": {"cpu": "x", "cores": 2, "memory_gib": 4.0},
            "code": {"commit": None, "dirty": None, "patch_sha256": None, "untracked": None},
        },
        "data": {"class_names": ["a"], "train": split, "val": split},
        "initial_weights": {"name": None, "sha256": "0"},
        "steps_per_epoch": 5,
    }  # fmt: skip
    return {**new_manifest(CONFIG, **facts), **changes}
