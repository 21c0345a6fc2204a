"""Augmentation: functions of an example and a generator, by name in `conf/augment`.

    flip(example, rng, *, probability=0.5) -> Example
    mixup(example, rng, *, draw, probability=0.5) -> Example

An `Example` is pixels with their boxes and classes; a transform gives a new one and writes to no
array. It may move, drop and add boxes, and leave them reaching outside of the image (`clipped` cuts
them). All randomness comes from `rng`, so a sample is a function of (seed, position), whatever the
number of threads. Keywords are the keys of its YAML, except these three, which the chain supplies
to a transform whose signature has them:

    draw    () -> Example: another image of the data set, with all earlier transforms applied
    size    height and width of the network input of this batch, pixels
    mode    how the model resizes: "stretch" or "letterbox"

Before training the chain runs each transform that has keywords, and each of a plugin, a few times
on an image of its own: a value with which it fails, or pixels that are no bytes, are said at once.
"""

PARTS = {
    "blur": "zoo.data.transforms.blur:blur",
    "copy_paste": "zoo.data.transforms.mix:copy_paste",
    "cutout": "zoo.data.transforms.cutout:cutout",
    "darknet_crop": "zoo.data.transforms.crop:darknet_crop",
    "darknet_hsv": "zoo.data.transforms.colour:darknet_hsv",
    "darknet_place": "zoo.data.transforms.crop:darknet_place",
    "fit": "zoo.data.transforms.crop:fit",
    "flip": "zoo.data.transforms.flip:flip",
    "grey": "zoo.data.transforms.colour:grey",
    "hsv": "zoo.data.transforms.colour:hsv",
    "mixup": "zoo.data.transforms.mix:mixup",
    "mosaic": "zoo.data.transforms.mosaic:mosaic",
    "mosaic9": "zoo.data.transforms.mosaic:mosaic9",
    "noise": "zoo.data.transforms.colour:noise",
    "perspective": "zoo.data.transforms.perspective:perspective",
}
