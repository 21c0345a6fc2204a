"""The same files in OpenCV's reader of Darknet, which knows nothing of ours."""

import cv2
import keras
import numpy as np
import pytest

import zoo
from zoo.darknet.file import Header
from zoo.darknet.plan import plan

NET = "[net]\nheight=64\nwidth=96\nchannels=3\n"
CONV = "[convolutional]\nbatch_normalize=1\nfilters={}\nsize={}\nstride={}\npad=1\nactivation={}\n"

MIXED = NET + "".join(
    [
        CONV.format(8, 3, 2, "leaky"),
        CONV.format(8, 3, 2, "mish").replace("pad=1", "pad=1\ngroups=8"),  # depthwise
        CONV.format(12, 1, 1, "swish"),
        "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n",
        CONV.format(6, 3, 1, "relu"),
        "[route]\nlayers=-1,-3\n",
        "[maxpool]\nsize=2\nstride=2\n",
        CONV.format(18, 3, 1, "leaky"),
        "[shortcut]\nfrom=-2\nactivation=linear\n",
        "[maxpool]\nsize=5\nstride=1\n",
        "[upsample]\nstride=2\n",
        "[route]\nlayers=-1,5\n",
        CONV.format(16, 1, 1, "logistic"),
    ]
)
SQUEEZED = NET + "".join(
    [
        CONV.format(8, 3, 4, "leaky"),
        CONV.format(16, 3, 2, "relu").replace("pad=1", "pad=1\ngroups=4"),
        "[avgpool]\n",
        "[convolutional]\nfilters=16\nsize=1\nactivation=logistic\n",
        "[scale_channels]\nfrom=-3\n",
        CONV.format(16, 1, 1, "linear"),
        "[sam]\nfrom=-2\n",
        "[convolutional]\nfilters=10\nsize=3\npad=1\nactivation=swish\n",
    ]
)


@pytest.mark.parametrize("text", [MIXED, SQUEEZED], ids=["mixed", "squeezed"])
def test_opencv_agrees(text, tmp_path):
    planned = plan(text)
    generator = np.random.default_rng(0)
    values = []
    for layer in planned.layers:
        for role, shape in layer.in_file:
            fan = np.prod(shape[1:]) if role == "kernel" else 1
            value = generator.normal(size=shape) / np.sqrt(fan)
            values.append(np.abs(value) + 0.5 if role == "variance" else value)
    flat = np.concatenate([value.ravel() for value in values]).astype("<f4")
    (tmp_path / "a.cfg").write_text(text)
    (tmp_path / "a.weights").write_bytes(Header().to_bytes() + flat.tobytes())

    image = generator.random((64, 96, 3), "float32")
    theirs = cv2.dnn.readNetFromDarknet(str(tmp_path / "a.cfg"), str(tmp_path / "a.weights"))
    theirs.setInput(image.transpose(2, 0, 1)[None])
    expected = theirs.forward()[0].transpose(1, 2, 0)
    ours = zoo.load(tmp_path / "a.cfg", weights=tmp_path / "a.weights")
    found = keras.ops.convert_to_numpy(ours(image[None], training=False))[0]
    assert found.shape == expected.shape == tuple(planned.layers[-1].output)
    # OpenCV approximates the exponential function.
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
