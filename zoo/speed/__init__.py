"""How fast things are on the machine at hand: the input pipeline, a training step, a detector."""
