"""A detector without a network, for tests of what is around one."""

import numpy as np


class Brightness:
    """A detector of one box in each picture, over all of it, that scores its brightness."""

    class_names = ("a",)
    image_size = (32, 32)
    resize = "stretch"

    def __init__(self):
        self.shapes = []

    def predictor(self, **options):
        self.options = options
        return self

    def predict_on_batch(self, inputs):
        images, windows = inputs
        self.shapes.append((images.shape, windows.shape))
        self.window = windows[0].tolist()
        number = len(images)
        return {
            "boxes": np.tile(np.array([0, 0, 1, 1], "float32"), (number, 1, 1)),
            "scores": images.mean(axis=(1, 2, 3))[:, None],
            "classes": np.zeros((number, 1), int),
            "count": np.ones(number, int),
        }
