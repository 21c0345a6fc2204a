"""Where a run happens: code, packages, machine, energy."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
#: Intel's and AMD's counters of energy, one a processor package; often for root alone.
RAPL = Path("/sys/class/powercap")


def environment() -> dict[str, Any]:
    """Python, packages, machine and code; imports no backend."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": packages(),
        "hardware": {
            "cpu": _cpu(),
            "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
            "memory_gib": _memory_gib(),
        },
        "code": code()[0],
    }


def packages() -> dict[str, str]:
    """Name → version of all installed distributions."""
    found = {d.metadata["Name"]: d.version for d in distributions() if d.metadata["Name"]}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def accelerators() -> list[str]:
    """The devices of the backend other than the CPU."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        devices = tf.config.list_physical_devices()
        named = [tf.config.experimental.get_device_details(d).get("device_name") for d in devices]
        return [
            name or d.device_type
            for name, d in zip(named, devices, strict=True)
            if d.device_type != "CPU"
        ]
    if backend == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    import torch

    return [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]


def code() -> tuple[dict[str, Any], str]:
    """The commit of zoo's checkout and its uncommitted changes, and these as a patch.

    Returns:
        `{"commit", "dirty", "patch_sha256", "untracked"}`, all None outside a checkout; the patch.
    """
    nowhere = {"commit": None, "dirty": None, "patch_sha256": None, "untracked": None}
    top = _git("rev-parse", "--show-toplevel")
    if top is None or Path(top.strip()).resolve() != CHECKOUT:
        return nowhere, ""
    commit = _git("rev-parse", "HEAD")
    patch = _git("diff", "HEAD", "--binary") or ""
    untracked = (_git("ls-files", "--others", "--exclude-standard") or "").splitlines()
    return {
        "commit": commit.strip() if commit else None,
        "dirty": bool(patch or untracked),
        "patch_sha256": hashlib.sha256(patch.encode()).hexdigest() if patch else None,
        "untracked": untracked,
    }, patch


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, timeout=30,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None
    return round(total / 2**30, 1)


class Meter:
    """Time since it was made, and energy where the processor tells it, added to earlier ones.

    Args:
        seconds: of the parts of the run before this one.
        joules: of those parts; None if a part was not measured.
    """

    def __init__(self, seconds: float = 0, joules: float | None = 0, rapl: Path = RAPL):
        self._before, self._joules = seconds, joules
        self._start = time.monotonic()
        self._counters = {path: _number(path) for path in sorted(rapl.glob("*-rapl:?/energy_uj"))}

    def seconds(self) -> float:
        """Of all parts of the run."""
        return self._before + time.monotonic() - self._start

    def joules(self) -> float | None:
        """Of all parts, processor and its memory controllers; None if the machine does not say.

        The counters turn over within the hour: ask more often.
        """
        if not self._counters:
            return None
        for path, before in self._counters.items():
            now = _number(path)
            if self._joules is None or now is None or before is None:
                self._joules = None
                continue
            turn = 0 if now >= before else _number(path.with_name("max_energy_range_uj")) or 0
            self._joules += (now - before + turn) / 1e6
            self._counters[path] = now
        return self._joules


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
