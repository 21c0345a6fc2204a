"""PASCAL VOC's folders of XML."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from zoo.data.image import SUFFIXES
from zoo.data.lint import Annotation, Lint
from zoo.data.sources.files import ImageFiles, Record, existing_folder, read_bytes, read_text
from zoo.errors import ZooError, nearest


def voc(
    *,
    root: str | None,
    split: str,
    class_names: Sequence[str] | None = None,
    on_error: str = "error",
) -> ImageFiles:
    """Images in `JPEGImages`, XML in `Annotations`, splits in `ImageSets/Main`.

    VOC counts pixels from 1 and includes both ends [VOC development kit]: a box over the first
    pixel alone has xmin = xmax = 1. In continuous coordinates that pixel spans [0, 1], so one is
    taken from xmin and ymin, and nothing from xmax and ymax. Objects marked difficult are crowd.

    Args:
        root: the folder that holds those three.
        split: name of a list in `ImageSets/Main`, e.g. `"trainval"`.
        class_names: the classes in their order; by default those found in any XML, sorted.
        on_error: `"error"` or `"skip"`.

    Raises:
        ZooError: a missing file, or a fault in the annotations.
    """
    folder = existing_folder(root, "voc")
    lint = Lint(f"voc {folder} {split}", on_error)
    stems = _stems(folder, split)
    return ImageFiles(
        _records(folder, stems, lint),
        lint,
        classes=None,
        class_names=class_names or _all_names(folder),
    )


def _stems(root: Path, split: str) -> list[str]:
    lists = root / "ImageSets" / "Main"
    if not lists.is_dir():
        raise ZooError(f"there is no folder {lists}; data.root is the folder that holds ImageSets")
    file = lists / f"{split}.txt"
    if not file.is_file():
        known = nearest(split, (path.stem for path in lists.glob("*.txt")))
        raise ZooError(f"no split {split!r} in {lists}; {known}")
    lines = [line.strip() for line in read_text(file, "split").splitlines()]
    stems = [_stem(line, root / "Annotations") for line in lines if line]
    if not stems:
        raise ZooError(f"split {file} is empty")
    return stems


def _stem(line: str, annotations: Path) -> str:
    # A second column (1, 0 or -1 in lists of one class) is not about detection; but a name may have
    # spaces, and end like one.
    whole = (annotations / f"{line}.xml").is_file()
    return line if whole else re.sub(r"\s+(-1|0|1)$", "", line)


def _all_names(root: Path) -> list[str]:
    """The classes of every split, so that an index means the same in each."""
    files = (root / "Annotations").glob("*.xml")
    names = {obj.findtext("name", "").strip() for file in files for obj in _objects(file)}
    if not names - {""}:
        raise ZooError(f"no object has a name in {root / 'Annotations'}; set data.class_names=[…]")
    return sorted(names - {""})


def _objects(file: Path) -> list[ElementTree.Element]:
    try:
        return _parse(file).findall("object")
    except ZooError:
        return []  # reported by name when its own split is opened


def _records(root: Path, stems: Sequence[str], lint: Lint) -> Iterator[Record]:
    images = defaultdict(list)
    for path in sorted((root / "JPEGImages").glob("*")):
        if path.suffix.lower() in SUFFIXES:
            images[path.stem].append(path)
    for stem in stems:
        with lint.tolerate():
            file = root / "Annotations" / f"{stem}.xml"
            tree = _parse(file)
            if stem not in images:
                raise ZooError(f"image {root / 'JPEGImages' / stem}.jpg of {file} is missing")
            if len(images[stem]) > 1:
                names = " or ".join(path.name for path in images[stem])
                raise ZooError(f"{file}: which image is it of, {names}? remove the others")
            annotations = [
                _annotation(obj, f"object {number}", file)
                for number, obj in enumerate(tree.findall("object"), 1)
            ]
            yield Record(stem, images[stem][0], _size(tree), annotations, str(file))


def _parse(file: Path) -> ElementTree.Element:
    data = read_bytes(file, "annotation file")
    try:
        content: str | bytes = data.decode("utf-8-sig")  # some tools declare what they do not write
    except UnicodeDecodeError:
        content = data
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the latter: of encodings
        raise ZooError(f"{file} is not XML: {error}") from error


def _size(tree: ElementTree.Element) -> tuple[int, int] | None:
    """The stated size; some tools write none, or zeros."""
    try:
        height, width = (int(tree.findtext(f"size/{side}", "0")) for side in ("height", "width"))
    except ValueError:
        return None
    return (height, width) if height and width else None


def _annotation(obj: ElementTree.Element, where: str, file: Path) -> Annotation:
    try:
        xmin, ymin, xmax, ymax = (
            float(obj.findtext(f"bndbox/{key}", "")) for key in ("xmin", "ymin", "xmax", "ymax")
        )
    except ValueError as error:
        raise ZooError(f"{file}: {where} needs four numbers in <bndbox>") from error
    difficult = obj.findtext("difficult", "0").strip()
    if difficult not in ("0", "1", ""):
        raise ZooError(f"{file}: {where} has <difficult>{difficult}</difficult>; it is 0 or 1")
    name = obj.findtext("name", "").strip()
    return Annotation((xmin - 1, ymin - 1, xmax, ymax), name, where, crowd=difficult == "1")
