"""Detections are supervision's, which is imported when it is used."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import supervision as sv

from zoo.detections import Arrays, detections

FIELDS = {
    "xyxy": np.array([[0, 0, 4, 2], [1, 1, 2, 5]], "float32"),
    "confidence": np.array([0.9, 0.4], "float32"),
    "class_id": np.array([16, 1]),
    "class_name": np.array(["dog", "bicycle"]),
}
MAKE = """
import sys, numpy as np
from zoo.detections import detections
found = detections(np.array([[0., 0, 4, 2]]), np.array([.9]), np.array([16]), np.array(["dog"]))
"""


def expected():
    fields = {key: FIELDS[key] for key in ("xyxy", "confidence", "class_id")}
    return sv.Detections(**fields, data={"class_name": FIELDS["class_name"]})


def printed(code):
    """Words that a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_where_supervision_is_imported_they_are_its_own():
    found = detections(**FIELDS)
    assert type(found) is sv.Detections
    assert found == expected()


def test_the_arrays_alone_import_no_supervision():
    code = MAKE + (
        "assert len(found) == 1 and found.data['class_name'][0] == 'dog' and found.mask is None;"
        "found.xyxy = 2 * found.xyxy; isinstance(found, dict);"
        "print('supervision' in sys.modules)"
    )
    assert printed(code) == ["False"]


def test_they_become_supervisions_when_that_is_imported_later():
    code = MAKE + (
        "assert type(found).__name__ == 'Arrays'; import supervision as sv;"
        "print(isinstance(found, sv.Detections), isinstance(found, dict));"
        "print(len(found[:0]), type(found) is sv.Detections)"
    )
    assert printed(code) == ["True", "False", "0", "True"]


@pytest.mark.parametrize(
    ("use", "result"),
    [
        pytest.param(lambda d: d.area.tolist(), [8, 4], id="a property"),
        pytest.param(lambda d: d.is_empty(), False, id="a method"),
        pytest.param(lambda d: d[d.confidence > 0.5].class_id.tolist(), [16], id="an index"),
        pytest.param(lambda d: d["class_name"].tolist(), ["dog", "bicycle"], id="a key"),
        pytest.param(lambda d: [row[3] for row in d], [16, 1], id="a loop"),
        pytest.param(lambda d: d == expected(), True, id="equal"),
        pytest.param(lambda d: expected() == d, True, id="equal from the other side"),
        pytest.param(lambda d: copy.deepcopy(d) == expected(), True, id="a deep copy"),
        pytest.param(lambda d: pickle.loads(pickle.dumps(d)) == expected(), True, id="a pickle"),
        pytest.param(lambda d: repr(d).startswith("Detections(xyxy="), True, id="printed"),
        pytest.param(lambda d: len(sv.Detections.merge([d, expected()])), 4, id="merged"),
        pytest.param(lambda d: isinstance(d, sv.Detections), True, id="an instance"),
    ],
)
def test_each_use_finds_what_supervision_has(use, result):
    assert use(Arrays(**FIELDS)) == result


def test_a_key_can_be_set_and_what_is_not_there_is_an_error():
    found = Arrays(**FIELDS)
    found["track"] = np.array([7, 8])
    assert found.data["track"].tolist() == [7, 8]
    with pytest.raises(AttributeError, match="no attribute 'boxes'"):
        _ = Arrays(**FIELDS).boxes
