"""What models and losses stand on: boxes, levels, images, compilation, replicas."""
