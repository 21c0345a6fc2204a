"""zoo: YOLO detectors on Keras 3, from named parts.

Importing this package imports no backend; the functions below do when they need one.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
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


def __dir__() -> list[str]:
    """The public names; others are modules that happen to be imported."""
    return [*__all__, "__version__"]


def load(
    source: str | os.PathLike[str],
    *,
    weights: str | os.PathLike[str] | None = None,
    class_names: Sequence[str] | str | os.PathLike[str] | None = None,
    compile: bool = False,
) -> Any:
    """A trained detector.

    Args:
        source: the name of a preset (`zoo.presets()` lists them; `./NAME` is a path), a run
            directory, a `.keras` file, a Darknet `.cfg`, or an exported `.onnx`, `.tflite`, `.xml`
            of OpenVINO or SavedModel.
        weights: of a `.cfg`: its `.weights`, or a `.conv.N` file, which fills the first layers and
            leaves the others fresh; by default all are fresh.
        class_names: of a `.cfg`: a list, a file with one name a line, or the name of a list in
            `conf/classes`, as `"coco"`; by default the numbers "0", "1", …
        compile: of a run or a `.keras` file: whether its optimizer comes along, and its state, for
            `fit` to go on.

    Returns:
        A `keras.Model` with `detect`, `fit` and the rest; from a file, of the dtype policy that it
        was saved with. A `.cfg` without [yolo] sections gives a classifier instead: see
        `zoo.darknet.classifier.Classifier`. An exported file gives a
        `zoo.exported.ExportedDetector`, which has `detect` and imports no Keras.

    Raises:
        ZooError: there is no such preset or file (the nearest preset is suggested), or a `.cfg`
            is not supported, which names the line, or its weights do not fit.
    """
    if not isinstance(source, str | os.PathLike) or not str(source):
        raise ZooError(f"load({source!r}) names nothing; give a preset, a run directory or a file")
    from zoo.format.contract import format_of

    path = Path(source)
    if path.suffix == ".weights":
        cfg = path.with_suffix(".cfg").name
        raise ZooError(f"{path} goes with its cfg: zoo.load({cfg!r}, weights={path.name!r})")
    preset = None
    if not (path.suffix and path.is_file()):  # who detects with an exported file imports no Hydra
        from zoo.cards import preset_called

        preset = preset_called(source)
    exported = None if preset else format_of(path)
    saved = not (preset or exported) and (path.is_dir() or path.suffix == ".keras")
    if compile and not saved:
        raise ZooError(f"compile=True goes with a run or a .keras file; {source} has no optimizer")
    if path.suffix == ".cfg":
        import_keras()
        from zoo.cards import warn_of_another_head
        from zoo.darknet.importing import load_cfg

        model = load_cfg(path, weights, class_names)
        if weights is not None:
            warn_of_another_head(path, str(weights))
        return model
    if weights is not None or class_names is not None:
        raise ZooError(f"weights and class_names go with a .cfg; {str(source)!r} has its own")
    if exported:
        from zoo.exported import load_exported

        return load_exported(path, exported)
    if saved:
        import_keras()
        from zoo.saved import load_saved

        if compile:
            _import_optimizers()
        return load_saved(path, compile=compile)
    from zoo.cards import load as load_preset

    if preset is None:
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
    class_names: Iterable[str],
    overrides: Sequence[str] = (),
) -> Detector:
    """A detector with fresh weights.

    Args:
        model: a name in `conf/model`, e.g. `"yolov4"`, or a plain config like one.
        class_names: one name for each class.
        overrides: of a config of a name, as on the command line: `["model/backbone=darknet53"]`.

    Raises:
        ZooError: a name or a key does not exist or is missing, `class_names` is no list of
            different names, or `overrides` no list.
    """
    listed = isinstance(class_names, Iterable) and not isinstance(class_names, str | Mapping)
    names = [str(n) if isinstance(n, str) else n for n in class_names] if listed else []  # NumPy's
    if not names:
        raise ZooError(f"class_names={class_names!r}: must be a list of names, one for each class")
    if not isinstance(overrides, list | tuple) or not all(isinstance(o, str) for o in overrides):
        meant = [overrides] if isinstance(overrides, str) else ["model/nms=soft"]
        raise ZooError(f"overrides={overrides!r}: must be a list, as {meant}")
    import_keras()
    from zoo import config
    from zoo.data.lint import checked_names
    from zoo.detector import KEYS, Detector

    names = checked_names(names, "zoo.build")
    if isinstance(model, Mapping):
        if overrides:
            raise ZooError(f"overrides={overrides!r}: go with a name; change the config itself")
        from zoo.darknet.weights import HEADER

        model = {key: model[key] for key in model if key != HEADER}  # fresh weights are of no file
        for key in model:
            if key not in KEYS:
                raise ZooError(f"a model has no key {key!r}; {nearest(key, KEYS)}")
        return Detector(model, names)
    if not isinstance(model, str):
        raise ZooError(f"model={model!r}: must be a name in conf/model, as 'yolov4', or a config")
    composed = config.compose(f"model/{model}", list(overrides))
    return Detector(config.plain(composed)["model"], names)


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


def _import_optimizers() -> None:
    """Keras finds the class of an optimizer, or of a schedule, if its module is imported."""
    import zoo.training.schedules.updates  # noqa: F401

    for kind in ("optimizer", "schedule"):
        for name in KINDS[kind].names():
            with contextlib.suppress(ZooError):  # a plugin's that does not load is not this file's
                KINDS[kind][name]
