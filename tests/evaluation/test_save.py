"""The files of an evaluation, with as many pictures as there are images to show."""

import json

import pytest
from test_analysis import ROWS, Pets, result

from zoo.evaluation.analysis import analyse
from zoo.evaluation.best_and_worst import save_best_and_worst
from zoo.evaluation.save import promote, save_evaluation


def pictures(folder):
    return sorted(file.name for file in (folder / "pictures").iterdir())


def test_an_evaluation_without_objects_has_no_pictures_and_becomes_the_best(tmp_path, monkeypatch):
    save_evaluation(result(*ROWS), tmp_path / "latest")
    promote(tmp_path / "latest", tmp_path)
    assert pictures(tmp_path) == ["best-1.jpg", "worst-1.jpg"]

    monkeypatch.setattr(Pets, "boxes", ([], [], []))
    monkeypatch.setattr(Pets, "classes", ([], [], []))
    save_evaluation(result(*ROWS), tmp_path / "latest")
    promote(tmp_path / "latest", tmp_path)
    assert pictures(tmp_path / "latest") == pictures(tmp_path) == []
    assert json.loads((tmp_path / "evaluation.json").read_text())["pictures"] == []


def test_the_settings_of_an_evaluation_are_noted(tmp_path):
    save_evaluation(result(*ROWS), tmp_path, settings={"score_threshold": 0.01})
    found = json.loads((tmp_path / "evaluation.json").read_text())
    assert found["settings"] == {"score_threshold": 0.01}


@pytest.mark.parametrize(
    ("right", "shown"),
    [
        pytest.param([1], {"worst-1.jpg": 0}, id="the only image"),
        pytest.param([1, 0], {"worst-1.jpg": 1, "best-1.jpg": 0}, id="one of either kind"),
        pytest.param(
            [1, 0, 0.5], {"worst-1.jpg": 1, "worst-2.jpg": 2, "best-1.jpg": 0}, id="three"
        ),
    ],
)
def test_every_image_is_shown_once_where_they_are_few(tmp_path, right, shown):
    """Of two objects each, `right` of them found."""
    found = result(*ROWS)
    rows = [[2 * share, 0, 2 - 2 * share] for share in right]
    analysis = {**analyse(found), "per_image": rows}
    rows = save_best_and_worst(found, analysis, tmp_path)
    assert {row["file"]: int(row["id"].removeprefix("pet-")) for row in rows} == shown
    assert {file.name for file in tmp_path.iterdir()} == set(shown)


def test_pictures_of_the_best_before_do_not_stay(tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "worst-2.jpg").write_bytes(b"of an earlier one")
    save_evaluation(result(*ROWS), tmp_path / "latest")
    promote(tmp_path / "latest", tmp_path)
    assert pictures(tmp_path) == ["best-1.jpg", "worst-1.jpg"]
