"""What a run was trained and evaluated on: a summary, and a digest of every image."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.image import image_size
from zoo.data.sample import Source
from zoo.data.sources.files import ImageFiles, check_stated
from zoo.files import file_sha256

#: The digests, beside the manifest: split → id → (labels, file).
FILE = "data.json"


def summary(source: Source, digests: Mapping[str, Any]) -> dict[str, Any]:
    """Counts and hashes of a split for the manifest.

    Args:
        source: the split.
        digests: of its images, as from `image_digests`.
    """
    classes = [label for index in range(len(source)) for label in source.labels(index).classes]
    counts = np.bincount(np.array(classes, int), minlength=len(source.class_names))
    return {
        "images": len(source),
        "boxes": dict(zip(source.class_names, counts.tolist(), strict=True)),
        "fingerprint": source.fingerprint,
        "files_sha256": files_sha256(digests),
    }


def files_sha256(digests: Mapping[str, Any]) -> str:
    """SHA-256 over the digests of a split, in the order of its images."""
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def image_digests(source: Source) -> dict[str, list[str | None]]:
    """For each id the SHA-256 of its labels, and of its file where it is one; 16 digits each.

    Where a source has an id several times, the second is called `"ID #2"`, and so on.
    """
    with ThreadPoolExecutor() as pool:  # hashing lets other threads run
        files = list(pool.map(lambda index: _file(source, index), range(len(source))))
    digests, count = {}, Counter[str]()
    for index, file in enumerate(files):
        id = str(source.id(index))
        count[id] += 1
        name = id if count[id] == 1 else f"{id} #{count[id]}"
        digests[name] = [_labels(source, index), file]
    return digests


def _labels(source: Source, index: int) -> str:
    labels = source.labels(index)
    total = hashlib.sha256(json.dumps(source.size(index)).encode())
    for array in (labels.boxes, labels.classes, labels.crowd, labels.area):
        total.update(array.tobytes())
    return total.hexdigest()[:16]


def _file(source: Source, index: int) -> str | None:
    path = getattr(source, "path", None)
    if path is None:
        return None
    file = Path(path(index))
    if isinstance(source, ImageFiles):  # a file of another source may be no picture
        # One cut short, or of another size than stated, is told now, not when its turn comes.
        check_stated(file, image_size(file), source.size(index))
    return file_sha256(file)[:16]


def changes(
    before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """What differs between the digests of two runs, a sentence each, images by their ids."""
    found = []
    for split, ids in before.items():
        others = now.get(split, {})
        common = ids.keys() & others.keys()
        for what, names in {
            "labels changed": [i for i in common if ids[i][0] != others[i][0]],
            "pixels changed": [i for i in common if ids[i][1] != others[i][1]],
            "gone": ids.keys() - others.keys(),
            "new": others.keys() - ids.keys(),
        }.items():
            if names:
                listed = sorted(names)[:5]
                more = f" and {len(names) - 5} more" if len(names) > 5 else ""
                found.append(f"{split}: {what}: {', '.join(listed)}{more}")
        if ids.keys() == others.keys() and list(ids) != list(others):
            found.append(f"{split}: the same images in another order")
    return found
