"""Waiting for what another process leaves on the disk."""

import time


def until(there, process, seconds=600):
    """What `there()` gives once that is true; `process` is ended where it takes too long."""
    end = time.monotonic() + seconds
    while not (found := there()):
        assert process.poll() is None, f"it ended with {process.returncode}"
        if time.monotonic() > end:
            process.kill()
            raise AssertionError(f"nothing is there after {seconds} s")
        time.sleep(0.05)
    return found
