"""Pure functions on tensors: boxes, overlaps, compilation."""
