"""Overrides of `conf/train.yaml` for a training that takes seconds."""

TINY = [
    "data=shapes", "data.images=24", "data.held_out=4", "data.size=[64,64]", "image_size=[64,64]",
    "batch_size=4", "epochs=2", "steps_per_epoch=4", "evaluation.every=1", "journal=2",
    "evaluation.max_candidates=64", "ema=0.9", "checkpoint.every=2", "tracker=none", "threads=2",
    "+model.backbone.stem=4", "+model.backbone.widths=[4,8,8]", "model.head.widths.P4=8",
    "~model.head.masks.P5", "~model.head.widths.P5", "resume=auto",
]  # fmt: skip
