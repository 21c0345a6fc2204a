"""Augmentation: functions of pixels, boxes and a generator.

    flip(image, boxes_xyxy, rng, *, probability=0.5) -> (image, boxes_xyxy)

`image` is uint8 (h, w, 3) RGB before any resizing, `boxes_xyxy` float32 (n, 4) in its pixels. All
randomness comes from `rng`, so a sample is a function of (seed, index). Rows of boxes keep their
places; inputs are not written to.
"""

PARTS = {
    "flip": "zoo.data.transforms.flip:flip",
}
