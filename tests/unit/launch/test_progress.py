"""Lines of progress: taken whole, in order, and held to what an epoch's figures can be."""

from __future__ import annotations

import json

import pytest

from benchmarks.launch import process
from benchmarks.launch.outcome import AnswerInvalid

EPOCH = {"epoch": 1, "train_loss": 0.5, "accuracy": 0.9, "loss": 0.4, "seconds": 2}


def taken(*parts):
    """Return what was reported of bytes that come in parts, and what is left as the answer."""
    heard, said = [], bytearray()
    lines = process.ProgressLines(heard.append)
    for part in parts:
        said += part
        lines.take(said)
    return heard, bytes(said)


def test_lines_are_taken_whole_and_the_answer_is_left():
    content = b"".join(json.dumps({**EPOCH, "epoch": number}).encode() + b"\n" for number in (1, 2, 3))
    for cut in range(len(content)):
        heard, left = taken(content[:cut], content[cut:], b'{"status"')
        assert [figures["epoch"] for figures in heard] == [1, 2, 3]
        assert left == b'{"status"'


BAD = {
    "no JSON": b"{",
    "no UTF-8": b'{"epoch": "\xff"}',
    "no object": b"[1]",
    "deep": b"[" * 400,
    "long": json.dumps({**EPOCH, "seconds": 1}).encode() + b" " * 600,
    "NaN": json.dumps({**EPOCH, "loss": float("nan")}).encode(),
    "infinite": json.dumps(EPOCH).replace("0.4", "1e999").encode(),
    "a key twice": json.dumps(EPOCH)[:-1].encode() + b', "epoch": 2}',
    "a key too many": json.dumps({**EPOCH, "more": 1}).encode(),
    "a key too few": b'{"epoch": 1}',
    "no epoch": json.dumps({**EPOCH, "epoch": 0}).encode(),
    "a text": json.dumps({**EPOCH, "accuracy": "0.9"}).encode(),
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_line_is_refused_and_not_reported(bad):
    heard = []
    with pytest.raises(AnswerInvalid, match="a line of progress"):
        process.ProgressLines(heard.append).take(bytearray(BAD[bad] + b"\n"))
    assert heard == []


def test_there_is_an_end_to_lines(monkeypatch):
    monkeypatch.setattr(process, "MAX_LINES", 2)
    line = json.dumps(EPOCH).encode() + b"\n"
    with pytest.raises(AnswerInvalid, match="more than 2 lines"):
        taken(line * 3)
