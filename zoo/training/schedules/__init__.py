"""Learning-rate schedules by name.

Each is called with `learning_rate` and `total_steps` by the trainer and with its YAML keys; a
number of steps below 1 is a share of `total_steps`.
"""

PARTS = {
    "constant": "zoo.training.schedules.darknet:Constant",
    "cosine": "zoo.training.schedules.cosine:Cosine",
    "exp": "zoo.training.schedules.darknet:Exponential",
    "poly": "zoo.training.schedules.darknet:Polynomial",
    "sgdr": "zoo.training.schedules.cosine:Restarts",
    "sigmoid": "zoo.training.schedules.darknet:Sigmoid",
    "step": "zoo.training.schedules.darknet:Step",
    "steps": "zoo.training.schedules.darknet:Steps",
}
