"""Pretrained models: a card each, in `conf/card`, with provenance, hashes and numbers.

A card states what others *claim* (with the source) apart from what this project *measured*.
Imports no Keras until a model is loaded.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import OmegaConf

from zoo import building, config
from zoo.data.sources import COCO_IDS
from zoo.download import File, fetch
from zoo.errors import ZooError, nearest

if TYPE_CHECKING:
    from zoo.detector import Detector

log = logging.getLogger(__name__)
#: What a card says, each of these once, and nothing else.
FIELDS = {
    "description", "model", "class_names", "weights",
    "licence", "trained_on", "claimed", "measured", "latency", "limits",
}  # fmt: skip
WEIGHTS_FIELDS = {"url", "filename", "size", "sha256", "format"}
TRAINED_FIELDS = {"dataset", "split", "overlap", "note"}
#: What every claimed figure says besides its numbers.
CLAIM_FIELDS = {"split", "image_size", "source"}


def names() -> list[str]:
    """All presets, ours and the plugins', sorted."""
    return config.options("card")


def preset_called(source: Any) -> str | None:
    """The preset that a text names; None for what names a path.

    A name comes before a path: a folder that is called so is `./NAME`, or a `pathlib.Path`.
    """
    return source if isinstance(source, str) and source in names() else None


def card(name: str) -> dict[str, Any]:
    """What is known about a preset.

    Returns:
        description; model, a config of the group `model`; class_names, a config of the group
        `classes` or a list; weights: url, filename, size (bytes), sha256, format; licence;
        trained_on: dataset, split, overlap (splits for evaluation whose images it may hold), note;
        claimed, a list of figures each with its split, image_size and source; measured and
        latency, lists of files of evidence beside the card; or the reason why there are none;
        limits, a list of sentences.

    Raises:
        ZooError: there is no such preset (the nearest is suggested), or its card has a hole.
    """
    if name not in names():
        raise ZooError(f"no preset {name!r}; {nearest(name, names())}")
    file = config.find("card", name)
    found = config.load(file)
    _check_fields(file, found, FIELDS)
    _check_fields(file, found["weights"], WEIGHTS_FIELDS)
    _check_fields(file, found["trained_on"], TRAINED_FIELDS)
    for field in FIELDS:
        if not found[field]:
            raise ZooError(f"the card {file} says nothing at {field}; give a reason at least")
    claims = found["claimed"]
    for claim in claims if isinstance(claims, list) else []:  # a text says why there are none
        holes = (CLAIM_FIELDS - set(claim)) | {key for key in claim if claim[key] is None}
        if holes:
            raise ZooError(f"a claim of the card {file} lacks {', '.join(sorted(holes))}: {claim}")
    return found


def preset_of(model: str) -> str:
    """The preset of a model: one of ours, if there is one, whatever plugins are installed.

    Args:
        model: a config of the group `model`.

    Raises:
        ZooError: there is none, or several; what to give instead is named.
    """
    known: set[str] = set()
    for group in _models_of_cards():
        if len(found := [name for name, of in group.items() if of == model]) > 1:
            raise ZooError(f"weights=auto: {', '.join(found)} are of model {model!r}; name one")
        if found:
            return found[0]
        known |= set(map(str, group.values()))
    raise ZooError(
        f"weights=auto: no preset of model {model!r}, only of {', '.join(sorted(known))}; give "
        "weights=FILE (a .weights, .conv.N or .keras file, or a run), or weights=null to start "
        "from random weights"
    )


def _models_of_cards() -> Iterator[dict[str, Any]]:
    """Preset → model, of our cards, then of the plugins'; nothing else of a card is looked at."""
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    for owner, directory in config.conf_directories().items():
        for file in sorted((directory / "card").glob("*.yaml")):
            (ours if owner == "zoo" else theirs)[file.stem] = file
    for files in (ours, theirs):
        cards = {name: config.load(file) for name, file in files.items()}
        yield {name: of.get("model") for name, of in cards.items() if isinstance(of, dict)}


def not_clean(
    preset: str | Path, category_ids: Sequence[int], classes: Sequence[str] = ()
) -> str | None:
    """Why scores of these weights on this data set say too much, None if nothing speaks for it.

    Weights that may have been trained on COCO's validation images cannot be measured on COCO: the
    labelled images of any split may be among them. What was trained from such weights inherits it;
    so do weights of which nobody knows what they were trained from.

    Args:
        preset: name of a card, a run directory, a file in one, or another file of weights.
        category_ids: of the data set that the scores are from.
        classes: their names: COCO's images may come with ids of another format, or with some of
            its classes. Of weights of which nothing is known nothing is said in the latter case.
    """
    known = set(config.class_names("coco"))
    whole = list(category_ids) == COCO_IDS or set(classes) == known
    if not whole and not (classes and known.issuperset(classes)):
        return None
    what = "Not a clean score" if whole else "Not a clean score if these are images of COCO"
    seen: set[str] = set()
    weights = str(preset)
    while weights not in seen:
        seen.add(weights)
        through = "" if weights == str(preset) else f" (from which {preset} was trained)"
        path = Path(weights)
        if (name := published(weights)) is not None:
            trained = card(name)["trained_on"]
            if not trained["overlap"]:
                return None
            return (
                f"{what}: {name}{through} may have seen images of "
                f"{', '.join(trained['overlap'])}. {trained['note']}"
            )
        config_file = (path if path.is_dir() else path.parent) / "config.yaml"
        if not config_file.is_file() and not whole:
            return None
        if not config_file.is_file():
            return f"Perhaps not a clean score: nothing says what {weights}{through} has seen."
        found = OmegaConf.to_container(OmegaConf.load(config_file))
        weights = (found.get("weights") if isinstance(found, dict) else None) or weights
    return None


def warn_of_another_head(cfg: Path, weights: str) -> None:
    """Tell where a cfg decodes a preset's weights otherwise than they were trained.

    As the later cfgs of yolov3-tiny do: the file fits, and its boxes have wrong sizes.
    """
    from zoo.darknet.cfg import read_cfg
    from zoo.darknet.importing import decodings
    from zoo.darknet.plan import plan

    if (preset := published(weights)) is None:
        return
    trained = card(preset)
    settings = config.plain(config.compose(f"model/{trained['model']}"))["model"]["head"]
    if settings["name"] != "yolo":  # a stranger's, which Darknet's keys do not describe
        return
    head = building.build("head", settings, num_classes=len(class_names(trained)))
    sections = [layer.section for layer in plan(read_cfg(cfg)).of_kind("yolo")]
    for section, _, theirs, ours in decodings(sections, head):
        for key in (key for key in theirs if theirs[key] != ours[key]):
            message = (
                f"{key} is {theirs[key]}, but {ours[key]} in {trained['model']}, the model of "
                f"these weights ({preset}): boxes come out wrong; change it in the cfg"
            )
            log.warning("%s", section.error(message, key))


def published(weights: str) -> str | None:
    """The preset that is called so, or whose file this is, whatever it is called."""
    if (preset := preset_called(weights)) is not None:
        return preset
    for name in names() if Path(weights).is_file() else ():
        with contextlib.suppress(ZooError):  # a plugin's card with holes says nothing of a file
            known = {key: card(name)["weights"][key] for key in ("filename", "size", "sha256")}
            if not File(**known).mismatch(Path(weights)):
                return name
    return None


def _check_fields(file: Path, found: Any, fields: set[str]) -> None:
    keys = set(found) if isinstance(found, dict) else set()
    if missing := sorted(fields - keys):
        raise ZooError(f"the card {file} lacks {', '.join(missing)}")
    for key in sorted(keys - fields):
        raise ZooError(f"the card {file} has no place for {key!r}; {nearest(key, fields)}")


def class_names(card: dict[str, Any]) -> list[str]:
    """The classes that a card's model was trained for, in the order of its outputs.

    Raises:
        ZooError: the card names a list that is not in the group `classes`.
    """
    found = card["class_names"]
    return config.class_names(found) if isinstance(found, str) else [str(name) for name in found]


def weights_file(card: dict[str, Any]) -> Path:
    """The verified weights of a card, fetched where needed (see `zoo.download.fetch`).

    Raises:
        ZooError: they are neither cached nor to be had.
    """
    weights = card["weights"]
    return fetch(**{key: weights[key] for key in ("url", "filename", "size", "sha256")})


def load(name: str) -> Detector:
    """Build the model of a preset and load its weights.

    Raises:
        ZooError: no such preset, or its weights are not to be had or do not fit.
    """
    preset = card(name)
    if preset["weights"]["format"] != "darknet":
        raise ZooError(
            f"preset {name!r} has weights of format {preset['weights']['format']!r}, "
            "of which there is no reader; there is: darknet"
        )
    return loaded(preset, weights_file(preset))


def loaded(card: dict[str, Any], weights: Path) -> Detector:
    """The model of a card with the weights of a Darknet file, its own or another.

    Raises:
        ZooError: the file cannot be read or does not fit.
    """
    import zoo

    model = zoo.build(card["model"], class_names(card))
    from zoo.darknet.weights import load_weights

    load_weights(model, weights)
    return model
