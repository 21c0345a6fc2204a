"""A file of weights appears whole, with the rights that any new file has."""

import os
import stat

import pytest

from zoo.darknet.file import replacing
from zoo.errors import ZooError


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_rights_are_those_that_the_umask_leaves(tmp_path, monkeypatch, umask, mode):
    before = os.umask(umask)
    try:
        with monkeypatch.context() as patch:
            # It is the whole process': other threads write files meanwhile.
            patch.setattr(os, "umask", lambda _: pytest.fail("the umask was changed"))
            with replacing(tmp_path / "a.weights") as file:
                file.write(b"weights")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.weights").stat().st_mode) == mode
    assert [path.name for path in tmp_path.iterdir()] == ["a.weights"]


def test_what_fails_leaves_the_file_that_was(tmp_path):
    path = tmp_path / "a.weights"
    path.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [
        ("a.weights", b"before")
    ]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with (
        pytest.raises(ZooError, match=r"none/a\.weights cannot be written: No such file"),
        replacing(tmp_path / "none" / "a.weights"),
    ):
        pass
