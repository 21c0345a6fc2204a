"""Cards are what the facts are: complete, with evidence, and as committed."""

import copy
import json
from pathlib import Path

import pytest

from zoo import cards, config
from zoo.errors import ZooError
from zoo.model_card.evidence import FOLDER, published, read_evidence
from zoo.model_card.facts import SECTIONS, check_complete, facts
from zoo.model_card.page import _claims, page

ROOT = Path(__file__).resolve().parents[2]
TINY = "yolov4-tiny-coco"
#: Multiplications and additions in 10⁹ that Darknet prints for the official cfgs.
BFLOPS = {
    "yolov3-tiny-coco": 5.571, "yolov4-tiny-coco": 6.910,
    "yolov3-coco": 65.879, "yolov4-coco": 128.459,
}  # fmt: skip


@pytest.fixture(scope="module")
def made():
    """The card of a preset, made once."""
    known = {}

    def card(preset):
        if preset not in known:
            known[preset] = facts(preset)
        return copy.deepcopy(known[preset])

    return card


@pytest.fixture
def evidence(tmp_path):
    """A file with an evaluation of the tiny preset, and a function that writes it changed."""
    file = config.find("card", TINY).parent / "measured" / f"{TINY}-opencv.json"
    found = json.loads(file.read_text())

    def changed(**values):
        path = tmp_path / "manifest.json"
        path.write_text(json.dumps({**found, **values}))
        return path

    changed.found = found
    return changed


@pytest.mark.parametrize("preset", BFLOPS)
def test_committed_cards_are_those_that_the_facts_make(made, preset):
    committed = (ROOT / "docs" / "cards" / f"{preset}.md").read_text()
    assert page(made(preset)) == committed, "stale: make cards"


def test_every_preset_of_ours_has_a_committed_card():
    assert {file.stem for file in (ROOT / "docs" / "cards").glob("*.md")} == set(BFLOPS)


@pytest.mark.parametrize("preset", BFLOPS)
def test_cost_is_the_published_one(made, preset):
    assert made(preset)["cost"]["flops"] / 1e9 == pytest.approx(BFLOPS[preset], abs=5e-4)


def leaves(value, path=()):
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key)) if key != "evidence" else ()
    else:
        yield path


def test_a_hole_is_refused_field_by_field(made):
    card = made(TINY)
    check_complete(card)
    paths = [path for path in leaves(card) if path != ("training", "overlap")]
    assert len(paths) > 30
    for path in paths:
        for hole in (None, ""):
            broken = copy.deepcopy(card)
            place = broken
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = hole
            with pytest.raises(ZooError, match=rf"hole: {'.'.join(path)} is"):
                check_complete(broken)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_missing_section_is_refused(made, section):
    card = made(TINY)
    del card[section]
    with pytest.raises(ZooError, match=section):
        check_complete(card)


def test_scores_are_those_of_the_manifest_and_not_clean(made, evidence):
    row = made(TINY)["measured"][0]
    assert row["AP50"] == evidence.found["metrics"]["AP50"] == pytest.approx(0.4549, abs=5e-5)
    text = page(made(TINY))
    assert "| opencv | 416×416 | 25.95 | 45.49 |" in text
    assert "| **no** | `yolov4-tiny-coco-opencv.json`" in text
    assert "> Not a clean score: yolov4-tiny-coco may have seen images of val2017" in text


def test_what_was_not_measured_is_said(made):
    text = page(made("yolov4-coco"))
    assert "Not measured: the weights were not at hand." in text
    assert "Not measured: no quiet machine was at hand." in text


@pytest.mark.parametrize(
    "change, message",
    [
        pytest.param({"weights": {"name": TINY, "file_sha256": "0" * 64, "values_sha256": "1"}},
                     "is of weights with SHA-256 0000", id="of other weights"),
        pytest.param({"weights": {"name": "mine", "file_sha256": None, "values_sha256": "1"}},
                     "is of weights with SHA-256 None", id="of a file without a card"),
        pytest.param({"warning": None}, "as if they were clean.*trainvalno5k", id="as if clean"),
        pytest.param({"backend": None}, "backend is None", id="a hole"),
        pytest.param({"scores": 1}, "unknown key 'scores'", id="something more"),
    ],
)  # fmt: skip
def test_evidence_that_proves_nothing(evidence, change, message):
    with pytest.raises(ZooError, match=message):
        read_evidence(evidence(**change), TINY, cards.card(TINY))


def test_a_number_without_a_manifest_is_refused(tmp_path):
    (tmp_path / "metrics.json").write_text('{"AP": 0.9}')
    with pytest.raises(ZooError, match="no measured number without a manifest"):
        facts(TINY, evaluations=[tmp_path])


def test_a_claim_on_images_of_the_training_is_refused(monkeypatch):
    card = cards.card(TINY)
    card["claimed"][0]["split"] = "val2017"
    monkeypatch.setattr(cards, "card", lambda name: card)
    with pytest.raises(ZooError, match=r"val2017 as if it were clean.*trainvalno5k"):
        facts(TINY)
    card["claimed"][0]["clean"] = False
    assert "| val2017 | 416 | – | 40.2 | – | **no** |" in page(facts(TINY))


def test_published_evidence_has_no_folders(evidence):
    found = copy.deepcopy(evidence.found)
    found["data"]["config"]["root"] = "/home/me/coco"
    found["command"] += ["data.root=/home/me/coco", "hydra.run.dir=/home/me/runs"]
    found["environment"]["packages"]["mine"] = "1"
    text = json.dumps(shown := published(found))
    assert "/home" not in text
    assert f"data.root={FOLDER}" in shown["command"]
    assert "mine" not in shown["environment"]["packages"]


@pytest.mark.parametrize("root", ["data", ".", "a/b", "/", "/data"])
def test_a_root_changes_nothing_but_itself_in_published_evidence(evidence, root):
    found = copy.deepcopy(evidence.found)
    found["data"]["config"]["root"] = root
    found["command"] = [f"data.root={root}", "data=coco_json", "evaluation=opencv"]
    shown = published(found)
    assert shown["data"]["config"].pop("root") == FOLDER
    found["data"]["config"].pop("root")
    assert shown["data"] == found["data"] and shown["metrics"] == found["metrics"]
    assert shown["command"] == [f"data.root={FOLDER}", "data=coco_json", "evaluation=opencv"]


def test_an_absolute_root_is_hidden_wherever_it_is(evidence):
    found = copy.deepcopy(evidence.found)
    found["data"]["config"] |= {"root": "/data/", "images": "/data/val", "other": "/data2/data/x"}
    found["command"] = ["+data.root='/data/'", "data.images=/data/val"]
    found["warning"] = "seen in /data."
    shown = published(found)
    assert shown["data"]["config"]["images"] == f"{FOLDER}/val"
    assert shown["data"]["config"]["other"] == "/data2/data/x"
    assert shown["warning"] == f"seen in {FOLDER}."
    assert shown["command"] == [f"data.root={FOLDER}", f"data.images={FOLDER}/val"]


def test_a_text_may_stand_for_claims():
    assert _claims("none published\n") == "No claims: none published."
