import html.parser
import json
import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from zoo.data.sources.shapes import Shapes
from zoo.evaluation.coco import coco_numbers, ground_truth
from zoo.evaluation.found import Found
from zoo.evaluation.run import Result
from zoo.evaluation.save import save_evaluation
from zoo.report import charts, scores
from zoo.report.examples import examples
from zoo.report.history import read, section_of
from zoo.report.html import number
from zoo.report.page import write_report

SECTIONS = [
    "scores", "training", "examples", "classes", "curves", "confusion", "errors", "labels",
    "data", "batches", "manifest", "config",
]  # fmt: skip
#: A class that would be trouble if it were not escaped.
NASTY = '<script>throw "x"</script>'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The files of a run on drawn shapes, with detections a little beside the truth."""
    directory = tmp_path_factory.mktemp("run")
    source = Shapes(split="val", images=8, held_out=6, size=(64, 64), seed=1)
    source.class_names[0] = NASTY
    truth, rng = ground_truth(source), np.random.default_rng(0)
    found = Found.of(
        {**a, "bbox": np.array(a["bbox"]) + rng.normal(0, 1, 4), "score": rng.random()}
        for a in truth["annotations"]
    )
    result = Result(coco_numbers(truth, found), source, truth, found, cut=0)
    save_evaluation(result, directory)
    (directory / "metrics.json").write_text(json.dumps(result.metrics))
    (directory / "config.yaml").write_text("model: {name: yolov4_tiny}\ndata: {name: shapes}\n")
    manifest = {"command": "zoo.train <x>", "git": {"commit": "abc123"}, "seed": 0, "config": {}}
    manifest["data"] = {s: {"images": 8, "boxes": {NASTY: 9}} for s in ("train", "val")}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    lines = [{"step": n, "loss": 9 / n, "learning_rate": 0.1} for n in (1, 2, 3)]
    lines.append({"step": 4, "loss": 2, "val_AP": 0.1, "val_AP50": 0.4, "epoch_end": True})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (directory / "metrics.jsonl").write_text(text + '{"step": 5, "lo')  # killed while writing
    cv2.imwrite(str(directory / "batches.png"), np.full((60, 90, 3), 128, np.uint8))
    write_report(directory)
    return directory


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.addresses = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.found.append((tag, attrs.get("id") or attrs.get("class")))
        self.addresses += [attrs[key] for key in ("src", "href", "xlink:href") if key in attrs]


def test_every_section_is_there_in_order(run):
    page = Page((run / "report.html").read_text())
    assert [id for tag, id in page.found if tag == "section"] == SECTIONS
    assert sum(id == "tile" or id == "tile first" for _, id in page.found) == 12


def test_nothing_is_fetched_and_no_script_runs(run):
    text = (run / "report.html").read_text()
    page = Page(text)
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert not re.search(r"url\((?!#)|@import", text)
    assert "script" not in {tag for tag, _ in page.found}
    assert "&lt;script&gt;throw" in text


def test_facts_of_the_manifest_are_on_the_page(run):
    text = (run / "report.html").read_text()
    assert "abc123" in text
    assert "zoo.train &lt;x&gt;" in text
    assert "<title>yolov4_tiny on shapes</title>" in text


def test_made_again_it_is_the_same(run):
    before = (run / "report.html").read_bytes()
    assert write_report(run).read_bytes() == before


def test_a_cut_line_of_the_history_is_left_out(run):
    assert [record["step"] for record in read(run)] == [1, 2, 3, 4]


def test_a_history_in_csv(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss,val_AP\n0,2.5,\n1,1.5,0.25\n")
    assert read(tmp_path) == [{"epoch": 0, "loss": 2.5}, {"epoch": 1, "loss": 1.5, "val_AP": 0.25}]
    assert 'id="training"' in write_report(tmp_path).read_text()


def test_an_empty_directory_has_an_empty_report(tmp_path):
    assert "nothing to report yet" in write_report(tmp_path).read_text()


def test_a_single_evaluation_is_said_in_numbers(tmp_path):
    """A curve of one point would be a dot."""
    lines = [{"step": n, "loss": 9 / n, "learning_rate": 0.25 / n} for n in (1, 2)]
    lines[1] |= {"val_AP": 0.125, "val_AP50": 0.5}
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "metrics.jsonl").write_text(text)
    page = write_report(tmp_path).read_text()
    assert "at step 2, the only one" in page
    assert "<td>AP50</td><td>0.5</td>" in page
    assert page.count("<svg") == 2  # losses and learning rate


def test_the_parts_that_a_loss_names_are_curves(tmp_path):
    lines = [{"step": n, "loss": 9 / n, "dfl_loss": 3 / n} for n in (1, 2)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    section = section_of(tmp_path)
    assert section.count("<svg") == 1
    assert "total" in section and "dfl" in section


def test_classes_of_the_data_are_counted(tmp_path):
    splits = {
        "train": {"images": 3, "boxes": {"cat": 1, "dog": 3}},
        "val": {"images": 1, "boxes": {"cat": 0, "dog": 1}},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"data": splits}))
    page = write_report(tmp_path).read_text()
    dog, cat = "<td>dog</td><td>3</td><td>1</td>", "<td>cat</td><td>1</td><td>0</td>"
    assert 0 < page.index(dog) < page.index(cat)
    assert '--share:0.750">0.750' in page
    assert "<th>training boxes</th>" in page and "1 validation images; crowds are counted." in page


def test_a_classifier_has_images_of_a_class(tmp_path):
    split = {"images": 4, "boxes": {"cat": 1, "dog": 3}}
    facts = {"config": {"task": "classification"}, "data": {"train": split, "val": split}}
    (tmp_path / "manifest.json").write_text(json.dumps(facts))
    page = write_report(tmp_path).read_text()
    assert "<th>training images</th><th>validation images</th>" in page
    assert "4 training images, 4 validation images." in page
    assert "boxes" not in page[page.index('id="data"') : page.index('id="manifest"')]
    assert "crowds" not in page


def test_a_box_lies_where_its_shares_of_the_picture_say(tmp_path):
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((40, 100, 3), np.uint8))
    row = {
        "kind": "worst", "file": "a.jpg", "id": 1, "width": 100, "height": 40,
        "TP": 0, "FP": 0, "FN": 1, "truth": [[0, 0.25, 0.5, 0.75, 1.0]], "found": [],
    }  # fmt: skip
    shown = examples({"per_class": [{"name": "cat"}], "pictures": [row]}, tmp_path)
    assert '<rect x="25.0" y="20.0" width="50.0" height="20.0">' in shown


@pytest.mark.parametrize(
    ("value", "said"),
    [(-1, "–"), (-1.0, "–"), (None, "–"), (0, "0"), (1234, "1,234"), (0.25, "0.250")],
)
def test_a_number_that_nothing_was_there_to_measure_is_a_dash(value, said):
    assert number(value) == said


DARKNET = {"mAP": {"0": 0.5}, "precision": 0.75, "recall": 0.6, "F1": 2 / 3,
           "average_iou": 0.7, "TP": 3, "FP": 1, "FN": 2}  # fmt: skip


def test_the_confidence_of_the_highest_f1_is_marked():
    curves = {
        "recall": [0, 1], "precision": {"0.50": [1, 0.5]}, "precision_by_class": [],
        "confidence": [0.25, 0.5], "P": [0.5, 1.0], "R": [0.8, 0.1], "F1": [0.62, 0.18],
    }  # fmt: skip
    facts = {"curves": curves, "confidence": 0.25, "per_class": [], "darknet": DARKNET}
    assert ">0.62 at 0.25<" in scores._curves(facts)


def test_classes_with_more_objects_come_first_and_those_without_are_counted():
    row = dict.fromkeys(("AP", "AP50", "AP75", "AR100", "P", "R", "F1"), 0.5)
    counts = {"cat": 1, "dog": 3, "eel": 0}
    page = scores._classes([{"name": n, "objects": c, **row} for n, c in counts.items()], 0.25)
    assert re.findall(r"<tr><td>(\w+)</td><td>(\d)</td>", page) == [("dog", "3"), ("cat", "1")]
    assert "1 more classes have no object" in page


def test_the_costliest_errors_come_first():
    errors = {"Cls": {"count": 1, "AP50_lost": 0.01}, "Miss": {"count": 2, "AP50_lost": 0.2}}
    page = scores._errors({"errors": errors, "sizes": []})
    assert page.index("<td>missed</td><td>0.200</td>") < page.index("<td>wrong class</td>")


def test_counts_by_darknets_rules():
    said = scores._darknet(DARKNET)
    assert "precision 0.75, recall 0.60, F1 0.67" in said
    assert "TP 3, FP 1, FN 2 at confidence 0.25" in said


def test_confusions_have_true_classes_in_rows_the_most_frequent_first(monkeypatch):
    """A dog was called a cat five times, a cat a dog twice; the background is none."""
    shown = []
    monkeypatch.setattr(scores.charts, "confusion", lambda *given: shown.append(given) or "")
    monkeypatch.setattr(scores, "MOST_CLASSES", 2)
    classes = [{"name": "cat", "objects": 4}, {"name": "dog", "objects": 9},
               {"name": "eel", "objects": 1}]  # fmt: skip
    cells = [[0, 1, 2], [1, 0, 5], [1, 1, 4], [2, 2, 1], [0, 3, 1], [3, 1, 7]]
    page = scores._confusion(
        {"per_class": classes, "confusion": {"cells": cells, "confidence": 0.25}}
    )
    ((matrix, names),) = shown
    assert names == ["dog", "cat", "background"]
    assert matrix.tolist() == [[4, 5, 0], [2, 0, 1], [7, 0, 0]]
    assert "<tr><td>dog</td><td>cat</td><td>5</td></tr><tr><td>cat</td><td>dog</td><td>2" in page


def test_a_cell_is_coloured_by_its_share_of_the_true_class():
    """In rows of halves, and of all: white on the dark cell alone."""
    chart = charts.confusion(np.array([[3, 3], [0, 8]]), ["cat", "dog"])
    written = re.findall(r"<text[^>]*>([^<]*)</text>", chart)
    assert written.count("3") == 2 and written.count("8") == 1
    assert len(re.findall(r"<text[^>]*fill: #ffffff[^>]*>8</text>", chart)) == 1
    assert chart.count("fill: #ffffff") == 1


def test_a_map_of_the_image_has_its_rows_from_the_top(monkeypatch):
    told = {}

    def density(counts, *, x, y, down):
        told[x, y] = down
        return ""

    monkeypatch.setattr(scores.charts, "density", density)
    scores._labels({"labels": {"per_image": [1], "centres": [[1]], "sides": [[1]]}})
    assert told == {("x", "y"): True, ("width", "height"): False}


@pytest.mark.parametrize(
    "height, size",
    [pytest.param(64, 3.1, id="small: 12 · 64 / 250"), pytest.param(1000, 48.0, id="large")],
)
def test_labels_are_of_one_size_on_the_page(tmp_path, height, size):
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((height, height, 3), np.uint8))
    row = {
        "kind": "worst", "file": "a.jpg", "id": 1, "width": height, "height": height,
        "TP": 0, "FP": 2, "FN": 0, "truth": [],
        "found": [[0, 0.1, 0.1, 0.5, 0.5, 0.75], [0, 0.9, 0.1, 1.0, 0.5, 0.5]],
    }  # fmt: skip
    shown = examples({"per_class": [{"name": "cat"}], "pictures": [row]}, tmp_path)
    assert shown.count(f'font-size="{size}"') == 2
    # The label of the box at the right edge ends there, where it would be cut off.
    assert shown.count('text-anchor="end"') == 1


def test_a_warning_of_the_scores_is_said(tmp_path):
    (tmp_path / "metrics.json").write_text('{"AP": 0.5, "warning": "not clean: overlap"}')
    page = write_report(tmp_path).read_text()
    assert '<p class="warning">not clean: overlap</p>' in page


def chromium(*arguments, directory):
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine")
    quiet = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--hide-scrollbars", "--enable-logging=stderr", f"--user-data-dir={directory / 'profile'}",
    ]  # fmt: skip
    return subprocess.run(
        [program, *quiet, *arguments], capture_output=True, text=True, check=True, timeout=120
    )


def test_a_browser_shows_it_without_complaint(run, tmp_path):
    """The whole page as a picture: white cards on grey, charts in their colours, photographs."""
    shot = tmp_path / "report.png"
    page = (run / "report.html").as_uri()
    done = chromium(f"--screenshot={shot}", "--window-size=1200,4000", page, directory=tmp_path)
    assert "CONSOLE" not in done.stderr
    pixels = cv2.imread(str(shot))
    assert pixels.shape == (4000, 1200, 3)
    colours = {tuple(colour) for colour in pixels.reshape(-1, 3)[:, ::-1].tolist()}
    assert {(0xF5, 0xF6, 0xF8), (0x1F, 0x6F, 0xEB), (0xFF, 0x5A, 0x1F)} <= colours
    dom = Page(chromium("--dump-dom", page, directory=tmp_path).stdout)
    assert [id for tag, id in dom.found if tag == "section"] == SECTIONS
    assert sum(tag == "svg" for tag, _ in dom.found) > 8


def test_a_broken_picture_would_be_seen(run, tmp_path):
    """The console is really read: a script with an error is reported."""
    page = tmp_path / "broken.html"
    page.write_text("<script>console.error('broken')</script>")
    assert "CONSOLE" in chromium("--dump-dom", page.as_uri(), directory=tmp_path).stderr
