"""Experiment trackers by name: context managers that give Keras callbacks."""

PARTS = {
    "none": "zoo.training.tracking.none:untracked",
    "wandb": "zoo.training.tracking.weights_and_biases:weights_and_biases",
}
