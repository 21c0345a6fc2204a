import hashlib
import http.server
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from zoo import download
from zoo.download import cache_directory, fetch
from zoo.errors import ZooError

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = {"filename": "toy.weights", "size": len(CONTENT), "sha256": SHA256}


class Server(http.server.ThreadingHTTPServer):
    """Serves `CONTENT` on the loopback device, well or badly.

    `cut`: bytes after which each answer breaks off; `ranges`: whether Range is understood.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.status, self.kind = CONTENT, 200, "application/octet-stream"
        self.cut, self.ranges, self.declare_length, self.reset = None, True, True, False
        self.length = None  # declared instead of the true one
        self.location = None  # to which each request is redirected
        self.delay = 0.0  # seconds before each answer
        self.requests = []  # the Range header of each request
        self.url = f"http://127.0.0.1:{self.server_address[1]}/files/toy.weights"

    def handle_error(self, request, client_address):
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.requests.append(wanted)
        time.sleep(server.delay)
        if server.location:
            self.send_response(302)
            self.send_header("Location", server.location)
            self.end_headers()
            return
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and server.ranges else 0
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            last = len(server.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        self.send_header("Content-Type", server.kind)
        if server.declare_length:
            self.send_header("Content-Length", server.length or str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cut])
        if server.reset:  # SO_LINGER 0: the connection ends with RST, not FIN
            self.wfile.flush()
            time.sleep(0.05)  # what was sent arrives; a reset drops what is still under way
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZOO_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a socket was about to be opened")

    monkeypatch.setattr("socket.socket.connect", refuse)


DEAD = "http://127.0.0.1:9/toy.weights"  # the discard port: nobody listens


def partial(cache):
    return cache / f"toy.weights.{SHA256[:8]}.part"


# === Good days ===


def test_downloads_once_and_is_offline_afterwards(server, cache, monkeypatch):
    path = fetch(server.url, **FILE)
    assert path == cache / "toy.weights" and path.read_bytes() == CONTENT
    assert not partial(cache).exists()
    monkeypatch.setattr(download, "urlopen", None)  # a second request would fail
    assert fetch(server.url, **FILE) == path
    assert server.requests == [None]


def test_cache_needs_no_socket_and_no_right_to_write(cache, no_network):
    cache.mkdir()
    (cache / "toy.weights").write_bytes(CONTENT)
    fetch(DEAD, **FILE)
    assert sorted(os.listdir(cache)) == ["toy.weights"]  # no lock, no partial file


def test_resumes_where_a_killed_download_ended(server, cache):
    cache.mkdir()
    partial(cache).write_bytes(CONTENT[:100_000])
    assert fetch(server.url, **FILE).read_bytes() == CONTENT
    assert server.requests == ["bytes=100000-"]


def test_starts_again_where_the_server_knows_no_ranges(server, cache):
    server.ranges = False
    cache.mkdir()
    partial(cache).write_bytes(b"?" * 100_000)
    assert fetch(server.url, **FILE).read_bytes() == CONTENT


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_goes_on_by_itself_after_each_cut(server, reset):
    server.cut, server.reset = 100_000, reset
    assert fetch(server.url, **FILE).read_bytes() == CONTENT
    if not reset:  # a reset may lose bytes that were under way
        assert server.requests == [None, "bytes=100000-", "bytes=200000-"]


def test_a_complete_partial_file_needs_no_request(cache, no_network):
    cache.mkdir()
    partial(cache).write_bytes(CONTENT)
    assert fetch(DEAD, **FILE).read_bytes() == CONTENT


def test_a_length_need_not_be_declared(server):
    server.declare_length = False
    assert fetch(server.url, **FILE).read_bytes() == CONTENT


def test_replaces_a_spoilt_file_of_the_cache(server, cache):
    cache.mkdir()
    (cache / "toy.weights").write_bytes(b"?" * len(CONTENT))
    assert fetch(server.url, **FILE).read_bytes() == CONTENT


FETCH = """
import sys
from zoo.download import fetch
print(fetch(sys.argv[1], filename="toy.weights", size=int(sys.argv[2]), sha256=sys.argv[3]))
"""


def test_processes_race_safely(server, cache):
    server.cut, server.delay = 50_000, 0.2  # six answers, so that the race lasts a second
    command = [sys.executable, "-c", FETCH, server.url, str(len(CONTENT)), SHA256]
    racers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for racer in racers:
        output, errors = racer.communicate(timeout=60)
        assert racer.returncode == 0, errors
        assert Path(output.strip()).read_bytes() == CONTENT
    assert len(server.requests) == 6  # one of them downloaded
    assert not partial(cache).exists()


# === Bad days ===


@pytest.mark.parametrize(
    "spoil, message",
    [
        pytest.param(
            dict(content=CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])),
            "sent has sha256",
            id="one byte is another",
        ),
        pytest.param(dict(content=CONTENT + b"?"), "300,001 bytes of appl", id="one byte long"),
        pytest.param(dict(content=CONTENT[:-1]), "299,999 bytes of appl", id="one byte short"),
        pytest.param(
            dict(content=CONTENT + b"?", declare_length=False),
            "more than the 300,000",
            id="long, length not declared",
        ),
        pytest.param(
            dict(content=b"<html>", kind="text/html"), "6 bytes of text/html", id="a web page"
        ),
        pytest.param(
            dict(content=b"<html>", kind="text/html", declare_length=False),
            "web page, not with toy",
            id="a web page, length not declared",
        ),
        pytest.param(dict(length="abc"), "Content-Length 'abc', which is no", id="no length"),
        pytest.param(dict(status=404), "HTTP 404", id="404"),
        pytest.param(dict(status=403), "HTTP 403", id="403"),
        pytest.param(dict(status=500), "HTTP 500", id="500"),
        pytest.param(dict(location="http://[::1/x"), "malformed address: .*IPv6", id="half IPv6"),
        pytest.param(dict(location="http://a..b/x"), "malformed address: .*label", id="no host"),
        pytest.param(dict(cut=0), "connection was cut", id="cut before the first byte"),
        pytest.param(dict(content=b"", declare_length=False), "was cut", id="nothing"),
    ],
)
def test_bad_answers(server, cache, spoil, message):
    vars(server).update(spoil)
    with pytest.raises(ZooError, match=message) as caught:
        fetch(server.url, **FILE)
    assert server.url in str(caught.value)
    assert not (cache / "toy.weights").exists()
    vars(server).update(vars(Fresh()))
    assert fetch(server.url, **FILE).read_bytes() == CONTENT  # nothing bad was kept


class Fresh:
    """The behaviour of a good server."""

    def __init__(self):
        self.content, self.status, self.kind = CONTENT, 200, "application/octet-stream"
        self.cut, self.declare_length, self.length, self.location = None, True, None, None


def test_what_came_before_a_failure_is_kept(server, cache):
    server.cut = 100_000
    cache.mkdir()
    server.content = CONTENT[:100_000]
    server.declare_length = False
    with pytest.raises(ZooError, match="not available"):
        fetch(server.url, **FILE)
    assert partial(cache).read_bytes() == CONTENT[:100_000]


def test_a_silent_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    monkeypatch.setattr(Handler, "do_GET", lambda self: threading.Event().wait(1))
    with pytest.raises(ZooError, match="timed out"):
        fetch(server.url, **FILE)


def test_offline_tells_what_to_put_where(cache):
    with pytest.raises(ZooError) as caught:
        fetch(DEAD, **FILE)
    for fact in (DEAD, "toy.weights", SHA256, "300000", str(cache / "toy.weights"), "refused"):
        assert fact in str(caught.value)


def test_offline_names_the_wrong_file_in_the_cache(cache):
    cache.mkdir()
    (cache / "toy.weights").write_bytes(b"put here by hand")
    with pytest.raises(ZooError, match="the file there now has 16 bytes, not 300,000"):
        fetch(DEAD, **FILE)


def test_a_cache_that_cannot_be_written(server, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ZooError, match=r"cannot be written.*ZOO_CACHE"):
        fetch(server.url, **FILE)


@pytest.mark.parametrize("filename", ["../toy", "/etc/toy", "", ".."])
def test_a_filename_stays_in_the_cache(filename):
    with pytest.raises(ZooError, match="plain name"):
        fetch(DEAD, filename=filename, size=1, sha256=SHA256)


def test_only_http(tmp_path):
    with pytest.raises(ZooError, match="not an http"):
        fetch(f"file://{tmp_path}/toy.weights", **FILE)


# === Mirrors ===


@pytest.mark.parametrize(
    "mirror, message",
    [("http://127.0.0.1:9/ü", "ü/toy.weights is not ASCII"), ("http://[::1", "is not an http")],
)
def test_a_mirror_that_is_no_address_is_named(mirror, message, monkeypatch):
    monkeypatch.setenv("ZOO_MIRROR", mirror)
    with pytest.raises(ZooError, match=message):
        fetch(DEAD, **FILE)


def test_a_directory_is_asked_first_and_read_in_place(tmp_path, monkeypatch, cache, no_network):
    monkeypatch.setenv("ZOO_MIRROR", str(tmp_path))
    (tmp_path / "toy.weights").write_bytes(CONTENT)
    assert fetch(DEAD, **FILE) == tmp_path / "toy.weights"
    assert not cache.exists()


def test_a_digest_in_capitals_is_the_same(tmp_path, monkeypatch, no_network):
    monkeypatch.setenv("ZOO_MIRROR", str(tmp_path))
    (tmp_path / "toy.weights").write_bytes(CONTENT)
    assert fetch(DEAD, **FILE | {"sha256": SHA256.upper()}) == tmp_path / "toy.weights"


def test_a_wrong_file_in_a_mirror_is_refused(tmp_path, monkeypatch, server):
    monkeypatch.setenv("ZOO_MIRROR", str(tmp_path))
    (tmp_path / "toy.weights").write_bytes(b"?" * len(CONTENT))
    with pytest.raises(ZooError, match="ZOO_MIRROR has sha256"):
        fetch(server.url, **FILE)


def test_a_mirror_without_the_file_is_passed_over(tmp_path, monkeypatch, server):
    monkeypatch.setenv("ZOO_MIRROR", str(tmp_path))
    assert fetch(server.url, **FILE).read_bytes() == CONTENT


def test_a_mirror_on_the_net(server, cache, monkeypatch):
    monkeypatch.setenv("ZOO_MIRROR", server.url.removesuffix("/toy.weights") + "/")
    assert fetch(DEAD, **FILE) == cache / "toy.weights"
    assert server.requests == [None]


def test_a_dead_mirror_is_passed_over_and_named(monkeypatch, server):
    monkeypatch.setenv("ZOO_MIRROR", DEAD.removesuffix("/toy.weights"))
    assert fetch(server.url, **FILE).read_bytes() == CONTENT
    os.unlink(cache_directory() / "toy.weights")
    server.status = 404
    with pytest.raises(ZooError, match=r"refused.*; .*HTTP 404"):
        fetch(server.url, **FILE)
