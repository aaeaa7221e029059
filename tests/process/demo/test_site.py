"""The demo's server as a browser, a stranger's page and a hostile program meet it."""

from __future__ import annotations

import http.client
import io
import json
import socket
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from benchmarks.errors import UsageError
from benchmarks.models.demo.web import FILES, MAX_BYTES, _hosts_of, bound


def picture() -> bytes:
    grey = np.full((112, 112), 255, np.uint8)
    grey[20:90, 50:60] = 0
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "PNG")
    return file.getvalue()


def ask(port, method, path, body=None, **headers):
    """Send one request; return (status, headers, text). A header given as None is not sent."""
    name = f"127.0.0.1:{port}"
    sent = {"Host": name, "Origin": f"http://{name}", **{key.replace("_", "-"): headers[key] for key in headers}}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    for key, value in sent.items():
        if value is not None:
            connection.putheader(key, value)
    if body is not None and "Content_Length" not in headers:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    if body:
        connection.send(body)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize("path", [*FILES, "/state"])
def test_every_answer_has_the_security_headers_and_no_inline_code(server, path):
    status, headers, text = ask(server, "GET", path, Origin=None)
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers
    assert "server" not in headers
    assert "style=" not in text
    assert "onclick=" not in text


def test_a_picture_is_seen_and_read_by_all(server):
    status, _, text = ask(server, "POST", "/digit?page=a", picture())
    seen, *answers = map(json.loads, text.splitlines())
    assert status == 200
    assert len(seen["seen"]) == 1048  # 784 bytes in base64
    assert {answer["framework"] for answer in answers} == {"torch", "jax"}
    assert all(np.argmax(answer["probabilities"]) == 3 for answer in answers)


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", {"Host": "evil.example"}),
        ("GET", "/", {"Host": "127.0.0.1.evil.example"}),
        ("GET", "/", {"Host": "192.0.2.1"}),
        ("GET", "/", {"Host": None}),
        ("GET", "/state", {"Origin": "http://evil.example"}),
        ("POST", "/digit?page=a", {"Origin": "http://evil.example"}),
        ("POST", "/digit?page=a", {"Origin": "http://127.0.0.1:1"}),
        ("POST", "/digit?page=a", {"Origin": "null"}),
        ("POST", "/digit?page=a", {"Origin": None}),
        ("POST", "/digit?page=a", {"Host": "evil.example", "Origin": "http://evil.example"}),
        ("POST", "/restart/torch", {"Origin": "http://evil.example"}),
    ],
)
def test_strangers_are_refused(server, method, path, headers):
    body = picture() if method == "POST" else None
    status, found, text = ask(server, method, path, body, **headers)
    assert status in (400, 403)  # 400: uvicorn's own, for a request without Host
    assert "probabilities" not in text
    assert len(text.splitlines()) == 1
    assert status == 400 or "content-security-policy" in found


def test_hosts_are_this_machines_or_numbers_where_others_may_come():
    near, open_to_all, named = _hosts_of("127.0.0.1"), _hosts_of("0.0.0.0"), _hosts_of("studio.example")  # noqa: S104
    assert near("localhost")
    assert near("127.0.0.1")
    assert near("::1")
    assert not near("192.0.2.1")
    assert open_to_all("192.0.2.1")
    assert not open_to_all("evil.example")
    assert named("studio.example")
    assert not named("evil.example")


def bomb() -> bytes:
    """A PNG of 100 megapixels that are never there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "empty file"),
        (b"<script>alert(1)</script>", 422, "not a PNG or JPEG"),
        (bomb(), 422, "megapixels"),
        (picture()[:100], 422, "damaged"),
        (b"x" * (2 << 20), 413, "more than 1 MiB"),
    ],
    ids=["nothing", "text", "bomb", "cut", "2 MB"],
)
def test_hostile_uploads_get_one_line(server, body, status, words):
    found, _, text = ask(server, "POST", "/digit?page=a", body)
    assert found == status
    assert words in json.loads(text)["error"]
    assert ask(server, "POST", "/digit?page=a", picture())[0] == 200


def test_a_body_without_end_is_cut_off_whatever_it_claims(server):
    with socket.create_connection(("127.0.0.1", server), timeout=20) as connection:
        name = f"127.0.0.1:{server}"
        head = ["POST /digit?page=a HTTP/1.1", f"Host: {name}", f"Origin: http://{name}", "Transfer-Encoding: chunked"]
        connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
        for _ in range(MAX_BYTES // 65536 + 1):
            connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert b" 413 " in connection.recv(1000)


@pytest.mark.parametrize(
    "path", ["/../page.html", "/%2e%2e/queue.py", "/queue.py", "/page.css/", "//etc/passwd", "/restart/x"]
)
def test_no_path_reaches_a_file(server, path):
    status, _, text = ask(server, "POST" if "restart" in path else "GET", path)
    assert status in (307, 404)
    assert "import" not in text


@pytest.mark.parametrize("page", ["", "a b".replace(" ", "%20"), "x" * 17, "..%2f"])
def test_a_page_has_a_name(server, page):
    assert ask(server, "POST", f"/digit?page={page}", picture())[0] == 400


def test_fifty_requests_at_once_are_all_answered(server):
    with ThreadPoolExecutor(50) as pool:
        asked = [pool.submit(ask, server, "POST", f"/digit?page={number}", picture()) for number in range(50)]
        answers = [future.result() for future in asked]
    for status, _, text in answers:
        assert status == 200
        assert sum("probabilities" in line for line in text.splitlines()) == 2


def test_a_port_in_use_is_one_line(server):
    with pytest.raises(UsageError, match=f"port {server} is in use; give another with --port"):
        bound("127.0.0.1", server)
