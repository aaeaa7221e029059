"""What a worker's answer must be, task by task, before anything is done with it: a framework is not trusted.

Strict JSON in UTF-8: no key twice, no NaN, numbers within their columns' bounds, nothing that is not a worker's to say.

How a launch ended: what an exit code, an answer and the printed lines say, put into one status and one reason.
"""

from __future__ import annotations

import json
import re
import signal
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from benchmarks.machine.memory import MemoryWatch
from benchmarks.record.schema import BY_NAME, TASKS
from benchmarks.record.values import loads, text
from benchmarks.worker.libraries import aborted
from benchmarks.worker.protocol import ANSWERS
from benchmarks.worker.validate import mistake, shown

Answer = dict[str, Any]

STATUSES = ("ok", "unsupported", "failed", "oom", "nan", "invalid")  # the others are for the harness to say


class AnswerInvalid(ValueError):
    """An answer is none; the message goes on after `the worker's answer`."""


def read(answer: bytes, task: str, largest_bytes: int = 1 << 19) -> Answer:
    """Return what the bytes say, with `status` and `reason`; AnswerInvalid says what is wrong with them."""
    try:
        said = loads(answer)
    except ValueError as error:
        raise AnswerInvalid(f"cannot be read: {error}") from None
    if not isinstance(said, dict) or not text(said.get("reason")) or said.get("status") not in STATUSES:
        raise AnswerInvalid(f"cannot be read: it has no reason, or no status out of {', '.join(STATUSES)}")
    if len(json.dumps(said)) > largest_bytes:  # as it would be written: what is no ASCII takes six times the room
        raise AnswerInvalid(f"is longer than {largest_bytes} bytes")
    if wrong := mistake(ANSWERS[task], said, partial=said["status"] != "ok"):
        raise AnswerInvalid(wrong)
    if task in TASKS:
        _check_columns(said)
    return said


def _check_columns(said: Answer) -> None:
    """Hold an answer to the bounds of its columns; AnswerInvalid names the first that is outside."""
    for name, value in said.items():
        column = BY_NAME[name]
        if value is not None and not column.check(value):
            raise AnswerInvalid(f"has no valid {name!r}: {shown(value)} ({column.meaning})")


MAX_ANSWER_BYTES = 512 << 10  # half of what a line of results may have
KEPT_OUTPUT_CHARACTERS = 16 << 10
MAX_REASON_CHARACTERS = 1000
FATAL = re.compile(r"^Fatal Python error: (.*)$", re.MULTILINE)  # what faulthandler begins with
CURRENT = re.compile(r"^(?:Current thread|Thread) .*\(most recent call first\):\n((?:  File .*\n?)*)", re.MULTILINE)
FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)')
FRAMES = 3


@dataclass(frozen=True)
class Outcome:
    """How a launch ended: `answer` is what the worker said, None unless it was read; `signal` what ended it."""

    status: str
    reason: str
    answer: dict[str, Any] | None
    output: str
    signal: int = 0

    def explained(self, watch: MemoryWatch) -> Outcome:
        """Return this ending as `oom` if the kernel says so.

        In a group of the worker's own any kill explains a bad end; in one that it shares, its own SIGKILL alone.
        """
        its_own = bool(watch.limit) and self.status not in ("ok", "timeout")
        if (its_own or self.signal == signal.SIGKILL) and (evidence := watch.killed()):
            return replace(self, status="oom", reason=evidence, answer=None)
        return self


def decoded(printed: bytes | bytearray) -> str:
    """Return the end of what a worker printed; bytes that are no UTF-8 are replaced."""
    return printed[-KEPT_OUTPUT_CHARACTERS:].decode(errors="replace")


def judge(code: int, answer: bytes, output: str, task: str) -> Outcome:
    """Turn an exit code and an answer into an ending; `task` is what the worker was asked."""
    last = (output.strip().splitlines()[-1:] or ["it printed nothing"])[0]
    if code < 0:
        no_memory = code == -signal.SIGABRT and aborted(output)
        status, why = ("oom", "nobody caught std::bad_alloc; ") if no_memory else ("crashed", "")
        reason = f"ended by {_name(-code)}; {why}{_fault(output) or last}"
        return Outcome(status, reason[:MAX_REASON_CHARACTERS], None, output, -code)
    if code > 0:
        return Outcome("failed", f"worker exited with {code}: {last}"[:MAX_REASON_CHARACTERS], None, output)
    if len(answer) > MAX_ANSWER_BYTES:
        return Outcome("invalid", f"the worker's answer is longer than {MAX_ANSWER_BYTES} bytes", None, output)
    try:
        said = read(answer, task, MAX_ANSWER_BYTES)
    except AnswerInvalid as error:
        return Outcome("invalid", f"the worker's answer {error}"[:MAX_REASON_CHARACTERS], None, output)
    return Outcome(said.pop("status"), said.pop("reason")[:MAX_REASON_CHARACTERS], said, output)


def _name(number: int) -> str:
    """Return a signal's name; real-time signals have numbers alone."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def _fault(output: str) -> str:
    """Return in one line what faulthandler wrote at the end: the error and where Python was, innermost call first."""
    fatal = list(FATAL.finditer(output))
    if not fatal:
        return ""
    stack = CURRENT.search(output, fatal[-1].end())
    frames = [FRAME.fullmatch(line) for line in stack[1].splitlines()[:FRAMES]] if stack else []
    places = [f"{PurePath(frame['file']).name}:{frame['line']} in {frame['name']}" for frame in frames if frame]
    return " < ".join([fatal[-1][0], *places])
