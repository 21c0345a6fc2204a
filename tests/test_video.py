"""Videos are read frame by frame, cameras by their newest, and what is written keeps time."""

import os
import threading
import time

import cv2
import numpy as np
import pytest
from brightness import Brightness

from zoo.detect import _video
from zoo.errors import ZooError
from zoo.inference import detect, detect_all
from zoo.video import Frame, Video, Writer, is_video


def grey(value, size=(32, 48)):
    return np.full((*size, 3), value, np.uint8)


def clip(path, *greys, fps=10.0):
    with Writer(path, fps) as writer:
        for number, value in enumerate(greys):
            writer.write(Frame(grey(value), number / fps))
    return path


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        ("a.mp4", True), ("A.MOV", True), ("rtsp://host/1", True), (0, True), ("a.jpg", False),
        ("folder", False), (True, False), (["a.mp4"], False), (None, False),
    ],
)  # fmt: skip
def test_a_video_is_known_by_its_suffix_its_scheme_or_its_number(source, is_one):
    assert is_video(source) is is_one


def test_a_file_gives_every_frame_and_its_time(tmp_path):
    video = Video(clip(tmp_path / "a.mp4", *range(0, 200, 20)))
    assert (video.live, video.count, video.fps) == (False, 10, 10.0)
    frames = list(video)
    means = [frame.image.mean() for frame in frames]
    assert np.allclose(means, range(0, 200, 20), atol=4)  # of what MPEG-4 leaves
    assert np.allclose([frame.seconds for frame in frames], np.arange(10) / 10)


def test_colours_are_red_green_blue(tmp_path):
    red = grey(0)
    red[..., 0] = 250
    with Writer(tmp_path / "a.mp4", 10.0) as writer:
        writer.write(Frame(red, 0.0))
    (frame,) = Video(tmp_path / "a.mp4")
    assert np.allclose(frame.image.mean(axis=(0, 1)), [250, 0, 0], atol=6)


def test_what_is_written_keeps_the_time_of_its_source(tmp_path):
    times = [(0.0, 20), (0.1, 100), (0.5, 180), (0.52, 240)]  # of a rate that changes
    with Writer(tmp_path / "a.mp4", 10.0) as writer:
        for seconds, value in times:
            writer.write(Frame(grey(value), seconds))
    means = [frame.image.mean() for frame in Video(tmp_path / "a.mp4")]
    assert np.allclose(means, [20, 100, 100, 100, 100, 180], atol=4)


def test_a_stream_that_changes_its_size_stays_one_video(tmp_path):
    with Writer(tmp_path / "a.mp4", 10.0) as writer:
        writer.write(Frame(grey(20), 0.0))
        writer.write(Frame(grey(100, size=(64, 64)), 0.1))
    shapes = [frame.image.shape for frame in Video(tmp_path / "a.mp4")]
    assert shapes == [(32, 48, 3)] * 2


def test_every_frame_is_a_picture_to_detect(tmp_path):
    file = clip(tmp_path / "a.mp4", 0, 51, 102)
    names, found = zip(*detect(Brightness(), file, batch_size=2), strict=True)
    assert names == ("frame 0", "frame 1", "frame 2")
    assert np.allclose([one.confidence[0] for one in found], [0, 0.2, 0.4], atol=0.02)
    assert len(detect_all(Brightness(), str(file), {})) == 3


def test_frames_of_ones_own_are_read_as_they_are_asked_for():
    asked = []

    def frames():
        for number in range(100):
            asked.append(number)
            yield grey(number)

    results = detect(Brightness(), frames(), read_ahead=False)
    assert next(results)[0] == "frame 0"
    assert asked == [0]


def test_a_frame_that_is_none_is_refused():
    with pytest.raises(ZooError, match=r"an image array is uint8 \(height, width, 3\), not float"):
        list(detect(Brightness(), iter([grey(0), np.zeros((2, 2, 3))])))


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("none.mp4", "source .*none.mp4': no video there"),
        ("bad.mp4", "bad.mp4 is no video that can be opened"),
    ],
)
def test_what_cannot_be_opened_is_said(source, sentence, tmp_path, capfd):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(ZooError, match=sentence):
        list(detect(Brightness(), tmp_path / source))
    assert capfd.readouterr().err == ""


def test_a_video_among_pictures_is_told_to_go_alone(tmp_path):
    file = clip(tmp_path / "a.mp4", 0)
    with pytest.raises(ZooError, match=r"a.mp4 is a video; give it alone"):
        list(detect(Brightness(), f"{tmp_path}/*"))
    with pytest.raises(ZooError, match=r"a.mp4 is a video; give it alone"):
        list(detect(Brightness(), [file, grey(0)]))


class Camera:
    """Stands in for `cv2.VideoCapture`: frames 0, 1, … while there are permits, then none."""

    def __init__(self, source):
        self.permits, self.asked, self.sent, self.end = threading.Semaphore(0), 0, 0, False
        Camera.last = self

    def isOpened(self):
        return True

    def get(self, key):
        return {cv2.CAP_PROP_FRAME_COUNT: -1.0, cv2.CAP_PROP_FPS: 90000.0}[key]

    def read(self):
        self.asked += 1
        self.permits.acquire()
        return (False, None) if self.end else (True, grey(self.asked - 1))

    def release(self):
        self.released = True

    def sends(self, number):
        self.permits.release(number)
        self.sent += number
        deadline = time.monotonic() + 10
        while self.asked <= self.sent:  # the one before was handed over
            assert time.monotonic() < deadline
            time.sleep(0.001)


@pytest.fixture
def camera(monkeypatch):
    monkeypatch.setattr(cv2, "VideoCapture", Camera)


def test_of_a_camera_the_newest_frame_is_taken(camera):
    video = Video(0)
    assert (video.live, video.count, video.fps, video.name) == (True, None, 25.0, "camera 0")
    frames, sender = iter(video), Camera.last
    sender.permits.release()
    assert next(frames).image[0, 0, 0] == 0
    sender.sent = 1
    sender.sends(6)
    assert next(frames).image[0, 0, 0] == 6
    sender.end = True
    sender.permits.release()
    assert next(frames, None) is None
    assert sender.released


def test_a_camera_that_sends_nothing_is_not_waited_for(camera, monkeypatch):
    monkeypatch.setattr("zoo.video.PATIENCE", 0.1)
    with pytest.raises(ZooError, match="camera 0 has sent nothing for 0 seconds"):
        next(iter(Video(0)))


def test_what_has_no_end_is_no_list(camera):
    with pytest.raises(ZooError, match=r"camera 3 has no end; zoo.inference.detect"):
        detect_all(Brightness(), 3, {})


@pytest.mark.parametrize("kept", [0, 40], ids=["nothing", "a part"])
def test_a_video_that_is_not_written_whole_is_told(tmp_path, kept):
    """As on a full disk, of which OpenCV says nothing."""
    told = pytest.raises(ZooError, match=r"a.mp4 cannot be written whole; is the disk full")
    with told, Writer(tmp_path / "a.mp4", 10.0) as writer:
        writer.write(Frame(grey(0), 0.0))
        writer._writer.release()
        os.truncate(tmp_path / "a.mp4", kept)


class Pressed(Brightness):
    """At the third picture somebody presses Ctrl-C."""

    def predict_on_batch(self, inputs):
        if len(self.shapes) == 2:
            raise KeyboardInterrupt
        return super().predict_on_batch(inputs)


def test_ctrl_c_is_the_end_of_a_camera_and_stops_a_file(tmp_path, monkeypatch, capsys):
    video = Video(clip(tmp_path / "a.mp4", *range(0, 200, 20)))
    with pytest.raises(KeyboardInterrupt):
        _video(Pressed(), video, tmp_path, None, {})
    frames = list(Video(tmp_path / "a.mp4"))
    monkeypatch.setattr(video, "live", True)
    monkeypatch.setattr(video, "_newest", lambda: iter(frames))
    _video(Pressed(), video, tmp_path, None, {})
    assert "2 frames; a in 2" in capsys.readouterr().out
    assert len((tmp_path / "detections.jsonl").read_text().splitlines()) == 2
    assert Video(tmp_path / "detections.mp4").count == 2


def test_a_file_that_ends_before_it_says_is_told(tmp_path, capsys):
    video = Video(clip(tmp_path / "a.mp4", 0, 50))
    video.count = 5
    _video(Brightness(), video, tmp_path, None, {})
    assert "a.mp4 ends after 2 of 5 frames" in capsys.readouterr().err
