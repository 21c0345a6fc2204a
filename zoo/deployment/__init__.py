"""From a trained detector to a file that runs without Keras."""
