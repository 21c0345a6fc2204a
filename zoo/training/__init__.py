"""Training: optimizers by name, and the run that joins model, data and callbacks."""

PARTS = {"sgd": "zoo.training.sgd:SGD"}
