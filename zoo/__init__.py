"""zoo: YOLO detectors on Keras 3, from named parts.

Importing this package imports no backend; the functions below do when they need one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.backend import import_keras
from zoo.errors import ZooError, nearest
from zoo.registry import KINDS

if TYPE_CHECKING:
    from zoo.detector import Detector

__version__ = "0.2.0"
__all__ = [
    "ZooError",
    "backbones",
    "build",
    "heads",
    "load",
    "losses",
    "necks",
    "parts",
    "presets",
]

# TensorFlow narrates its start-up on standard error unless told otherwise before its import.
# By itself it takes oneDNN's operations on some processors only. On one with AVX2 alone they train
# in four fifths of the time and detect in five quarters of it; there 0 may be the better choice.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def load(
    source: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    class_names: Sequence[str] | str | os.PathLike[str] | None = None,
) -> Any:
    """A trained detector.

    Args:
        source: the name of a preset (`zoo.presets()` lists them), a run directory, a `.keras` file,
            a Darknet `.cfg`, or an exported `.onnx`, `.tflite`, `.xml` of OpenVINO or SavedModel.
        weights: of a `.cfg`: its `.weights`, or a `.conv.N` file, which fills the first layers and
            leaves the others fresh; by default all are fresh.
        class_names: of a `.cfg`: a list, a file with one name a line, or the name of a list in
            `conf/classes`, as `"coco"`; by default the numbers "0", "1", …

    Returns:
        A `keras.Model` with `detect`, `fit` and the rest. A `.cfg` without [yolo] sections gives a
        classifier instead: see `zoo.darknet.classifier.Classifier`. An exported file gives a
        `zoo.exported.ExportedDetector`, which has `detect` and imports no Keras.

    Raises:
        ZooError: there is no such preset or file (the nearest preset is suggested), or a `.cfg`
            is not supported, which names the line, or its weights do not fit.
    """
    if not str(source):
        raise ZooError("load('') names nothing; give a preset, a run directory or a file")
    path = Path(source)
    if path.suffix == ".cfg":
        import_keras()
        from zoo.darknet.importing import load_cfg

        return load_cfg(path, weights, class_names)
    if weights is not None or class_names is not None:
        raise ZooError(f"weights and class_names go with a .cfg; {str(source)!r} has its own")
    from zoo.format.contract import format_of

    if exported := format_of(path):
        from zoo.exported import load_exported

        return load_exported(path, exported)
    if path.is_dir() or path.suffix == ".keras":
        import_keras()
        from zoo.saved import load_saved

        return load_saved(path)
    from zoo.cards import load as load_preset

    if str(source) not in presets():
        if path.exists():
            raise ZooError(
                f"{path} is of no known format; load takes .keras, .cfg or an exported file: "
                f"{', '.join(parts('format'))}"
            )
        if path.suffix or len(path.parts) > 1:
            raise ZooError(f"no file {path}, nor a preset of that name; zoo.presets() lists those")
    return load_preset(str(source))


def build(
    model: str | Mapping[str, Any],
    class_names: Sequence[str],
    overrides: Sequence[str] = (),
) -> Detector:
    """A detector with fresh weights.

    Args:
        model: a name in `conf/model`, e.g. `"yolov4"`, or a plain config like one.
        class_names: one name for each class.
        overrides: of that config, as on the command line: `["model/backbone=darknet53"]`.

    Raises:
        ZooError: a name or a key does not exist or is missing, `class_names` is no list of
            different names, or `overrides` no list.
    """
    if isinstance(class_names, str) or len(class_names) == 0:  # a string is its letters otherwise
        raise ZooError(f"class_names={class_names!r}: must be a list of names, one for each class")
    if isinstance(overrides, str):
        raise ZooError(f"overrides={overrides!r}: must be a list, as [{overrides!r}]")
    import_keras()
    from zoo import config
    from zoo.data.lint import checked_names
    from zoo.detector import KEYS, Detector

    class_names = checked_names(class_names, "zoo.build")
    if not isinstance(model, str):
        for key in model:
            if key not in KEYS:
                raise ZooError(f"a model has no key {key!r}; {nearest(key, KEYS)}")
        return Detector(model, class_names)
    composed = config.compose(f"model/{model}", list(overrides))
    return Detector(config.plain(composed)["model"], class_names)


def presets() -> list[str]:
    """Names of the pretrained models that `load` knows."""
    from zoo.cards import names

    return names()


def parts(kind: str) -> list[str]:
    """Names of the parts of a kind, e.g. `"backbone"`, ours and the plugins'; loads none of them.

    Raises:
        ZooError: there is no such kind; the nearest is suggested.
    """
    if kind not in KINDS:
        raise ZooError(f"no kind {kind!r} of part; {nearest(kind, KINDS)}")
    return KINDS[kind].names()


def backbones() -> list[str]:
    """Names of the backbones."""
    return parts("backbone")


def necks() -> list[str]:
    """Names of the necks."""
    return parts("neck")


def heads() -> list[str]:
    """Names of the heads."""
    return parts("head")


def losses() -> list[str]:
    """Names of the losses."""
    return parts("loss")
