import gzip
import hashlib
import http.server
import threading

import pytest

from benchmarks.datasets import download as module
from benchmarks.datasets.download import download

GOOD = gzip.compress(b"digits" * 1000, mtime=0)
NAME = "train-labels-idx1-ubyte.gz"
FILES = {NAME: hashlib.sha256(GOOD).hexdigest()}


class Handler(http.server.BaseHTTPRequestHandler):
    """The first part of the path says how the mirror lies."""

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.server.asked.append(self.path)
        if kind == "encodes" and "gzip" in self.headers.get("Accept-Encoding", ""):
            kind = "html"
        body = {"good": GOOD, "encodes": GOOD, "short": GOOD[:-5], "cut": GOOD, "html": b"<html>Sign in</html>"}
        body = body.get(kind, b"") if kind != "long" else GOOD + bytes(50_000)
        self.send_response({"gone": 404, "broken": 500}.get(kind, 200))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if kind == "cut" else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        server.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_file_arrives(server, tmp_path):
    download("mnist", FILES, (server.url + "good/",), tmp_path / "new" / "folder")
    assert (tmp_path / "new" / "folder" / NAME).read_bytes() == GOOD
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == [NAME]


@pytest.mark.parametrize("lie", ["short", "cut", "html", "empty", "gone", "broken", "long"])
def test_a_lying_mirror_leaves_nothing_behind_and_the_next_is_asked(server, tmp_path, refused, monkeypatch, lie):
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 20_000)
    mirror = f"{server.url}{lie}/"
    refused(lambda: download("mnist", FILES, (mirror,), tmp_path), mirror, NAME, FILES[NAME], tmp_path)
    assert list(tmp_path.iterdir()) == []
    download("mnist", FILES, (mirror, server.url + "good/", server.url + "never/"), tmp_path)
    assert (tmp_path / NAME).read_bytes() == GOOD
    assert server.asked == [f"/{lie}/{NAME}", f"/{lie}/{NAME}", f"/good/{NAME}"]


def test_a_mirror_that_never_stops_is_cut_off(server, tmp_path, refused, monkeypatch):
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 20_000)
    refused(lambda: download("mnist", FILES, (server.url + "long/",), tmp_path), "more than 20000 bytes")


def test_the_server_is_told_not_to_encode(server, tmp_path):
    download("mnist", FILES, (server.url + "encodes/",), tmp_path)


def test_a_folder_that_cannot_be_made(server, tmp_path, refused):
    (tmp_path / "file").touch()
    refused(lambda: download("mnist", FILES, (server.url + "good/",), tmp_path / "file" / "mnist"), "Not a directory")


def test_what_arrived_is_kept_and_no_longer_asked_for(server, tmp_path, refused):
    files = FILES | {"t10k-labels-idx1-ubyte.gz": "0" * 64}
    line = refused(lambda: download("mnist", files, (server.url + "good/",), tmp_path), "another sha256", "0" * 64)
    assert NAME not in line
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_closed_port(tmp_path, refused):
    refused(lambda: download("mnist", FILES, ("http://127.0.0.1:9/",), tmp_path), "127.0.0.1:9", "ConnectionError")
