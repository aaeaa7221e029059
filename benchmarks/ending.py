"""How a launch ended: what an exit code, an answer and the printed lines say, put into one status and one reason."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from benchmarks import answers
from benchmarks.memory import Watch
from benchmarks.out_of_memory import aborted

MAX_ANSWER_BYTES = 512 << 10  # half of what a line of results may have
KEPT_OUTPUT_CHARACTERS = 16 << 10
MAX_REASON_CHARACTERS = 1000
FATAL = re.compile(r"^Fatal Python error: (.*)$", re.MULTILINE)  # what faulthandler begins with
CURRENT = re.compile(r"^(?:Current thread|Thread) .*\(most recent call first\):\n((?:  File .*\n?)*)", re.MULTILINE)
FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)')
FRAMES = 3


@dataclass(frozen=True)
class Ending:
    """How a launch ended: `answer` is what the worker said, None unless it was read; `signal` what ended it."""

    status: str
    reason: str
    answer: dict[str, Any] | None
    output: str
    signal: int = 0

    def explained(self, watch: Watch) -> Ending:
        """Return this ending as `oom` if the kernel says so.

        In a group of the worker's own any kill explains a bad end; in one that it shares, its own SIGKILL alone.
        """
        its_own = bool(watch.limit) and self.status not in ("ok", "timeout")
        if (its_own or self.signal == signal.SIGKILL) and (evidence := watch.killed()):
            return replace(self, status="oom", reason=evidence, answer=None)
        return self


def text(printed: bytes | bytearray) -> str:
    """Return the end of what a worker printed; bytes that are no UTF-8 are replaced."""
    return printed[-KEPT_OUTPUT_CHARACTERS:].decode(errors="replace")


def judge(code: int, answer: bytes, output: str, task: str) -> Ending:
    """Turn an exit code and an answer into an ending; `task` is what the worker was asked."""
    last = (output.strip().splitlines()[-1:] or ["it printed nothing"])[0]
    if code < 0:
        no_memory = code == -signal.SIGABRT and aborted(output)
        status, why = ("oom", "nobody caught std::bad_alloc; ") if no_memory else ("crashed", "")
        reason = f"ended by {name(-code)}; {why}{fault(output) or last}"
        return Ending(status, reason[:MAX_REASON_CHARACTERS], None, output, -code)
    if code > 0:
        return Ending("failed", f"worker exited with {code}: {last}"[:MAX_REASON_CHARACTERS], None, output)
    if len(answer) > MAX_ANSWER_BYTES:
        return Ending("invalid", f"the worker's answer is longer than {MAX_ANSWER_BYTES} bytes", None, output)
    try:
        said = answers.read(answer, task, MAX_ANSWER_BYTES)
    except answers.AnswerInvalid as error:
        return Ending("invalid", f"the worker's answer {error}"[:MAX_REASON_CHARACTERS], None, output)
    return Ending(said.pop("status"), said.pop("reason")[:MAX_REASON_CHARACTERS], said, output)


def name(number: int) -> str:
    """Return a signal's name; real-time signals have numbers alone."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def fault(output: str) -> str:
    """Return in one line what faulthandler wrote at the end: the error and where Python was, innermost call first."""
    fatal = list(FATAL.finditer(output))
    if not fatal:
        return ""
    stack = CURRENT.search(output, fatal[-1].end())
    frames = [FRAME.fullmatch(line) for line in stack[1].splitlines()[:FRAMES]] if stack else []
    places = [f"{PurePath(frame['file']).name}:{frame['line']} in {frame['name']}" for frame in frames if frame]
    return " < ".join([fatal[-1][0], *places])
