import keras
import numpy as np
import pytest

from zoo.classifier import BackboneClassifier, class_shares
from zoo.darknet.classifier import Classifier
from zoo.errors import ZooError
from zoo.evaluation.classification import accuracy

TINY = {
    "name": "tiny", "image_size": [64, 64],
    "backbone": {"name": "cspdarknet_tiny", "stem": 4, "widths": [4, 8, 8]},
}  # fmt: skip


def truth(*rows):
    """Ground truth of one image: (x1, y1, x2, y2, class) a row."""
    table = np.array(rows, np.float32)
    return {"boxes": table[None, :, :4], "classes": table[None, :, 4].astype(int)}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([(0, 0, 8, 8, 2), (0, 0, 0, 0, -1)], [0, 0, 1], id="one box, one padding"),
        pytest.param([(0, 0, 6, 8, 0), (6, 0, 8, 8, 1)], [0.75, 0.25, 0], id="48 and 16 pixels"),
        pytest.param([(0, 0, 2, 2, 1), (4, 4, 6, 6, 1)], [0, 1, 0], id="two of a class"),
        pytest.param([(0, 0, 0, 0, -1)], [0, 0, 0], id="none"),
    ],
)
def test_shares_of_the_classes(rows, expected):
    np.testing.assert_allclose(class_shares(truth(*rows), 3)[0], expected, rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_by_hand(smoothing):
    model = BackboneClassifier(TINY, ["a", "b"], smoothing)
    # softmax of (ln 3, 0) is (3/4, 1/4); the target of class 0 is (1 − ε/2, ε/2)
    logits = np.log(np.array([[3.0, 1.0]], np.float32))
    expected = -(1 - smoothing / 2) * np.log(3 / 4) - smoothing / 2 * np.log(1 / 4)
    loss = model.compute_loss(y=truth((0, 0, 64, 64, 0)), y_pred=logits)
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    assert float(model.get_metrics_result()["loss"]) == pytest.approx(expected, rel=1e-6)


def test_the_coarsest_level_is_classified():
    model = BackboneClassifier(TINY, ["a", "b"])
    assert model.stride == 32
    assert model.get_layer("classes").kernel.shape == (2 * 8, 2)  # P5 has twice the last width


def test_it_comes_back_from_its_config():
    model = BackboneClassifier({**TINY, "resize": "letterbox"}, ["a", "b"], 0.1)
    again = BackboneClassifier.from_config(model.get_config())
    for found in (model, again):
        assert (found.name, found.resize) == ("tiny_classifier", "letterbox")
        assert (found.label_smoothing, found.class_names) == (0.1, ["a", "b"])


def test_the_mean_is_float32_under_mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = BackboneClassifier(TINY, ["a", "b"])
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("pool").output.dtype == "float32"
    assert model.output.dtype == "float32"


def test_bytes_are_divided_by_255():
    model = BackboneClassifier(TINY, ["a", "b"])
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    floats = images.astype("float32") / 255
    # The weights are drawn anew each time: an output of 1e-2 may lie as near to 0 as 1e-5.
    np.testing.assert_allclose(model(images), model(floats), rtol=1e-4, atol=1e-6)


def test_losses_of_layers_are_added():
    model = BackboneClassifier(TINY, ["a", "b"])
    bias = model.get_layer("classes").bias
    bias.assign([1.0, 2.0])
    bias.regularizer = keras.regularizers.L2(0.1)  # 0.1 · (1² + 2²)
    loss = model.compute_loss(y=truth((0, 0, 64, 64, 0)), y_pred=np.zeros((1, 2), np.float32))
    assert float(loss) == pytest.approx(np.log(2) + 0.5, rel=1e-6)


def test_an_image_without_a_class_teaches_nothing():
    model = BackboneClassifier(TINY, ["a", "b"], 0.1)
    assert float(model.compute_loss(y=truth((0, 0, 0, 0, -1)), y_pred=np.ones((1, 2)))) == 0


def test_it_gives_no_boxes_and_says_what_it_is_for():
    with pytest.raises(ZooError, match=r"weights=RUN transfer=\[backbone\]"):
        BackboneClassifier(TINY, ["a", "b"]).detect("dog.jpg")


class Six:
    """Six images, the n-th of class n."""

    class_names = tuple("abcdef")

    def __len__(self):
        return 6

    def labels(self, index):
        from zoo.data.sample import Labels

        return Labels.of([[0, 0, 64, 64]], [index])

    def size(self, index):
        return 64, 64

    def image(self, index):
        return np.zeros((64, 64, 3), np.uint8)


def test_top1_and_top5():
    model = BackboneClassifier(TINY, list("fedcba"))
    model.get_layer("classes").bias.assign([6, 5, 4, 3, 2, 1])  # f first, a last
    model.get_layer("classes").kernel.assign(np.zeros(model.get_layer("classes").kernel.shape))
    # only the image of f is right, and only that of a is not among the first five
    assert accuracy(model, Six(), batch_size=4) == pytest.approx({"top1": 1 / 6, "top5": 5 / 6})


@pytest.mark.parametrize(
    ("bias", "expected"),
    [
        pytest.param([0] * 6, {"top1": 0, "top5": 0}, id="all tie"),
        pytest.param([np.nan] * 6, {"top1": 0, "top5": 0}, id="no number"),
        # a, d, e and f tie for the third place: each is the sixth.
        pytest.param([0, 0, 0, 1, 2, 0], {"top1": 1 / 6, "top5": 2 / 6}, id="four tie"),
        # b's is no number: it is the sixth, and ranks above a, c, d, e and f as well.
        pytest.param([0, 1, 2, 3, np.nan, 5], {"top1": 0, "top5": 4 / 6}, id="one is no number"),
    ],
)
def test_ties_and_what_is_no_number_are_never_right(bias, expected):
    model = BackboneClassifier(TINY, list("fedcba"))
    model.get_layer("classes").bias.assign(bias)
    model.get_layer("classes").kernel.assign(np.zeros(model.get_layer("classes").kernel.shape))
    assert accuracy(model, Six(), batch_size=4) == pytest.approx(expected)


def test_it_is_evaluated_at_the_size_that_is_asked_for(monkeypatch):
    model, shapes = BackboneClassifier(TINY, list("abcdef")), []

    def predict(images):
        shapes.append(images.shape)
        return np.eye(4, 6)

    monkeypatch.setattr(model, "predict_on_batch", predict)
    accuracy(model, Six(), batch_size=4, image_size=(32, 96))
    assert shapes == [(4, 32, 96, 3)] * 2


@pytest.mark.parametrize("kind", [BackboneClassifier, Classifier])
def test_one_base_alone_leads_to_keras(kind):
    """In the first model of a process Keras replaces it, and fails at the second one."""
    assert sum(issubclass(base, keras.Model) for base in kind.__bases__) == 1
