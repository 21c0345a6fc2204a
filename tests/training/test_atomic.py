"""Files on systems that wait for the disk in their own way."""

import errno
import fcntl
import os

import pytest

from zoo.training import atomic, journal


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
    for module in (atomic, journal):
        monkeypatch.setattr(module, "os", Windows())


def test_a_file_is_written_whole_on_windows(windows, tmp_path):
    atomic.write_text(tmp_path / "a.txt", "one")
    atomic.write_text(tmp_path / "a.txt", "two")
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "two"


def test_the_files_that_a_run_appends_to_are_waited_for_on_windows(windows, tmp_path):
    (tmp_path / "metrics.jsonl").write_text("four")
    assert journal.sizes(tmp_path, ["metrics.jsonl", "none.csv"]) == {"metrics.jsonl": 4}
    assert (tmp_path / "metrics.jsonl").read_text() == "four"
