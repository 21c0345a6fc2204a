"""One seed, one hash: five reruns, and four numbers of loader threads. Another seed, another hash.

python tests/training/reruns.py                  # KERAS_BACKEND=jax for the other backend
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from kill import attempt, evidence
from tiny import TINY

from zoo import config

#: (seed, threads) of each run.
RUNS = [(0, "null"), (0, "null"), (0, "null"), (0, 0), (0, 1), (0, 2), (0, 4), (1, "null")]


def main():
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (seed, threads) in enumerate(RUNS):
            overrides = [text for text in TINY if not text.startswith("threads")]
            overrides += [f"seed={seed}", f"threads={threads}"]
            directory = Path(folder) / str(number)
            if attempt(config.plain(config.compose("train", overrides)), directory):
                raise SystemExit("a run failed")
            key = json.dumps(evidence(directory), sort_keys=True)
            found.setdefault(key, []).append((seed, threads))
            print(f"seed {seed}, threads {threads}: {evidence(directory)['weights']}", flush=True)
    groups = list(found.values())
    if [{seed for seed, _ in group} for group in groups] != [{0}, {1}]:
        raise SystemExit(f"runs by their bits: {groups}")
    print(f"one hash for {len(groups[0])} runs of seed 0, another for {len(groups[1])}")


if __name__ == "__main__":
    main()
