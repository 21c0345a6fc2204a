"""Fixtures: the reference data, where it lies beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

import zoo  # noqa: F401  before any test imports Keras: it says how TensorFlow starts

os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# A machine that is busy fails no test.
settings.register_profile("zoo", deadline=None)
settings.load_profile("zoo")
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"the reference data are not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def oracle_dir(shared: Path) -> Path:
    return shared / "oracle"


@pytest.fixture(scope="session")
def data_dir(shared: Path) -> Path:
    return shared / "data"


@pytest.fixture
def mirror(oracle_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Serve the pretrained weights from the reference data, into a cache of this test alone."""
    monkeypatch.setenv("ZOO_MIRROR", str(oracle_dir / "weights"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return oracle_dir / "weights"
