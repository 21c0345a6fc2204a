"""Darknet's files into Keras and out again, to the byte."""

import re

import keras
import numpy as np
import pytest
from drawing import cfgs
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from keras import ops

import zoo
from zoo.darknet.exporting import export
from zoo.darknet.file import Header
from zoo.darknet.plan import plan
from zoo.darknet.weights import stored_layers
from zoo.errors import ZooError


def floats_of(planned):
    return [sum(int(np.prod(a.shape)) for a in layer.in_file) for layer in planned.layers]


def content(text, header, seed=0):
    count = sum(floats_of(plan(text)))
    values = np.random.default_rng(seed).normal(size=count).astype("<f4")
    return header.to_bytes() + np.abs(values).tobytes()  # variances are not negative


HEADERS = st.sampled_from(
    [Header((0, 1, 0), 7), Header((0, 2, 0), 2**33), Header((0, 2, 5), 32_013_312)]
)


# Shrinking would take minutes: a failing cfg is small as it is.
@settings(
    max_examples=10,
    derandomize=True,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(cfgs(), HEADERS, st.data())
def test_import_and_export_are_inverse(tmp_path_factory, text, header, data):
    folder = tmp_path_factory.mktemp("cfg")
    cfg, weights = folder / "a.cfg", folder / "a.weights"
    cfg.write_text(text)
    weights.write_bytes(content(text, header))
    model = zoo.load(cfg, weights=weights)
    runs_as_planned(model, plan(text))

    written = export(model, folder / "b.weights")
    assert [file.read_bytes() for file in written] == [weights.read_bytes(), cfg.read_bytes()]
    again = zoo.load(folder / "b.cfg", weights=folder / "b.weights")
    for ours, theirs in zip(stored_layers(model), stored_layers(again), strict=True):
        for a, b in zip(ours.slots, theirs.slots, strict=True):
            np.testing.assert_array_equal(a.array(), b.array())
    refuses_other_lengths(again, weights, text, data)


def runs_as_planned(model, planned):
    shape = planned.image
    image = np.random.default_rng(1).random((2, *shape), "float32")
    found = model(image, training=False)
    if isinstance(found, dict):
        grids = [(2, *layer.output) for layer in planned.of_kind("yolo")]
        assert [tuple(found[level].shape) for level in model.head.masks] == grids
    else:
        assert tuple(found.shape) == (2, planned.layers[-1].output.channels)
        np.testing.assert_allclose(ops.convert_to_numpy(found).sum(axis=-1), 1, rtol=1e-5)


def refuses_other_lengths(model, weights, text, data):
    """Cut after each layer, cut anywhere, and lengthened: refused, and nothing changes."""
    before = [slot.array().copy() for layer in stored_layers(model) for slot in layer.slots]
    whole = weights.read_bytes()
    ends = 20 + 4 * np.cumsum([0, *floats_of(plan(text))])
    cuts = {int(end) for end in ends if end < len(whole)} - {len(whole)}
    cuts |= set(data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=3, max_size=3)))
    for other in [*(whole[:cut] for cut in sorted(cuts)), whole + b"\0", whole + whole[-4:]]:
        weights.write_bytes(other)
        with pytest.raises(ZooError, match=r"a\.weights"):
            zoo.darknet.weights.load_weights(model, weights)
    after = [slot.array() for layer in stored_layers(model) for slot in layer.slots]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("cfg", "weights"),
    [
        ("yolov4-tiny", "yolov4-tiny"),
        pytest.param("yolov3-tiny-mask123", "yolov3-tiny", marks=pytest.mark.slow),
    ],
)
def test_official_files(cfg, weights, oracle_dir, tmp_path):
    source, numbers = oracle_dir / f"cfg/{cfg}.cfg", oracle_dir / f"weights/{weights}.weights"
    written = export(zoo.load(source, weights=numbers), tmp_path / "a.weights")
    assert [f.read_bytes() for f in written] == [numbers.read_bytes(), source.read_bytes()]


@pytest.mark.parametrize(
    "preset", ["yolov4-tiny-coco", pytest.param("yolov3-tiny-coco", marks=pytest.mark.slow)]
)
def test_presets_of_parts_and_their_keras_archives(preset, mirror, tmp_path, caplog):
    caplog.set_level("INFO")
    detector = zoo.load(preset)
    numbers = (mirror / f"{preset.removesuffix('-coco')}.weights").read_bytes()
    assert export(detector, tmp_path / "a.weights") == [tmp_path / "a.weights"]
    assert (tmp_path / "a.weights").read_bytes() == numbers
    anchors = "10,14, 23,27, 37,58, 81,82, 135,169, 344,319"
    scale = {"yolov4-tiny-coco": "1.05", "yolov3-tiny-coco": "1"}[preset]
    assert caplog.messages[-1].endswith(
        f"anchors={anchors}; mask=3,4,5 and 1,2,3; scale_x_y={scale} and {scale}; new_coords=0"
    )
    detector.save(tmp_path / "a.keras")
    export(zoo.load(tmp_path / "a.keras"), tmp_path / "b.weights")
    assert (tmp_path / "b.weights").read_bytes() == numbers


@pytest.mark.parametrize("name", ["a.cfg", "a.keras", "a"])
def test_weights_have_a_name_of_their_own(files, name):
    folder, _ = files
    model = zoo.load(folder / "a.cfg", weights=folder / "a.weights")
    (folder / "other").mkdir()
    with pytest.raises(ZooError, match=rf"^path '.*{name}': the name must end in \.weights$"):
        export(model, folder / "other" / name)
    assert not list((folder / "other").iterdir())


# === Parts of files ===

TEXT = """[net]
height=32
width=32
channels=3
[conv]
filters=2
batch_normalize=1
[conv]
filters=4
activation=leaky
[shortcut]
from=-2
weights_type=per_feature
weights_normalization=relu
[conv]
filters=6
[yolo]
classes=1
"""
#: Layer 0: 4·2 + 2·3; layer 1: 4 + 4·2; layer 2: 2 weights; layer 3: 6 + 6·4.
FLOATS = [14, 12, 2, 30, 0]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.cfg").write_text(TEXT)
    whole = content(TEXT, Header())
    (tmp_path / "a.weights").write_bytes(whole)
    return tmp_path, whole


def values(model):
    return [[slot.array() for slot in layer.slots] for layer in stored_layers(model)]


def test_floats_by_hand():
    assert floats_of(plan(TEXT)) == FLOATS


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_first_layers_load_and_the_others_stay_fresh(files, layers):
    folder, whole = files
    prefix = folder / f"a.conv.{layers}"
    prefix.write_bytes(whole[: 20 + 4 * sum(FLOATS[:layers])])
    full = values(zoo.load(folder / "a.cfg", weights=folder / "a.weights"))
    keras.utils.set_random_seed(3)
    fresh = values(zoo.load(folder / "a.cfg"))
    keras.utils.set_random_seed(3)
    part = values(zoo.load(folder / "a.cfg", weights=prefix))
    for index, found in enumerate(part):
        wanted = full if index < layers else fresh
        for a, b in zip(found, wanted[index], strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ZooError, match=r"cut short, or belongs to another model"):
        (folder / "b.weights").write_bytes(prefix.read_bytes()[:-4])
        zoo.load(folder / "a.cfg", weights=folder / "b.weights")


@pytest.mark.parametrize(
    ("length", "message"),
    [
        pytest.param(20 + 4 * 14 + 4, "whole layers end at 76 or 124", id="within layer 1"),
        pytest.param(20, "whole layers end at 20 or 76", id="nothing"),
        pytest.param(20 + 4 * 58 + 4, "whole layers end at 252 and a has no more", id="too long"),
    ],
)
def test_first_layers_that_end_within_a_layer_are_refused(files, length, message):
    folder, whole = files
    (folder / "a.conv.2").write_bytes((whole + whole)[:length])
    with pytest.raises(ZooError, match=re.escape(message)):
        zoo.load(folder / "a.cfg", weights=folder / "a.conv.2")


def test_first_layers_of_a_detector_of_parts(oracle_dir, tmp_path):
    """yolov4-tiny.conv.29: the layers before 29 of the cfg, 17 convolutions."""
    from zoo.darknet.weights import load_first_layers

    whole = (oracle_dir / "weights/yolov4-tiny.weights").read_bytes()
    text = (oracle_dir / "cfg/yolov4-tiny.cfg").read_text()
    (tmp_path / "a.conv.29").write_bytes(whole[: 20 + 4 * sum(floats_of(plan(text))[:29])])
    detector = zoo.build("yolov4_tiny", ["a", "b"])
    assert load_first_layers(detector, tmp_path / "a.conv.29") == 17
    export(detector, tmp_path / "b.weights")
    start = (tmp_path / "a.conv.29").read_bytes()[20:]
    assert (tmp_path / "b.weights").read_bytes()[20:].startswith(start)


def test_dontload_layers_are_in_no_file(tmp_path):
    text = TEXT.replace("filters=4\n", "filters=4\ndontload=1\n")
    assert floats_of(plan(text)) == [14, 0, 2, 30, 0]
    (tmp_path / "a.cfg").write_text(text)
    (tmp_path / "a.weights").write_bytes(content(text, Header()))
    model = zoo.load(tmp_path / "a.cfg", weights=tmp_path / "a.weights")
    export(model, tmp_path / "b.weights")
    assert (tmp_path / "b.weights").read_bytes() == (tmp_path / "a.weights").read_bytes()


def test_a_failed_write_leaves_the_old_file(files):
    folder, _ = files
    from zoo.darknet.file import write_weights

    def arrays():
        yield np.ones(3)
        raise RuntimeError("stopped")

    before = (folder / "a.weights").read_bytes()
    with pytest.raises(RuntimeError):
        write_weights(folder / "a.weights", Header(), arrays())
    assert (folder / "a.weights").read_bytes() == before
    assert sorted(file.name for file in folder.iterdir()) == ["a.cfg", "a.weights"]
    with pytest.raises(ZooError, match=r"nowhere/a.weights cannot be written: No such file"):
        write_weights("nowhere/a.weights", Header(), [])


def test_an_export_says_which_weights_its_cfg_does_not_load(tmp_path, caplog):
    text = "[net]\nheight=8\nwidth=8\nchannels=3\n"
    text += "[conv]\nfilters=4\n[conv]\nfilters=5\ndontload=1\n[avgpool]\n"
    (tmp_path / "a.cfg").write_text(text)
    export(zoo.load(tmp_path / "a.cfg"), tmp_path / "b.weights")
    assert "b.weights lacks weights that its cfg does not load" in caplog.text
    assert caplog.text.rstrip().endswith("of convolutional_1")
