"""Where a run happens: code, packages, machine, energy."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from zoo.training import determinism
from zoo.training.comparison import changes

CHECKOUT = Path(__file__).resolve().parents[2]
#: Intel's and AMD's counters of energy, one a processor package; often for root alone.
RAPL = Path("/sys/class/powercap")
#: Variables from which a backend takes how it computes.
SETTINGS = (
    "XLA_FLAGS", "TF_XLA_FLAGS", "TF_ENABLE_ONEDNN_OPTS", "ONEDNN_MAX_CPU_ISA",
    "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS",
    "TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC", "NVIDIA_TF32_OVERRIDE",
    "JAX_ENABLE_X64", "JAX_DEFAULT_MATMUL_PRECISION",
)  # fmt: skip
#: Folders of the checkout whose files a run may read.
CODE = ("zoo/", "conf/", "plugins/")


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
        "settings": _settings(),
        "code": code()[0],
    }


def environment_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """`what: before → now` for all that may change a number, of two environments.

    Memory and untracked files that are no code have no say, nor has what one of the two lacks.
    """
    common = [key for key in now if key in before]
    return changes(
        _of_weight({key: before[key] for key in common}),
        _of_weight({key: now[key] for key in common}),
    )


def _of_weight(found: Mapping[str, Any]) -> dict[str, Any]:
    hardware = {key: value for key, value in found["hardware"].items() if key != "memory_gib"}
    files = found["code"]["untracked"]
    files = files and [name for name in files if name.startswith(CODE)]
    return {**found, "hardware": hardware, "code": {**found["code"], "untracked": files or None}}


def _settings() -> dict[str, str]:
    """Those of `SETTINGS` that are set, without what `deterministic` adds, which the config has."""
    found = {name: os.environ.get(name, "") for name in SETTINGS}
    found["XLA_FLAGS"] = found["XLA_FLAGS"].replace(determinism.XLA_FLAG, "")
    return {name: value.strip() for name, value in found.items() if value.strip()}


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


def code() -> tuple[dict[str, Any], bytes]:
    """The commit of zoo's checkout and its uncommitted changes, and these as a patch.

    Returns:
        `{"commit", "dirty", "patch_sha256", "untracked"}`, all None outside a checkout, `dirty`
        where git does not say; the patch, whose files may be of any encoding.
    """
    nowhere = {"commit": None, "dirty": None, "patch_sha256": None, "untracked": None}
    top = _git("rev-parse", "--show-toplevel")
    if top is None or Path(os.fsdecode(top.strip())).resolve() != CHECKOUT:
        return nowhere, b""
    commit = _git("rev-parse", "HEAD")
    patch = _git("diff", "HEAD", "--binary")
    others = _git("ls-files", "--others", "--exclude-standard")
    unknown = patch is None or others is None
    return {
        "commit": commit.decode().strip() if commit else None,
        "dirty": True if patch or others else None if unknown else False,
        "patch_sha256": hashlib.sha256(patch).hexdigest() if patch else None,
        "untracked": None if others is None else _lines(others),
    }, patch or b""


def _lines(names: bytes) -> list[str]:
    return names.decode(errors="backslashreplace").splitlines()


def _git(*arguments: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=CHECKOUT, capture_output=True, timeout=30, check=False
        )
    except (OSError, subprocess.SubprocessError):
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
