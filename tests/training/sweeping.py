"""`zoo.train` with a training that takes no time: python tests/training/sweeping.py -m seed=1,2

Environment: REFUSE, CRASH and KILL name the numbers of jobs that end so.
"""

import json
import os
import signal
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from zoo.command import command
from zoo.errors import ZooError
from zoo.training.sweep import turn


@command("train")
def main(cfg):
    hydra = HydraConfig.get()
    with turn(hydra):
        return train(cfg, Path(hydra.runtime.output_dir))


def train(cfg, directory):
    scores = directory / "metrics.json"
    if not scores.is_file():
        with open(directory / "starts", "a") as starts:
            starts.write(f"{os.environ.get('WANDB_RUN_GROUP')}\n")
        ending = {word: os.environ.get(word, "").split() for word in ("REFUSE", "CRASH", "KILL")}
        if directory.name in ending["REFUSE"]:
            raise ZooError("batch_size 64 is more than the 16 training images")
        if directory.name in ending["CRASH"]:
            raise FloatingPointError("nan")
        if directory.name in ending["KILL"]:
            os.kill(os.getpid(), signal.SIGKILL)
        rate = cfg.optimizer.learning_rate
        scores.write_text(json.dumps({"AP": 1 / (1 + abs(rate - 0.003) + cfg.seed), "AP50": 1.0}))
    return json.loads(scores.read_text())["AP"]


if __name__ == "__main__":
    main()
