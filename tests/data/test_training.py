"""Training samples as a function of (seed, position)."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from zoo import config
from zoo.data.cache import Cached
from zoo.data.geometry import resize
from zoo.data.lint import Annotation, Lint
from zoo.data.loader import evaluation_batches, training_batches
from zoo.data.sample import Labels
from zoo.data.sources.files import ImageFiles, Record
from zoo.data.sources.shapes import Shapes
from zoo.data.training import (
    BATCHES_OF_A_SIZE,
    PADDING,
    TrainingSamples,
    input_sizes,
    network_input,
    training_samples,
)
from zoo.errors import ZooError
from zoo.inference import prepared
from zoo.registry import TRANSFORMS

AUGMENT = config.options("augment")
MOSAIC = [{"name": "fit"}, {"name": "mosaic", "probability": 1.0}]


@pytest.fixture(scope="module")
def shapes():
    return Shapes(split="train", images=24, size=(64, 80))


def samples(source, **keys):
    return TrainingSamples(source, **{"size": (64, 64), "mode": "stretch", "batch_size": 4} | keys)


def augmentation(name):
    return config.plain(config.compose("train", [f"augment={name}"]))["augment"]["transforms"]


def assert_same(one, other):
    np.testing.assert_array_equal(one[0], other[0])
    for key in ("boxes", "classes"):
        np.testing.assert_array_equal(one[1][key], other[1][key])


@pytest.mark.parametrize("name", AUGMENT)
@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
def test_every_augmentation_gives_samples_of_one_shape(shapes, name, mode):
    made = samples(shapes, transforms=augmentation(name), mode=mode, size=(64, 96))
    for position in range(8):
        x, y = made(position)
        assert x.shape == (64, 96, 3)
        real = y["classes"] != PADDING
        boxes = y["boxes"][real]
        assert (boxes >= 0).all() and (boxes <= [96, 64, 96, 64]).all()
        assert (boxes[:, 2:] - boxes[:, :2] >= 1).all() and not y["boxes"][~real].any()


@pytest.mark.parametrize("name", AUGMENT)
def test_a_sample_does_not_depend_on_what_was_asked_before(shapes, name):
    keys = {"transforms": augmentation(name), "scales": (0.5, 1, 1.5), "seed": 3}
    in_turn = samples(shapes, **keys)
    expected = [in_turn(position) for position in range(60)]
    other = samples(shapes, **keys, cache_mb=0.02)  # a cache of one image
    with ThreadPoolExecutor(4) as pool:
        for one, again in zip(pool.map(other, reversed(range(60))), expected[::-1], strict=True):
            assert_same(one, again)


def test_the_seed_and_the_epoch_change_samples(shapes):
    one, other = (samples(shapes, transforms=augmentation("darknet"), seed=s) for s in (0, 1))
    assert not np.array_equal(one(0)[0], other(0)[0])
    assert sorted(one.index(p) for p in range(24)) == list(range(24))
    assert [one.index(p) for p in range(24)] != [one.index(p) for p in range(24, 48)]
    again = next(p for p in range(24, 48) if one.index(p) == one.index(0))
    assert not np.array_equal(one(0)[0], one(again)[0])


def test_mixing_rests_from_a_position_on(shapes):
    resting = samples(shapes, transforms=MOSAIC, unmixed_from=10)
    mixing = samples(shapes, transforms=MOSAIC)
    plain = samples(shapes, transforms=MOSAIC[:1])
    assert_same(resting(9), mixing(9))
    assert_same(resting(10), plain(10))
    assert not np.array_equal(mixing(10)[0], plain(10)[0])


def test_the_last_epochs_of_a_config_are_unmixed(shapes):
    cfg = {
        "augment": {"transforms": MOSAIC, "scales": [], "unmixed_epochs": 2}, "epochs": 5,
        "batch_size": 4, "image_size": 64, "model": {"head": {}}, "seed": 0,
        "data": {"max_boxes": 30, "cache_mb": 1},
    }  # fmt: skip
    made = training_samples(cfg, shapes, steps=6)
    plain = samples(shapes, transforms=MOSAIC[:1], max_boxes=30)
    first = (5 - 2) * 6 * 4  # of epoch 4
    assert not np.array_equal(made(first - 1)[0], plain(first - 1)[0])
    assert_same(made(first), plain(first))
    share = {**cfg, "augment": {**cfg["augment"], "unmixed_epochs": 0.4}}  # 2 of 5
    assert training_samples(share, shapes, steps=6)._unmixed_from == first
    last = {**cfg, "augment": {**cfg["augment"], "unmixed_epochs": 1}}  # no share, but an epoch
    assert training_samples(last, shapes, steps=6)._unmixed_from == (5 - 1) * 6 * 4
    every = training_samples({**cfg, "epochs": 1}, shapes, steps=6)
    assert_same(every(0), plain(0))


def test_sizes_change_every_ten_batches_and_boxes_with_them(shapes):
    made = samples(shapes, scales=(0.5, 1, 1.5), batch_size=2)
    assert made.sizes == [(32, 32), (64, 64), (96, 96)]
    turns = [made.size(p) for p in range(0, 2 * BATCHES_OF_A_SIZE * 40, 2 * BATCHES_OF_A_SIZE)]
    assert set(turns) == set(made.sizes)
    other = samples(shapes, scales=(0.5, 1, 1.5), batch_size=2, seed=1)
    assert [made.size(p) for p in range(0, 400, 20)] != [other.size(p) for p in range(0, 400, 20)]
    for start in range(0, 400, 20):
        assert len({made.size(p) for p in range(start, start + 20)}) == 1
    for position in range(0, 200, 20):
        (x, y), height = made(position), made.size(position)[0]
        assert x.shape == (height, height, 3)
        labels = shapes.labels(made.index(position))
        expected = labels.boxes * (height / np.array([80, 64, 80, 64]))
        np.testing.assert_allclose(y["boxes"][: len(labels)], expected, rtol=1e-5)


def test_a_later_start_gives_the_same_batches(shapes):
    """As after a resume, in the middle of an epoch, with mosaics of earlier images."""
    keys = {"size": (64, 64), "mode": "stretch", "batch_size": 2, "max_boxes": 24, "seed": 5,
            "transforms": augmentation("scaled"), "scales": (0.5, 1)}  # fmt: skip
    one, other = (TrainingSamples(shapes, **keys) for _ in range(2))
    whole = list(itertools.islice(training_batches(one, num_threads=2), 25))
    late = itertools.islice(training_batches(other, num_threads=0, start=17), 8)
    for one, again in zip(whole[17:], late, strict=True):
        assert_same(one, again)


def test_batches_are_samples_beside_each_other(shapes):
    """Of bytes, which a network divides by 255 on the device."""
    made = samples(shapes, transforms=augmentation("scaled"), max_boxes=24)
    x, y = next(iter(training_batches(made, num_threads=0, start=3)))
    assert x.dtype == np.uint8 and len(x) == len(y["boxes"]) == len(y["classes"]) == 4
    for row in range(4):
        assert_same((x[row], {key: values[row] for key, values in y.items()}), made(12 + row))


def test_batches_are_of_one_size(shapes):
    made = samples(shapes, batch_size=2, scales=(0.5, 1, 1.5))
    batches = iter(training_batches(made, num_threads=2))
    seen = [next(batches)[0].shape for _ in range(3 * BATCHES_OF_A_SIZE)]
    assert all(len(set(seen[start : start + 10])) == 1 for start in (0, 10, 20))


@pytest.mark.parametrize(
    ("size", "scales", "expected"),
    [
        pytest.param((416, 416), (), [(416, 416)], id="none"),
        pytest.param((416, 608), (0.5, 1), [(192, 320), (416, 608)], id="6.5 and 9.5 strides"),
        pytest.param((64, 64), (0.9, 1, 1.1, 0.01), [(32, 32), (64, 64)], id="each size once"),
    ],
)
def test_input_sizes(size, scales, expected):
    assert input_sizes(size, scales) == expected


def test_scales_round_to_the_coarsest_stride_of_the_head():
    head = {"masks": {"P4": [0], "P6": [1]}}
    cfg = {"image_size": [128, 192], "model": {"head": head, "resize": "letterbox"}}
    assert network_input(cfg) == ((128, 192), "letterbox", 64)
    assert input_sizes((128, 192), (1.2, 1.4), stride=64) == [(128, 256), (192, 256)]
    with pytest.raises(ZooError, match=r"image_size 96: .* multiples of 64"):
        network_input({**cfg, "image_size": 96})


@pytest.mark.parametrize(
    ("levels", "stride"),
    [(["P4", "P5", "P5_2"], 32), (["P3_2"], 8), ([], 32)],
)
def test_a_second_level_of_a_stride_is_of_that_stride(levels, stride):
    masks = {level: [number] for number, level in enumerate(levels)}
    cfg = {"image_size": 96, "model": {"head": {"masks": masks}}}
    assert network_input(cfg) == ((96, 96), "stretch", stride)


def test_what_is_no_level_is_named():
    with pytest.raises(ZooError, match="no level 'C3'"):
        network_input({"image_size": 96, "model": {"head": {"masks": {"C3": [0]}}}})


def test_a_bad_scale_is_named():
    with pytest.raises(ZooError, match=r"augment\.scales has 0"):
        input_sizes((64, 64), (1, 0))


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        pytest.param(["seed=-1"], "seed=-1: must .*, at least 0", id="negative seed"),
        pytest.param(["seed=abc"], "seed=abc: must be a whole number", id="seed of letters"),
        pytest.param(["batch_size=0"], "batch_size=0: must .*, at least 1", id="batch"),
        pytest.param(["epochs=many"], "epochs=many: must be a whole number", id="epochs"),
        pytest.param(["image_size=96.0"], "image_size 96.0: .* multiples of 32", id="float side"),
        pytest.param(["image_size=null"], "image_size None: .* multiples of 32", id="no side"),
        pytest.param(["data.max_boxes=-1"], "data.max_boxes=-1: must be a whole", id="rows"),
        pytest.param(["data.cache_mb=abc"], "data.cache_mb=abc: a number of", id="cache"),
        pytest.param(
            ["image_size=[320]"], r"image_size \[320\]: one side, or \[h", id="one of two"
        ),
        pytest.param(["image_size=abc"], "image_size abc: one side, or", id="side of letters"),
        pytest.param(
            ["+augment.interpolation=foo"],
            "no augment.interpolation 'foo'; there are: d",
            id="interpolation",
        ),
        pytest.param(["augment.scales=2"], "augment.scales=2: a list of factors", id="one scale"),
        pytest.param(["augment.scales=[abc]"], "augment.scales has abc", id="scale of letters"),
        pytest.param(["augment.transforms=null"], "augment.transforms=None: a list", id="no list"),
        pytest.param(["augment.unmixed_epochs=-1"], "unmixed_epochs=-1: a number", id="unmixed"),
    ],
)
def test_values_that_do_not_fit_are_one_clear_error(shapes, overrides, sentence):
    cfg = config.plain(config.compose("train", overrides))
    with pytest.raises(ZooError, match=sentence):
        training_samples(cfg, shapes, steps=6)


def test_a_misspelt_key_of_augment_gets_the_nearest(shapes):
    cfg = config.plain(config.compose("train", ["+augment.scale=[0.5]"]))
    with pytest.raises(ZooError, match="augment takes no 'scale'; did you mean scales"):
        training_samples(cfg, shapes, steps=6)


def test_the_yaml_of_a_data_set_may_leave_the_loader_its_defaults(shapes):
    cfg = config.plain(config.compose("train", ["~data.max_boxes", "~data.cache_mb"]))
    assert training_samples(cfg, shapes, steps=6)(0)[1]["boxes"].shape == (100, 4)


def test_more_boxes_than_rows_are_an_error_before_a_sample_is_made(shapes):
    """Pictures of samples are drawn before any batch is made."""
    cfg = config.plain(config.compose("train", ["data.max_boxes=1"]))
    with pytest.raises(ZooError, match=r"has \d boxes, more than data.max_boxes=1; set data.max_b"):
        training_samples(cfg, shapes, steps=6)


class Largest:
    """A generator that draws the last."""

    def integers(self, count):
        return count - 1


def test_the_partner_of_a_position_is_another(shapes):
    made = samples(Shapes(split="train", images=2))
    assert made._partner(1, Largest()) == 0
    made = samples(shapes)
    assert made._partner(12, Largest()) == 0  # 12 - 1 - 23 is -12
    assert [made._partner(position, Largest()) for position in (0, 1, 13, 50)] == [24, 23, 11, 26]


class Tiny:
    """One image of 64×64 with a box that is half a pixel wide at 32×32, and one that is not."""

    class_names, category_ids, fingerprint = ("a", "b"), (1, 2), ""

    def __len__(self):
        return 1

    def id(self, index):
        return index

    def size(self, index):
        return 64, 64

    def labels(self, index):
        return Labels.of([(1, 1, 2, 30), (4, 4, 6, 30)], [0, 1])

    def image(self, index):
        return np.zeros((64, 64, 3), np.uint8)


def test_boxes_under_a_pixel_are_no_truth():
    y = samples(Tiny(), size=(32, 32))(0)[1]
    assert y["classes"].tolist()[:2] == [1, PADDING]
    np.testing.assert_array_equal(y["boxes"][0], [2, 2, 3, 15])


@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
def test_without_transforms_training_sees_what_serving_sees(shapes, mode):
    """But for the grey around a letterboxed image: 0.5 there, the byte 128 here."""
    made = samples(shapes, mode=mode)
    expected, geometry = resize(shapes.image(made.index(5)), (64, 64), mode=mode)
    x, y = made(5)
    assert x.dtype == np.uint8
    np.testing.assert_array_equal(x, np.rint(expected * 255 + 1e-4))
    labels = shapes.labels(made.index(5))
    np.testing.assert_allclose(
        y["boxes"][: len(labels)], geometry.forward(labels.boxes), rtol=1e-6, atol=1e-5
    )


def test_darknets_interpolation_gives_floats(shapes):
    made = samples(shapes, interpolation="darknet", transforms=[{"name": "flip"}])
    assert made.dtype == "float32"
    for position in range(4):
        x, _ = made(position)
        assert x.dtype == np.float32 and x.shape == (64, 64, 3) and 0 <= x.min() <= x.max() <= 1
    plain = samples(shapes, interpolation="darknet", mode="letterbox")
    expected, _ = resize(shapes.image(plain.index(2)), (64, 64), mode="letterbox",
                         interpolation="darknet")  # fmt: skip
    np.testing.assert_array_equal(plain(2)[0], expected)


class Photos:
    """Two files of 700×1001 (height × width), smooth or of many cells, by the source of files."""

    def __new__(cls, folder, cells=(9, 13), kind="jpg"):
        rng, records = np.random.default_rng(0), []
        for name in "ab":
            rough = rng.integers(0, 256, (*cells, 3), np.uint8)
            picture = cv2.resize(rough, (1001, 700), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / f"{name}.{kind}"), picture)
            boxes = [Annotation((101.25, 33.5, 640.5, 555.75), 0, "here", False, None)]
            records.append(Record(name, folder / f"{name}.{kind}", (700, 1001), boxes, "here"))
        return ImageFiles(records, Lint("photos", "error"), {0: 0}, ["thing"])


class Whole:
    """The same data set without the means to decode a part."""

    def __init__(self, source):
        self._source = source

    def __len__(self):
        return len(self._source)

    def __getattr__(self, name):
        if name == "reduced":
            raise AttributeError(name)
        return getattr(self._source, name)


@pytest.mark.parametrize("name", ["none", "darknet", "scaled"])
def test_large_jpegs_are_decoded_small_and_boxes_stay_to_the_bit(tmp_path, name):
    photos = Photos(tmp_path)
    keys = {"size": (64, 96), "mode": "letterbox", "transforms": augmentation(name)}
    small, again = samples(photos, **keys), samples(photos, **keys, cache_mb=0)
    whole = samples(Whole(photos), **keys)
    # 700 / 64 is 10.9 and 1001 / 96 is 10.4: twice that is left at a quarter, not at an eighth.
    assert small.reduction((700, 1001)) == 4 and small.pixels(0).shape == (175, 251, 3)
    assert whole.pixels(0).shape == (175, 251, 3)  # averaged after it is decoded
    for position in range(6):
        x, y = small(position)
        assert_same((x, y), again(position))
        expected, truth = whole(position)
        np.testing.assert_array_equal(y["boxes"], truth["boxes"])
        np.testing.assert_array_equal(y["classes"], truth["classes"])
        assert np.abs(x.astype(int) - expected).mean() < 1  # of 255 levels


@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
@pytest.mark.parametrize("side", [64, 160, 256])
def test_a_network_is_evaluated_on_the_pixels_that_it_was_trained_on(tmp_path, mode, side):
    photos = Photos(tmp_path, cells=(175, 250))  # four pixels wide: every tenth shows another one
    trained = samples(photos, size=(side, side), mode=mode)
    (pixels, indices, _) = next(
        evaluation_batches(photos, size=(side, side), mode=mode, batch_size=2)
    )
    for position in range(2):
        x, _ = trained(position)
        evaluated = 255 * pixels[indices.index(trained.index(position))]
        np.testing.assert_allclose(x, evaluated, atol=0.501)  # grey of a letterbox is 127.5 there


@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_a_file_is_detected_on_the_pixels_that_a_network_is_evaluated_on(tmp_path, mode, kind):
    photos = Photos(tmp_path, cells=(175, 250), kind=kind)
    keys = {"size": (160, 160), "mode": mode, "batch_size": 2}
    pixels, _, (geometry, _) = next(evaluation_batches(photos, **keys))
    found, where = prepared(tmp_path / f"a.{kind}", (160, 160), mode)
    np.testing.assert_array_equal(found, pixels[0])
    assert where == geometry and where.original == (700, 1001)


def test_what_stays_whole(tmp_path):
    photos = Photos(tmp_path)
    assert samples(photos, size=(256, 256)).reduction((700, 1001)) == 1
    assert samples(photos, size=(160, 160)).reduction((700, 1001)) == 2
    # The largest input decides, 1.4 · 160 = 224, and Darknet's interpolation starts from all of it.
    assert samples(photos, size=(160, 160), scales=(0.5, 1.4)).reduction((700, 1001)) == 1
    assert samples(photos, size=(32, 32), interpolation="darknet").reduction((700, 1001)) == 1
    assert samples(photos, size=(32, 32)).reduction((9000, 9000)) == 8


def test_a_cache_keeps_what_was_used_last_up_to_its_limit(shapes):
    decoded = []

    class Counting(Shapes):
        def image(self, index):
            decoded.append(index)
            return super().image(index)

    source = Counting(split="train", images=24, size=(64, 80))
    cached = Cached(source, limit=2 * 64 * 80 * 3)
    for index in (0, 1, 0, 2, 0, 1):  # 1 goes when 2 comes
        np.testing.assert_array_equal(cached.image(index), shapes.image(index))
    assert decoded == [0, 1, 2, 1]
    with pytest.raises(ValueError, match="read-only"):
        cached.image(0)[0, 0] = 0
    none = Cached(source, limit=0)
    none.image(5)
    none.image(5)
    assert decoded[4:] == [5, 5]
    assert len(cached) == 24 and cached.id(3) == 3 and cached.size(0) == (64, 80)
    assert cached.fingerprint == source.fingerprint and len(cached.labels(1)) == len(
        source.labels(1)
    )


def test_nobody_writes_to_the_labels_of_a_data_set(shapes):
    example = samples(shapes)._raw(0)
    for array in (example.boxes_xyxy, example.classes, example.pixels):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 1
    assert shapes.labels(samples(shapes).index(0)).boxes.flags.writeable  # a view alone is


def test_floats_of_a_transform_are_refused_when_a_sample_is_made(shapes, monkeypatch):
    """Seldom enough for the trial before it to miss them."""

    def rare(example, rng):
        floats = example.image.any()  # the image of a trial is black
        return example.paint(example.image * 1.0) if floats else example

    with TRANSFORMS.temporarily("rare", rare):
        made = samples(shapes, transforms=[{"name": "rare"}])
        with pytest.raises(ZooError, match=r"augment\.transforms make image .* float64; .* uint8"):
            made(0)
