"""The cache of exports: read-only, killed, damaged, full."""

import functools
import subprocess
from pathlib import Path

import pytest

from zoo import runtimes
from zoo.errors import ZooError


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A saved model by name; its export is a file of the word `whole`."""

    def export(source, file, settings):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"whole")

    (tmp_path / "m.keras").write_bytes(b"weights")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(runtimes, "_export", export)
    return str(tmp_path / "m.keras")


def test_a_file_that_is_there_needs_no_right_to_write(model):
    file = runtimes.exported(model, runtime="onnx")
    lock = file.parent.with_name(f"{file.parent.name}.lock")
    lock.unlink()
    lock.mkdir()  # it cannot be opened, by root neither
    assert runtimes.exported(model, runtime="onnx") == file
    file.unlink()
    with pytest.raises(ZooError, match=r"exports/\w+ cannot be written: .*set ZOO_CACHE to"):
        runtimes.exported(model, runtime="onnx")


def test_a_file_that_is_there_needs_no_weights(model, monkeypatch):
    monkeypatch.setattr(runtimes, "weights_file", lambda card: pytest.fail("asked for weights"))
    file = runtimes.exported("yolov4-tiny-coco", runtime="onnx")
    assert file.read_bytes() == b"whole"


@pytest.mark.parametrize("text", [b"half", b""])
def test_a_damaged_file_of_the_cache_is_made_once_more(text, model, monkeypatch):
    def load(file, format):
        if file.read_bytes() != b"whole":
            raise ZooError(f"{file} cannot be read")
        return file, format

    monkeypatch.setattr(runtimes, "load_exported", load)
    file = runtimes.exported(model, runtime="onnx")
    file.write_bytes(text)
    assert runtimes.loaded(model, runtime="onnx") == (file, "onnx")
    own = Path(model).with_name("own.onnx")  # a user's stays as it is
    own.write_bytes(text)
    with pytest.raises(ZooError, match=r"own\.onnx cannot be read"):
        runtimes.loaded(str(own), runtime="onnx")
    assert own.read_bytes() == text


def test_an_engine_that_is_not_installed_is_no_damage(model, monkeypatch):
    def load(file, format):
        raise ZooError("onnxruntime is not installed") from ImportError("onnxruntime")

    monkeypatch.setattr(runtimes, "load_exported", load)
    file = runtimes.exported(model, runtime="onnx")
    with pytest.raises(ZooError, match="onnxruntime is not installed"):
        runtimes.loaded(model, runtime="onnx")
    assert file.exists()


def process(command, code=0, told="", **_):
    """A process of `zoo.export` that has ended, with its file where nothing failed."""
    if not code:
        (output,) = (text for text in command if text.startswith("output="))
        file = Path(output.removeprefix("output=").strip("'"))
        file.parent.mkdir()
        file.write_text("whole")
    return subprocess.CompletedProcess(command, code, "", told)


def test_what_a_killed_export_left_goes_with_the_next(tmp_path, monkeypatch):
    file = tmp_path / "exports" / "0123" / "model.onnx"
    left = tmp_path / "exports" / "0123.unfinished"
    (left / "made").mkdir(parents=True)
    (left / "made" / "model.onnx").write_bytes(b"half")
    monkeypatch.setattr(runtimes.subprocess, "run", process)
    runtimes._export("m.keras", file, {"format": "onnx"})
    assert file.read_text() == "whole"
    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["0123"]


@pytest.mark.parametrize(
    ("code", "told", "sentence"),
    [
        pytest.param(2, "W0000 a\nerror: m cannot be written: full\n", "m cannot be written: full",
                     id="a sentence"),
        pytest.param(1, "Traceback:\n  a\nKeyError: 'b'", "Traceback:\n  a\nKeyError: 'b'",
                     id="a fault of ours"),
        pytest.param(-9, "", "its process ended with status -9", id="killed"),
    ],
)  # fmt: skip
def test_an_export_that_fails_is_its_sentence(code, told, sentence, tmp_path, monkeypatch):
    ended = functools.partial(process, code=code, told=told)
    monkeypatch.setattr(runtimes.subprocess, "run", ended)
    (tmp_path / "exports").mkdir()
    with pytest.raises(ZooError) as caught:
        runtimes._export("m.keras", tmp_path / "exports" / "0123" / "model.onnx", {})
    assert str(caught.value) == f"export for this runtime failed: {sentence}"
    assert not list((tmp_path / "exports").iterdir())
