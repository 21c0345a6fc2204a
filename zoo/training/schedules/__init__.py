"""Learning-rate schedules by name.

Each is called with `learning_rate` and `total_steps` by the trainer and with its YAML keys; a
number of steps below 1 is a share of `total_steps`.
"""

PARTS = {
    "constant": "zoo.training.schedules.darknet:Constant",
    "cosine": "zoo.training.schedules.darknet:Cosine",
    "steps": "zoo.training.schedules.darknet:Steps",
}
