"""Reading image files: RGB, upright, and never half an image."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from zoo.errors import ZooError

#: What OpenCV decodes; how a folder of images is listed.
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
START, END = b"\xff\xd8", b"\xff\xd9"  # markers of a JPEG stream
#: The next marker: within a scan 0xff is followed by 0, and restarts have no segment.
MARKER = re.compile(b"\xff([^\x00\xd0-\xd7\xff])", re.DOTALL)
#: Part of a JPEG's size at which it is decoded → OpenCV's name of that.
REDUCED = {
    1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}  # fmt: skip
#: So many times the network input an image stays at least when it is averaged.
HEADROOM = 2
IGNORE = cv2.IMREAD_IGNORE_ORIENTATION
PNG, LAST = b"\x89PNG", b"IEND\xaeB`\x82"  # how a PNG begins, and its last chunk
TIFF = (b"II*\0", b"MM\0*")
#: Tags of TIFF, and so of EXIF. Orientations of 5 to 8 swap height and width.
WIDTH, HEIGHT, ORIENTATION, EXTRA_SAMPLES = 256, 257, 274, 338
#: What an extra sample is: alpha that the colours were multiplied by already, or were not.
ASSOCIATED, UNASSOCIATED = 1, 2
SWAPPED = (5, 6, 7, 8)


def read_image(path: str | Path, reduction: int = 1) -> np.ndarray:
    """The pixels of an image file.

    Grey becomes RGB, alpha is dropped, 16 bits become 8, and the EXIF orientation is applied, all
    as `cv2.imread` does.

    Args:
        path: the file.
        reduction: 2, 4 or 8 decodes a JPEG at that part of its size, pixel (0, 0) covering the
            first 2, 4 or 8 pixels each way, which takes less time and memory; the decoder
            averages in frequency space, about as `averaged` does, which makes the same of others.

    Returns:
        uint8 (height, width, 3) RGB; sides divided by the reduction, rounded up.

    Raises:
        ZooError: the file is missing, is no image, or ends too early.
    """
    return decode_image(_contents(path), str(path), reduction)


def read_for(
    path: str | Path, target_hw: Sequence[int] | None
) -> tuple[np.ndarray, tuple[int, int]]:
    """The pixels of an image file, at the part of its size that a network input asks for.

    Args:
        path: the file.
        target_hw: height and width of the network input; None for the whole image.

    Returns:
        uint8 (h, w, 3) RGB, see `reduction_for`; and height and width of the whole.

    Raises:
        ZooError: as `read_image`.
    """
    data, where = _contents(path), str(path)
    whole = encoded_size(data, where)
    return decode_image(data, where, reduction_for(whole, target_hw) if target_hw else 1), whole


def decode_image(
    data: bytes, where: str, reduction: int = 1, *, upright: bool = True
) -> np.ndarray:
    """As `read_image`, from the bytes of a file; `where` names them in an error.

    Without `upright` the EXIF orientation is ignored; OpenCV turns a TIFF all the same.
    """
    _refuse_truncated(data, where)
    by_decoder = data.startswith(START)
    flag = REDUCED[reduction if by_decoder else 1] | (0 if upright else IGNORE)
    if data.startswith(TIFF):
        data = _alpha_aside(data)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error:
        image = None
    if image is None:
        raise ZooError(f"{where} is no image that can be decoded; replace or remove it")
    # In place: a second array of that size costs more than the conversion.
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    return image if by_decoder else averaged(image, reduction)


def reduction_for(size_hw: Sequence[int], target_hw: Sequence[int]) -> int:
    """The part at which an image is averaged before it is interpolated to a network input.

    Interpolation looks at two pixels each way: of an image of five times the input it shows every
    fifth pixel, and fine patterns become others. Twice the input is left at least, so that an image
    below four times it stays as it is.

    Args:
        size_hw: height and width of the image, pixels.
        target_hw: of the network input.

    Returns:
        1, 2, 4 or 8.
    """
    spare = min(side / target for side, target in zip(size_hw, target_hw, strict=True)) / HEADROOM
    return max(part for part in REDUCED if part <= max(1, spare))


def averaged(image: np.ndarray, part: int) -> np.ndarray:
    """The means of blocks of `part` × `part` pixels.

    A block that reaches over the right or the lower edge sees the last pixels again, as in a JPEG.

    Returns:
        uint8 (⌈h / part⌉, ⌈w / part⌉, 3).
    """
    if part == 1:
        return image
    h, w = image.shape[:2]
    if h % part or w % part:
        image = cv2.copyMakeBorder(image, 0, -h % part, 0, -w % part, cv2.BORDER_REPLICATE)
    sides = image.shape[1] // part, image.shape[0] // part
    return cv2.resize(image, sides, interpolation=cv2.INTER_AREA)


def image_size(path: str | Path) -> tuple[int, int]:
    """Height and width of an image file as displayed (EXIF orientation applied).

    Reads the header and looks for the end; decodes no pixels (about 0.1 ms).

    Raises:
        ZooError: the file is missing, is no image, or ends too early.
    """
    try:
        with open(path, "rb") as file:
            size = encoded_size(file, str(path))
            ends = _last_bytes(file).rstrip(b"\0").endswith((END, LAST))
    except OSError as error:
        raise ZooError(f"image {path} cannot be read: {error.strerror or error}") from error
    if not ends:
        _refuse_truncated(_contents(path), str(path))
    return size


def encoded_size(
    data: bytes | io.BufferedReader, where: str, *, upright: bool = True
) -> tuple[int, int]:
    """Height and width of an encoded image as `decode_image` gives it, from its header.

    The orientation is what OpenCV takes for it: that of EXIF, if it is 1 to 8. Pillow's own reading
    also looks into XMP, and decodes a PNG before.

    Raises:
        ZooError: it is no image, or has more pixels than Pillow thinks safe (179 millions).
    """
    try:
        with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as image:
            width, height = image.size
            orientation = _exif_orientation(image.info.get("exif", b""))
            if (tags := getattr(image, "tag_v2", None)) is not None:  # a TIFF; some Pillows turn it
                width, height, orientation = (tags.get(t) for t in (WIDTH, HEIGHT, ORIENTATION))
    except Image.DecompressionBombError as error:
        raise ZooError(f"{where} has too many pixels ({error}); make it smaller") from error
    except Exception as error:  # whatever Pillow stumbles over is the file's fault
        raise ZooError(f"{where} is no image that can be decoded; replace or remove it") from error
    return (width, height) if upright and orientation in SWAPPED else (height, width)


def _exif_orientation(exif: bytes) -> int:
    """The orientation in the first directory of EXIF, as OpenCV reads it; 1 if there is none."""
    return _short(exif.removeprefix(b"Exif\0\0"), ORIENTATION)[0] or 1


def _alpha_aside(tiff: bytes) -> bytes:
    """The same TIFF, its alpha declared so that libtiff does not multiply the colours by it."""
    value, place, order = _short(tiff, EXTRA_SAMPLES)
    if value != UNASSOCIATED:
        return tiff
    return tiff[:place] + struct.pack(f"{order}H", ASSOCIATED) + tiff[place + 2 :]


def _short(tiff: bytes, tag: int) -> tuple[int | None, int, str]:
    """A short number in the first directory of a TIFF, its offset, and the order of bytes.

    The number is None where there is no such tag.
    """
    order = "<" if tiff.startswith(b"II") else ">"
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            if struct.unpack_from(f"{order}H", tiff, entry) == (tag,):
                return struct.unpack_from(f"{order}H", tiff, entry + 8)[0], entry + 8, order
    except struct.error:  # it ends before
        pass
    return None, 0, order


def _contents(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ZooError(f"image {path} cannot be read: {error.strerror or error}") from error


def _last_bytes(file: io.BufferedReader, count: int = 64) -> bytes:
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - count))
    return file.read()


def _refuse_truncated(data: bytes, where: str) -> None:
    """A decoder fills the missing rest of a JPEG with grey and says nothing; we do.

    What follows the end (some cameras append a film) does no harm.
    """
    if data.startswith(START) and not _ends(data):
        raise ZooError(f"{where} is a truncated JPEG; replace or remove it")
    if data.startswith(PNG) and LAST not in data:
        raise ZooError(f"{where} is a truncated PNG; replace or remove it")


def _ends(jpeg: bytes) -> bool:
    """Whether the segments of a JPEG lead to its end."""
    position = len(START)
    while marker := MARKER.search(jpeg, position):
        position = marker.end()
        if marker[1] == END[1:]:
            return True
        # Two bytes tell a segment's length, their own included; scans follow their segment.
        position += int.from_bytes(jpeg[position : position + 2])
    return False
