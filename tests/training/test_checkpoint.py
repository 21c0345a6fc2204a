import errno
import os
import subprocess

import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.training import checkpoint as files
from zoo.training.checkpoint import Checkpoint, checkpoints, load_newest, save_checkpoint

ARRAYS = {"weights.0000": np.arange(6, dtype="float32"), "optimizer.0000": np.int32(7)}


def save(folder, step, keep=3, size=6):
    arrays = {**ARRAYS, "weights.0000": np.arange(size, dtype="float32") + step}
    return save_checkpoint(folder, Checkpoint(step, arrays, {"best": None, "n": step}), keep=keep)


def test_what_is_saved_is_loaded(tmp_path):
    path = save(tmp_path, 12)
    assert path.name.startswith("step-000000012-")
    found = load_newest(tmp_path)
    assert (found.step, found.facts["n"], found.facts["best"]) == (12, 12, None)
    np.testing.assert_array_equal(found.arrays["weights.0000"], np.arange(6) + 12)
    assert found.arrays["weights.0000"].dtype == np.float32
    assert found.arrays["optimizer.0000"] == 7


def test_a_folder_without_checkpoints_is_a_new_run(tmp_path):
    assert load_newest(tmp_path / "nothing") is None


def test_the_newest_are_kept(tmp_path):
    for step in (8, 9, 10, 11):
        save(tmp_path, step, keep=2)
    assert [files._step(path) for path in checkpoints(tmp_path)] == [10, 11]


def test_one_is_kept_whatever_keep_says(tmp_path):
    save(tmp_path, 1, keep=0)
    assert len(checkpoints(tmp_path)) == 1


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def empty(path):
    os.truncate(path, 0)


@pytest.mark.parametrize("damage", [cut, flip, empty])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_taken(damage, tmp_path, caplog):
    save(tmp_path, 1)
    damaged = save(tmp_path, 2)
    damage(damaged)
    assert load_newest(tmp_path).step == 1
    assert f"{damaged} is damaged" in caplog.text
    # Out of the way: it must not be among the newest that are kept.
    save(tmp_path, 2, keep=1)
    assert load_newest(tmp_path).step == 2


def test_one_that_another_process_puts_out_of_the_way_is_passed_over(tmp_path, monkeypatch):
    save(tmp_path, 1)
    flip(save(tmp_path, 2))
    load = files.load_checkpoint

    def after_another(path):
        monkeypatch.setattr(files, "load_checkpoint", load)
        assert load_newest(tmp_path).step == 1
        return load(path)

    monkeypatch.setattr(files, "load_checkpoint", after_another)
    assert load_newest(tmp_path).step == 1


def test_when_all_are_damaged_the_run_does_not_silently_start_anew(tmp_path):
    flip(save(tmp_path, 1))
    with pytest.raises(ZooError, match=r"all 1 checkpoints in .* are damaged"):
        load_newest(tmp_path)


def test_a_checkpoint_of_another_version_is_refused_and_stays(tmp_path, monkeypatch):
    save(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(files, "VERSION", 2)
        path = save(tmp_path, 2)
    with pytest.raises(ZooError, match="has version 2, not 1"):
        load_newest(tmp_path)
    assert path.is_file()


def test_a_checkpoint_that_cannot_be_read_is_not_passed_over(tmp_path, monkeypatch):
    save(tmp_path, 1)
    path = save(tmp_path, 2)

    def fail(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(files, "file_sha256", fail)
    with pytest.raises(ZooError, match="cannot be read: Input/output error; delete it to go on"):
        load_newest(tmp_path)
    assert path.is_file()


def test_a_name_that_lies_about_the_bytes_is_refused(tmp_path):
    path = save(tmp_path, 1)
    path.rename(tmp_path / "step-000000001-0123456789abcdef.npz")
    with pytest.raises(ZooError, match="damaged"):
        load_newest(tmp_path)


def test_what_a_killed_save_left_is_no_checkpoint_and_goes_away(tmp_path):
    save(tmp_path, 1)
    left = tmp_path / "unfinished-step.npz"
    left.write_bytes(b"half")
    assert load_newest(tmp_path).step == 1
    save(tmp_path, 2)
    assert not left.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("where", ["numpy.savez", "os.fsync", "os.replace"])
def test_a_failed_save_touches_nothing(where, number, tmp_path, monkeypatch):
    path = save(tmp_path, 1)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(where, fail)
        with pytest.raises(OSError):
            save(tmp_path, 2)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == before


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_keeps_the_last_good_one(small_disk):
    save(small_disk, 1)
    with pytest.raises(OSError, match="No space left"):
        save(small_disk, 2, size=30_000)
    assert load_newest(small_disk).step == 1
    assert save(small_disk, 3).is_file()  # there is room again


def test_a_read_only_folder_keeps_the_last_good_one(small_disk):
    save(small_disk, 1)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(OSError, match="Read-only"):
        save(small_disk, 2)
    assert load_newest(small_disk).step == 1
