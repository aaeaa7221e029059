import contextlib
import gzip
import hashlib
import http.server
import threading

import pytest

from benchmarks.plan.data import sources
from benchmarks.plan.data.sources import _download

GOOD = gzip.compress(b"digits" * 1000, mtime=0)
NAME = "train-labels-idx1-ubyte.gz"
FILES = {NAME: hashlib.sha256(GOOD).hexdigest()}


STATUSES = {"gone": 404, "broken": 500}
BODIES = {
    "good": GOOD,
    "encodes": GOOD,
    "short": GOOD[:-5],
    "cut": GOOD,
    "flipped": GOOD[:-1] + bytes([GOOD[-1] ^ 1]),
    "html": b"<html>Sign in</html>",
    "long": GOOD + bytes(50_000),
    "twice": gzip.compress(GOOD),
}
PLACES = {
    "elsewhere": "/good/" + NAME,
    "loop": "/loop/" + NAME,
    "to-file": "file:///etc/passwd",
    "to-ftp": "ftp://127.0.0.1/" + NAME,
    "to-nothing": "http://[",
}


class Handler(http.server.BaseHTTPRequestHandler):
    """The first part of the path says how the mirror lies."""

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.server.asked.append(kind)
        if kind in PLACES:
            self.send_response(302)
            self.send_header("Location", PLACES[kind])
            self.end_headers()
        elif kind in ("stalls", "endless"):
            self.go_on_and_on(kind)
        else:
            self.answer(kind)

    def answer(self, kind):
        if kind == "encodes" and "gzip" in self.headers.get("Accept-Encoding", ""):
            kind = "html"
        body = BODIES.get(kind, b"")
        self.send_response(STATUSES.get(kind, 200))
        self.send_header("Content-Length", str(len(body)))
        if kind == "twice":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if kind == "cut" else body)

    def go_on_and_on(self, kind):
        piece, pause_s = (bytes(1 << 16), 0) if kind == "endless" else (b"x", 0.05)
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):  # the other end hung up
            for _ in range(300):  # long enough to be told from an end, and no hang where nothing cuts it off
                if self.server.ending.wait(pause_s):
                    break
                self.wfile.write(piece)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.ending = [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.ending.set()
        server.shutdown()
        thread.join()


def test_a_file_arrives(server, tmp_path):
    _download("mnist", FILES, (server.url + "good/",), tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder" / NAME).read_bytes() == GOOD
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == [NAME]


@pytest.mark.fault(32)
@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("short", "another sha256"),
        ("cut", "broken off (ProtocolError)"),
        ("flipped", "another sha256"),
        ("html", "another sha256"),
        ("empty", "another sha256"),
        ("twice", "another sha256"),
        ("gone", "HTTPError"),
        ("broken", "HTTPError"),
        ("long", "more than 20000 bytes"),
        ("endless", "more than 20000 bytes"),
        ("stalls", "took more than 1.5 s"),
        ("loop", "TooManyRedirects"),
        ("to-file", "InvalidSchema"),
        ("to-ftp", "InvalidSchema"),
        ("to-nothing", "redirects to what is no URL"),
    ],
)
def test_a_lying_mirror_leaves_nothing_behind_and_the_next_is_asked(
    server, tmp_path, refused, monkeypatch, lie, reason
):
    monkeypatch.setattr(sources, "MAX_FILE_BYTES", 20_000)
    if lie == "stalls":
        monkeypatch.setattr(sources, "TOTAL_S", 1.5)
    mirror = f"{server.url}{lie}/"
    refused(lambda: _download("mnist", FILES, (mirror,), tmp_path), mirror, reason, NAME, FILES[NAME], tmp_path)
    assert list(tmp_path.iterdir()) == []
    _download("mnist", FILES, (mirror, server.url + "good/", server.url + "never/"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_bytes() == GOOD
    assert server.asked[-1] == "good"
    assert "never" not in server.asked


def test_a_redirect_to_the_right_file_is_followed(server, tmp_path):
    _download("mnist", FILES, (server.url + "elsewhere/",), tmp_path)
    assert server.asked == ["elsewhere", "good"]


def test_the_server_is_told_not_to_encode(server, tmp_path):
    _download("mnist", FILES, (server.url + "encodes/",), tmp_path)


def test_a_folder_that_cannot_be_made(server, tmp_path, refused):
    (tmp_path / "file").touch()
    refused(lambda: _download("mnist", FILES, (server.url + "good/",), tmp_path / "file" / "mnist"), "Not a directory")


def test_what_arrived_is_kept_and_no_longer_asked_for(server, tmp_path, refused):
    files = FILES | {"t10k-labels-idx1-ubyte.gz": "0" * 64}
    line = refused(lambda: _download("mnist", files, (server.url + "good/",), tmp_path), "another sha256", "0" * 64)
    assert NAME not in line
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.fault(32)
def test_a_closed_port(tmp_path, refused):
    refused(lambda: _download("mnist", FILES, ("http://127.0.0.1:9/",), tmp_path), "127.0.0.1:9", "ConnectionError")
