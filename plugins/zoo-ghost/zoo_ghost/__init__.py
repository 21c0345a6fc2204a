"""A GhostNet-style backbone for zoo."""
