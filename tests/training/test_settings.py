"""What a training config may not say, asked before anything is written."""

import keras
import pytest
from test_starting import QUICK, begin

from zoo import config, ranges
from zoo.errors import ZooError
from zoo.training import run
from zoo.training.callbacks import Evaluation
from zoo.training.settings import check_settings


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("+evaluation.batch_size=0", r"evaluation\.batch_size=0: .* at least 1"),
        ("evaluation.every=0", r"evaluation\.every=0: must be a whole number, at least 1"),
        ("evaluation.score_threshold=2", r"evaluation\.score_threshold=2: must be .* from 0 to 1"),
        ("evaluation.iou_threshold=7", r"evaluation\.iou_threshold=7: must be .* from 0 to 1"),
        ("evaluation.max_detections=0", r"evaluation\.max_detections=0: .* at least 1"),
        ("evaluation.max_candidates=0", r"evaluation\.max_candidates=0: .* at least 1"),
        ("journal=0", "journal=0: .* at least 1"),
        ("journal=abc", "journal=abc: .* at least 1"),
        ("precision=bf16", "no precision 'bf16'; .*mixed_bfloat16"),
        ("seed=-1", "seed=-1: .* at least 0"),
        ("seed=4294967296", "seed=4294967296: must be at most 4294967295"),
        ("threads=-3", "threads=-3: .* at least 0"),
        ("ema=abc", "ema=abc: must be a number between 0 and 1, as 0.9998; null is none"),
        ("ema=1.5", "ema=1.5: must be a number between 0 and 1"),
        ("+callbacks.x.name=1", r"callbacks\.x=.* must name its class"),
        ("+callbacks.x=1", r"callbacks\.x=1 must name its class"),
        ("patience=0", "patience=0: .* at least 1"),
        ("patience=abc", "patience=abc: .* at least 1"),
        ("label_smoothing=7", "label_smoothing=7: must be a number from 0 to below 1"),
        ("checkpoint.keep=0", r"checkpoint\.keep=0: .* at least 1"),
        ("epochs=true", "epochs=True: .* at least 1"),
        ("+checkpoint.kept=1", "checkpoint takes no 'kept'; did you mean keep"),
        ("~checkpoint.keep", r"a run needs checkpoint\.keep; leave ~checkpoint\.keep out"),
        ("~evaluation.every", r"a run needs evaluation\.every; leave ~evaluation\.every out"),
        ("+augment.scale=[0.5]", "augment takes no 'scale'; did you mean scales"),
        ("+augment.seed=3", "augment takes no 'seed'; there are: interpolation, scales"),
    ],
)
def test_a_value_that_means_nothing_is_refused(monkeypatch, tmp_path, override, sentence):
    monkeypatch.setattr(run, "_fit", lambda *_: pytest.fail("it began"))
    settings = config.plain(config.compose("train", [*QUICK, override]))
    with pytest.raises(ZooError, match=sentence):
        run.train(settings, tmp_path)
    assert not (tmp_path / "config.yaml").exists()


def test_jax_has_float64_where_its_own_variable_says_so(monkeypatch):
    settings = config.plain(config.compose("train", [*QUICK, "precision=float64"]))
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    check_settings(settings)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ZooError, match=r"precision=float64: .* JAX_ENABLE_X64=true"):
        check_settings(settings)


@pytest.mark.parametrize(
    ("fits", "inside", "outside"),
    [
        pytest.param(ranges.SHARE, [0, 1], [-0.1, 1.1], id="0 to 1"),
        pytest.param(ranges.BELOW_ONE, [0, 0.9], [-0.1, 1], id="0 to below 1"),
        pytest.param(ranges.PROBABILITY, [0.1, 0.9], [0, 1], id="between 0 and 1"),
        pytest.param(ranges.WEIGHT, [0, 9.5], [-0.1], id="at least 0"),
        pytest.param(ranges.FACTOR, [1, 9.5], [0.9], id="at least 1"),
        pytest.param(ranges.ABOVE_ONE, [1.1], [1], id="above 1"),
        pytest.param(ranges.POSITIVE, [0.1], [0], id="above 0"),
    ],
)
def test_a_range_ends_where_its_words_say(fits, inside, outside):
    for value in inside:
        ranges.check_number("key", value, fits)
    for value in [*outside, float("nan"), float("inf"), True, "1", None]:
        with pytest.raises(ZooError, match=f"key={value}: must be a number {fits.words}"):
            ranges.check_number("key", value, fits)


def test_the_vocabulary_means_something():
    for recipe in config.options("recipe"):
        check_settings(config.plain(config.compose("train", ["data=shapes", f"recipe={recipe}"])))


@pytest.mark.parametrize("word", ["threads=0", "seed=4294967295", "ema=null", "patience=null"])
def test_no_threads_and_the_greatest_seed_are_a_choice(word):
    check_settings(config.plain(config.compose("train", ["data=shapes", word])))


def test_a_target_that_is_no_callback_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "_fit", lambda *_: pytest.fail("it began"))
    words = [*QUICK, "+callbacks.x={_target_: keras.optimizers.SGD}"]
    with pytest.raises(ZooError, match=r"callbacks\.x: SGD is no callback; name one of keras"):
        run.train(config.plain(config.compose("train", words)), tmp_path)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("+evaluation.max_detection=5", "takes no 'max_detection'; did you mean max_detections?"),
        ("+evaluation.name=soft_nms", "no nms 'soft_nms'; did you mean soft?"),
        ("+evaluation.resize=strech", "no resize mode 'strech'; did you mean stretch?"),
        ("+evaluation.interpolation=cubic", "no resize interpolation 'cubic'"),
        ("+evaluation.image_size=[64,72]", r"image_size \[64, 72\]: height and width must be mul"),
        ("+evaluation.source=x", "takes no 'source'"),
    ],
)
def test_what_the_first_evaluation_would_refuse_is_refused_at_the_start(
    monkeypatch, tmp_path, override, sentence
):
    monkeypatch.setattr(run, "_fit", lambda *_: pytest.fail("it began"))
    with pytest.raises(ZooError, match=sentence):
        run.train(config.plain(config.compose("train", [*QUICK, override])), tmp_path)


def test_options_of_an_evaluation_reach_it(monkeypatch, tmp_path):
    words = ["+evaluation.batch_size=1", "+evaluation.image_size=[32,96]", "+evaluation.clip=false"]
    _, _, _, callbacks, *_ = begin(monkeypatch, tmp_path, *words)
    (evaluation,) = (c for c in callbacks if isinstance(c, Evaluation))
    assert evaluation.options["batch_size"] == 1
    assert evaluation.options["image_size"] == [32, 96]


def test_a_run_that_goes_on_is_checked_too(monkeypatch, tmp_path):
    begin(monkeypatch, tmp_path)
    settings = config.plain(config.compose("train", [*QUICK, "resume=auto", "journal=0"]))
    with pytest.raises(ZooError, match=r"journal=0: .* at least 1"):
        run.train(settings, tmp_path)
