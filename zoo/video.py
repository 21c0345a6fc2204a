"""Frames of a video, a camera or a stream, and the video that is written of them."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from zoo.errors import ZooError

SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv")
#: Frames a second where a source tells none, or one that cannot be.
USUAL_FPS, LARGEST_FPS = 25.0, 240.0
#: How long a source that has no end may send nothing, seconds.
PATIENCE = 30.0
# FFmpeg says in lines what is said here in a sentence; it looks once, when OpenCV first needs it.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


class Frame(NamedTuple):
    """A picture of a video, RGB uint8 (height, width, 3), and when it is shown, in seconds."""

    image: np.ndarray
    seconds: float


def is_video(source: Any) -> bool:
    """Whether a source is a video by its suffix, an address (`rtsp://…`), or a camera's number."""
    if isinstance(source, int) and not isinstance(source, bool):
        return True
    if not isinstance(source, str | os.PathLike):
        return False
    return "://" in str(source) or Path(source).suffix.lower() in SUFFIXES


class Video:
    """The frames of a video, in order, once.

    A camera and a stream go on without us: of them a frame is the one that came last, whatever came
    while nobody asked. A file waits.

    Args:
        source: a file, an address that FFmpeg knows, or the number of a camera, as in `is_video`.

    Attributes:
        live: it has no end.
        count: frames that a file is said to have; None of what is live.
        fps: frames a second.

    Raises:
        ZooError: it cannot be opened. A file that breaks off ends there; see `count`.
    """

    def __init__(self, source: Any):
        import cv2

        self.name = f"camera {source}" if isinstance(source, int) else str(source)
        if self.name == str(source) and "://" not in self.name and not Path(source).is_file():
            raise ZooError(f"source {self.name!r}: no video there")
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            self._capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            raise ZooError(f"{self.name} is no video that can be opened")
        number = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.live = not number > 0
        self.count = None if self.live else int(number)
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 1 <= fps <= LARGEST_FPS else USUAL_FPS

    def __iter__(self) -> Iterator[Frame]:
        return self._newest() if self.live else self._every()

    def _every(self) -> Iterator[Frame]:
        import cv2

        try:
            number = 0
            while (image := self._read()) is not None:
                seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                # Some containers keep no time.
                yield Frame(image, seconds if seconds > 0 else number / self.fps)
                number += 1
        finally:
            self._capture.release()

    def _newest(self) -> Iterator[Frame]:
        came, over = threading.Condition(), threading.Event()
        newest: list[Frame | None] = []  # one, until it is taken; None is the end
        start = time.monotonic()

        def read() -> None:
            image = self._read()
            while image is not None and not over.is_set():
                with came:
                    newest[:] = [Frame(image, time.monotonic() - start)]
                    came.notify()
                image = self._read()
            with came:
                newest[:] = [None]
                came.notify()
            self._capture.release()

        reader = threading.Thread(target=read, name="zoo-camera", daemon=True)
        reader.start()
        try:
            while True:
                with came:
                    if not came.wait_for(lambda: newest, timeout=PATIENCE):
                        raise ZooError(f"{self.name} has sent nothing for {PATIENCE:.0f} seconds")
                    frame = newest.pop()
                if frame is None:
                    return
                yield frame
        finally:
            over.set()
            reader.join(timeout=PATIENCE)

    def _read(self) -> np.ndarray | None:
        import cv2

        done, image = self._capture.read()
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if done else None


class Writer:
    """An MP4 file, MPEG-4 Part 2, in which a frame is shown when its source showed it.

    Frames come at one rate in it: one may be repeated, or left out, where the source's come at
    another.

    Args:
        path: the file; it is made with the first frame.
        fps: frames a second.
    """

    def __init__(self, path: Path, fps: float):
        self.path, self.fps = path, fps
        self._writer: Any = None
        self._written = 0
        self._last: Any = None

    def __enter__(self) -> Writer:
        return self

    def write(self, frame: Frame) -> None:
        """Show a frame from its time on.

        Raises:
            ZooError: the file cannot be written.
        """
        import cv2

        height, width = frame.image.shape[:2]
        if self._writer is None:
            kind = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(self.path), kind, self.fps, (width, height))
            if not self._writer.isOpened():
                raise ZooError(f"{self.path} cannot be written")
            self._size = (width, height)
        image = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
        if (width, height) != self._size:  # a stream may change it, a file cannot
            image = cv2.resize(image, self._size)
        due = math.floor(frame.seconds * self.fps + 0.5)
        while self._written <= due:
            self._writer.write(image if self._written == due or self._last is None else self._last)
            self._written += 1
        self._last = image

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if error is not None:
            return
        # OpenCV tells nobody that a disk is full.
        try:
            count = Video(self.path).count
        except ZooError:
            count = None
        if count != self._written:
            raise ZooError(f"{self.path} cannot be written whole; is the disk full?")
