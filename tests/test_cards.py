import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

import zoo
from zoo import config, runtimes, verify
from zoo.errors import ZooError

presets = importlib.import_module("zoo.cards")  # `zoo.presets` itself is a function

OURS = ["yolov3-coco", "yolov3-tiny-coco", "yolov4-coco", "yolov4-tiny-coco"]


@pytest.fixture
def mirror(oracle_dir, monkeypatch, tmp_path):
    """The two tiny files, from a read-only directory; nothing may be written to the cache."""
    monkeypatch.setenv("ZOO_MIRROR", str(oracle_dir / "weights"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return oracle_dir / "weights"


def test_names():
    assert set(OURS) <= set(presets.names())


@pytest.mark.parametrize("name", presets.names())
def test_card_is_complete(name):
    card = presets.card(name)
    assert card["model"] in config.options("model")
    assert len(presets.class_names(card)) == 80
    assert card["weights"]["url"].startswith("https://")
    assert int(card["weights"]["sha256"], 16) and len(card["weights"]["sha256"]) == 64
    assert all(card[field] for field in ("description", "licence", "trained_on", "claimed"))
    assert all(figure["source"] and figure["AP50"] for figure in card["claimed"])


def test_each_model_has_its_preset():
    assert [presets.preset_of(presets.card(name)["model"]) for name in OURS] == OURS


def test_a_text_may_say_why_nothing_is_claimed(tmp_path, monkeypatch):
    card = {**presets.card("yolov4-tiny-coco"), "claimed": "none published"}
    directory(tmp_path, theirs=card)
    monkeypatch.setattr(config, "conf_directories", lambda: {"plugin": tmp_path})
    assert presets.card("theirs")["claimed"] == "none published"


def directory(folder, **cards):
    (folder / "card").mkdir(parents=True)
    for name, card in cards.items():
        (folder / "card" / f"{name}.yaml").write_text(yaml.safe_dump(card))
    return folder


def test_plugins_do_not_change_what_auto_is(tmp_path, monkeypatch):
    """Theirs come before ours in the alphabet, and lack all but the model."""
    theirs = {
        "a": {"model": "yolov4_tiny"}, "b": {"model": "theirs"}, "hole": {}, "c": {"model": "two"}
    }  # fmt: skip
    more = {"d": {"model": "two"}}
    directories = {
        **config.conf_directories(),
        "acme": directory(tmp_path / "acme", **theirs),
        "more": directory(tmp_path / "more", **more),
    }
    monkeypatch.setattr(config, "conf_directories", lambda: directories)
    assert presets.preset_of("yolov4_tiny") == "yolov4-tiny-coco"
    assert presets.preset_of("theirs") == "b"
    (tmp_path / "mine.weights").write_bytes(b"weights")
    warning = presets.not_clean(tmp_path / "mine.weights", presets.COCO_IDS)
    assert warning.startswith("Perhaps not a clean score: nothing says what ")
    with pytest.raises(ZooError, match="weights=auto: c, d are of model 'two'; name one"):
        presets.preset_of("two")


def test_a_model_without_a_preset_is_told_what_to_give():
    with pytest.raises(ZooError, match=r"no preset of model 'yolov4_csp'.*weights=FILE.*=null"):
        presets.preset_of("yolov4_csp")


def test_weights_files_have_names_of_their_own():
    files = [presets.card(name)["weights"]["filename"] for name in presets.names()]
    assert len(set(files)) == len(files)  # the cache keeps them by name


@pytest.mark.parametrize(
    "name, size",
    [
        ("yolov4-tiny-coco", 24251276),
        ("yolov3-tiny-coco", 35434956),
        ("yolov4-coco", 257717640),
        ("yolov3-coco", 248007048),
    ],
)
def test_sizes_of_the_official_files(name, size):
    assert presets.card(name)["weights"]["size"] == size


def test_class_names_are_those_of_coco(data_dir):
    text = (data_dir / "coco_mini/val/instances.json").read_text()
    categories = sorted(json.loads(text)["categories"], key=lambda category: category["id"])
    names = presets.class_names(presets.card("yolov4-coco"))
    assert names == [category["name"] for category in categories]


@pytest.mark.parametrize("name", ["yolov4-tiny-cocco", "../model/yolov4", ""])
def test_misspelt_name(name):
    with pytest.raises(ZooError, match=r"no preset .*yolov4-tiny-coco"):
        presets.card(name)


@pytest.mark.parametrize(
    "change, message",
    [
        pytest.param(lambda card: card.pop("licence"), "lacks licence", id="a hole"),
        pytest.param(lambda card: card.update(licens=1), "no place for 'licens'", id="misspelt"),
        pytest.param(lambda card: card["weights"].pop("sha256"), "lacks sha256", id="no hash"),
        pytest.param(lambda card: card.update(weights=None), "lacks filename", id="no weights"),
        pytest.param(lambda card: card["trained_on"].pop("overlap"), "lacks overlap", id="data"),
        pytest.param(
            lambda card: card["claimed"][0].pop("source"),
            "claim .* lacks source",
            id="a claim without a source",
        ),
    ],
)
def test_a_card_with_holes_is_refused(tmp_path, monkeypatch, change, message):
    card = presets.card("yolov4-tiny-coco")
    change(card)
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "theirs.yaml").write_text(yaml.safe_dump(card))
    monkeypatch.setattr(config, "conf_directories", lambda: {"plugin": tmp_path})
    with pytest.raises(ZooError, match=message):
        presets.card("theirs")


def test_scores_on_coco_are_not_clean(data_dir):
    text = (data_dir / "coco_mini/val/instances.json").read_text()
    ids = sorted(category["id"] for category in json.loads(text)["categories"])
    warning = presets.not_clean("yolov4-tiny-coco", ids)
    assert warning.startswith("Not a clean score: yolov4-tiny-coco may have seen images of val2017")
    assert "trainvalno5k" in warning
    assert presets.not_clean("yolov4-tiny-coco", [1, 2, 3]) is None  # a data set of one's own


def test_images_of_coco_are_known_by_their_classes_too(tmp_path):
    names = presets.class_names({"class_names": "coco"})
    as_text = presets.not_clean("yolov4-tiny-coco", range(1, 81), names)
    assert as_text == presets.not_clean("yolov4-tiny-coco", presets.COCO_IDS)
    some = presets.not_clean("yolov4-tiny-coco", [1, 2], ["dog", "cat"])
    assert some.startswith("Not a clean score if these are images of COCO: yolov4-tiny-coco may")
    assert presets.not_clean("yolov4-tiny-coco", [1, 2], ["dog", "yak"]) is None
    assert presets.not_clean(tmp_path / "mine.keras", [1], ["dog"]) is None


def test_what_was_trained_from_them_inherits_it(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/config.yaml").write_text("weights: yolov4-coco")
    (tmp_path / "b/config.yaml").write_text(f"weights: {tmp_path / 'a'}")
    warning = presets.not_clean(tmp_path / "b" / "best.keras", presets.COCO_IDS)
    assert "yolov4-coco (from which" in warning
    (tmp_path / "a/config.yaml").write_text("weights: null")
    assert presets.not_clean(tmp_path / "b", presets.COCO_IDS) is None


def test_a_published_file_is_known_by_its_content(mirror, tmp_path):
    shutil.copy(mirror / "yolov4-tiny.weights", tmp_path / "mine.weights")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.yaml").write_text(f"weights: {tmp_path / 'mine.weights'}")
    warning = presets.not_clean(tmp_path / "run", presets.COCO_IDS)
    assert warning.startswith("Not a clean score: yolov4-tiny-coco (from which ")


@pytest.mark.parametrize("weights", ["converted.keras", "exported.onnx", "gone"])
def test_what_nothing_is_known_of_is_perhaps_not_clean(weights, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.yaml").write_text(f"weights: {tmp_path / weights}")
    for preset in (tmp_path / weights, tmp_path / "run"):
        warning = presets.not_clean(preset, presets.COCO_IDS)
        assert f"Perhaps not a clean score: nothing says what {tmp_path / weights}" in warning
        assert ("from which" in warning) == (preset == tmp_path / "run")


def test_a_name_comes_before_a_folder_that_is_called_so(tmp_path, monkeypatch):
    """In each place where a text says which model is meant."""
    name = "yolov4-tiny-coco"
    (tmp_path / name).mkdir()
    (tmp_path / name / "best.keras").write_bytes(b"a run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(presets, "load", lambda name: f"preset {name}")
    monkeypatch.setattr("zoo.saved.load_saved", lambda path, compile: f"run {path}")
    assert zoo.load(name) == f"preset {name}"
    assert zoo.load(f"./{name}") == zoo.load(Path(name)) == f"run {name}"
    monkeypatch.setattr("zoo.runtimes.weights_file", lambda card: None)
    sha256 = presets.card(name)["weights"]["sha256"]
    assert runtimes._weights(name) == (name, sha256)
    assert runtimes._weights(f"./{name}")[0] == f"{name}/best.keras"
    assert presets.not_clean(name, presets.COCO_IDS).startswith("Not a clean score: ")
    assert presets.not_clean(f"./{name}", presets.COCO_IDS).startswith("Perhaps not a clean")
    asked = {"preset": name, "weights": "a.weights", "class_names": None}
    monkeypatch.setattr(presets, "loaded", lambda card, file: card["weights"]["sha256"])
    assert verify._model(asked, tmp_path) == (sha256, Path("a.weights"))


def test_weights_of_an_unknown_format(monkeypatch):
    card = presets.card("yolov4-tiny-coco")
    card["weights"]["format"] = "pickle"
    monkeypatch.setattr(presets, "card", lambda name: card)
    with pytest.raises(ZooError, match="format 'pickle'"):
        presets.load("yolov4-tiny-coco")


def test_a_mirror_is_used_in_place(mirror, tmp_path):
    path = presets.weights_file(presets.card("yolov4-tiny-coco"))
    assert path == mirror / "yolov4-tiny.weights"
    assert not (tmp_path / "cache").exists()


def test_load(mirror, oracle_dir):
    detector = presets.load("yolov3-tiny-coco")
    assert detector.head.masks == {"P5": [3, 4, 5], "P4": [1, 2, 3]}  # not the cfg's 0, 1, 2
    assert detector.class_names[16] == "dog"
    with np.load(oracle_dir / "forward/real/dog_inputs.npz") as inputs:
        images = inputs["stretch_416"].transpose(1, 2, 0)[None]
    raw = detector.predict_on_batch(images)["P4"][0].transpose(2, 0, 1)
    with np.load(oracle_dir / "forward/real/yolov3-tiny-mask123_dog_stretch.npz") as golden:
        np.testing.assert_allclose(raw, golden["head1_in"], atol=2e-4, rtol=0)


def test_listing_presets_imports_no_backend():
    code = (
        "import sys; from zoo.cards import card, names; card(names()[0]); "
        "sys.exit(bool({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
