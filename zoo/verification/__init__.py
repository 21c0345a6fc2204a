"""The certificate that a model computes what Darknet computes, layer by layer."""
