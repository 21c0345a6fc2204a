"""Files appear whole, also where a system waits for the disk in its own way."""

import errno
import fcntl
import os
import stat

import pytest

from zoo import files
from zoo.errors import ZooError
from zoo.files import exporting, exporting_into
from zoo.training import journal


class Windows:
    """`os`, where a folder cannot be opened, nor a file waited for that is not open for writing."""

    name = "nt"

    def __getattr__(self, name):
        return getattr(os, name)

    def open(self, path, flags):
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return os.open(path, flags)

    def fsync(self, descriptor):
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        os.fsync(descriptor)


@pytest.fixture
def windows(monkeypatch):
    for module in (files, journal):
        monkeypatch.setattr(module, "os", Windows())


def test_a_file_is_written_whole_on_windows(windows, tmp_path):
    files.write_text(tmp_path / "a.txt", "one")
    files.write_text(tmp_path / "a.txt", "two")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "two"


def test_the_files_that_a_run_appends_to_are_waited_for_on_windows(windows, tmp_path):
    (tmp_path / "metrics.jsonl").write_text("four")
    assert journal.sizes(tmp_path, ["metrics.jsonl", "none.csv"]) == {"metrics.jsonl": 4}
    assert (tmp_path / "metrics.jsonl").read_text() == "four"


def test_the_data_are_on_the_disk_before_the_name_and_then_the_name(tmp_path, monkeypatch):
    path, waited = tmp_path / "a.txt", []
    monkeypatch.setattr(files, "sync", lambda place: waited.append((place.name, path.exists())))
    files.write_text(path, "one")
    assert waited == [("unfinished-a.txt", False), (tmp_path.name, True)]


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_rights_are_those_that_the_umask_leaves(tmp_path, monkeypatch, umask, mode):
    before = os.umask(umask)
    try:
        with monkeypatch.context() as patch:
            # It is the whole process': other threads write files meanwhile.
            patch.setattr(os, "umask", lambda _: pytest.fail("the umask was changed"))
            with exporting(tmp_path / "a.weights") as file:
                file.write(b"weights")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.weights").stat().st_mode) == mode
    assert [path.name for path in tmp_path.iterdir()] == ["a.weights"]


def test_what_fails_leaves_the_file_that_was(tmp_path):
    path = tmp_path / "a.weights"
    path.write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt), exporting(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [
        ("a.weights", b"before")
    ]


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_a_full_disk_leaves_the_file_that_was_and_is_a_sentence(tmp_path, monkeypatch, step):
    path = tmp_path / "a.weights"
    path.write_bytes(b"before")
    if step == "fsync":
        monkeypatch.setattr(files.os, "fsync", full)
    with (
        pytest.raises(ZooError, match=r"a\.weights cannot be written: No space left on device$"),
        exporting(path) as file,
    ):
        file.write(b"half")
        if step == "write":
            full()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [
        ("a.weights", b"before")
    ]


def tree(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def test_what_is_written_into_a_folder_beside_takes_its_place_whole(tmp_path):
    """A graph with weights beside it; then a directory, in which others have a file."""
    (tmp_path / "m.bin").write_text("before")
    with (
        pytest.raises(ZooError, match=r"m\.xml cannot be written: No space"),
        exporting_into(tmp_path / "m.xml") as written,
    ):
        written.write_text("half")
        full()
    assert tree(tmp_path) == {"m.bin": "before"}
    with exporting_into(tmp_path / "m.xml") as written:
        written.write_text("graph")
        written.with_suffix(".bin").write_text("weights")
    assert tree(tmp_path) == {"m.bin": "weights", "m.xml": "graph"}
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "photo.jpg").write_text("mine")
    with exporting_into(tmp_path / "saved") as written:
        (written / "variables").mkdir(parents=True)
        (written / "variables" / "index").write_text("1")
    assert tree(tmp_path / "saved") == {"photo.jpg": "mine", "variables/index": "1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.bin", "m.xml", "saved"]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with (
        pytest.raises(ZooError, match=r"none/a\.weights cannot be written: No such file"),
        exporting(tmp_path / "none" / "a.weights"),
    ):
        pass
