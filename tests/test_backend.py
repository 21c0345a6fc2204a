"""Garbage is not looked for while Keras is imported, and is again afterwards."""

import gc
import sys

import pytest

from zoo.backend import import_keras
from zoo.errors import ZooError


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A function that makes a module called keras, not imported yet, of a line of Python."""

    def make(line):
        (tmp_path / "keras.py").write_text(line)
        monkeypatch.delitem(sys.modules, "keras", raising=False)
        monkeypatch.syspath_prepend(tmp_path)

    yield make
    gc.enable()
    gc.unfreeze()


def test_the_collector_rests_during_the_import_and_leaves_out_what_it_made(stand_in):
    stand_in("import gc; resting = not gc.isenabled()")
    before = gc.get_freeze_count()
    import_keras()
    assert sys.modules["keras"].resting
    assert gc.isenabled() and gc.get_freeze_count() > before


def test_it_works_again_after_an_import_that_failed(stand_in):
    stand_in("raise ImportError('no backend')")
    before = gc.get_freeze_count()
    with pytest.raises(ImportError, match="no backend"):
        import_keras()
    assert gc.isenabled() and gc.get_freeze_count() == before


def test_a_collector_that_rested_before_goes_on_resting(stand_in):
    stand_in("")
    gc.disable()
    import_keras()
    assert not gc.isenabled()


def test_where_keras_is_imported_already_nothing_is_left_out():
    import keras  # noqa: F401

    before = gc.get_freeze_count()
    import_keras()
    assert gc.get_freeze_count() == before


def test_a_backend_that_is_not_installed_is_named(stand_in, monkeypatch):
    stand_in("raise ModuleNotFoundError('no jax', name='jax')")
    with pytest.raises(ZooError, match=r"jax, is not installed: pip install 'keras-yolo-zoo\[jax]"):
        import_keras()
    assert gc.isenabled()


def test_a_backend_that_is_none(stand_in, monkeypatch):
    stand_in("")
    monkeypatch.setenv("KERAS_BACKEND", "jaks")
    with pytest.raises(ZooError, match="KERAS_BACKEND=jaks: no such backend; there are: jax, "):
        import_keras()
