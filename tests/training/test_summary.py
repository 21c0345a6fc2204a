"""What zoo.verify says on a terminal, whatever its files are called."""

import pytest

from zoo.verification.certificate import Certificate
from zoo.verification.summary import print_summary


@pytest.mark.parametrize("name", ["[/x].cfg", "a[red].cfg", ":car:.cfg"])
def test_a_file_is_shown_as_it_is_called(capsys, name):
    found = Certificate(
        model={"name": name}, cfg={"file": name}, weights={}, reference={"name": "opencv"},
        source={}, tolerances={}, layers=[], detections=[],
    )  # fmt: skip
    print_summary(found)
    text = " ".join(capsys.readouterr().out.split())
    assert f"as in {name}" in text and f"{name} agrees with opencv" in text
