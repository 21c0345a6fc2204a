"""From the start of a fresh process to the first detection.

The process is `python -m zoo.speed.cold MODEL`, which prints one line of JSON.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from zoo.errors import ZooError


def cold_start(model: str) -> dict[str, float]:
    """Seconds to the first detection, and the most memory that the process used, MiB.

    Args:
        model: a preset, a run directory, a `.keras` file or an exported model.

    Raises:
        ZooError: the process fails.
    """
    command = [sys.executable, "-m", "zoo.speed.cold", model]
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        # What was killed, as for want of memory, says nothing.
        reason = done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"
        raise ZooError(f"no cold start of {model}: {reason}")
    found = json.loads(done.stdout.splitlines()[-1])
    return {"seconds": found["detected"] - start, "peak_rss_mib": found["peak_rss_mib"]}


def _first_detection(model: str) -> dict[str, Any]:
    """The monotonic time of the detection, one clock for all processes, and the peak memory."""
    import zoo

    zoo.load(model).detect(np.zeros((480, 640, 3), np.uint8))
    return {"detected": time.monotonic(), "peak_rss_mib": _peak_rss_mib()}


def _peak_rss_mib() -> float:
    status = Path("/proc/self/status")
    if status.is_file():
        # On Linux `ru_maxrss` is not less than that of the process that started this one.
        found = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE)
        if found:
            return int(found[1]) / 2**10
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    print(json.dumps(_first_detection(sys.argv[1])))
