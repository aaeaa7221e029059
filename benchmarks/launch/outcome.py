"""How a launch ended: exit code, answer and printed lines become one status, one reason and a set of flags.

A framework is not trusted, so its answer is checked, task by task, before anything is done with it: strict JSON in
UTF-8, no key twice, no NaN, numbers within the bounds of their columns, no column that only the harness fills in.
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
from benchmarks.worker.libraries import aborted
from benchmarks.worker.protocol import ANSWERS
from benchmarks.worker.validate import loads, mistake, shown

Answer = dict[str, Any]

MAX_ANSWER_BYTES = 512 << 10  # half of what a line of results may have
STATUSES = ("ok", "unsupported", "failed", "oom", "nan", "invalid")  # a worker's; the harness has more


class AnswerInvalid(ValueError):
    """An answer is not valid; the message goes on after `the worker's answer`."""


def read(answer: bytes, task: str) -> Answer:
    """Return the answer in the bytes, with `status` and `reason`; AnswerInvalid says what is wrong with them."""
    try:
        fields = loads(answer)
    except ValueError as error:
        raise AnswerInvalid(f"cannot be read: {error}") from None
    if (
        not isinstance(fields, dict)
        or not isinstance(fields.get("reason"), str)
        or fields.get("status") not in STATUSES
    ):
        raise AnswerInvalid(f"cannot be read: it has no reason, or no status out of {', '.join(STATUSES)}")
    if len(json.dumps(fields)) > MAX_ANSWER_BYTES:  # as it would be written: a character outside ASCII takes six bytes
        raise AnswerInvalid(f"is longer than {MAX_ANSWER_BYTES} bytes")
    if wrong := mistake(ANSWERS[task], fields, partial=fields["status"] != "ok"):
        raise AnswerInvalid(wrong)
    if task in TASKS:
        _check_columns(fields)
    return fields


def _check_columns(fields: Answer) -> None:
    """Hold an answer to the bounds of its columns; AnswerInvalid names the first that is outside."""
    for name, value in fields.items():
        column = BY_NAME[name]
        if value is not None and not column.check(value):
            raise AnswerInvalid(f"has no valid {name!r}: {shown(value)} ({column.meaning})")


KEPT_OUTPUT_CHARACTERS = 16 << 10
MAX_REASON_CHARACTERS = 1000
CLOCK_S, CLOCK_SHARE = 1.0, 0.05  # a busy machine lets a process wait between its last look at a clock and its answer
FATAL = re.compile(r"^Fatal Python error: (.*)$", re.MULTILINE)  # what faulthandler begins with
CURRENT = re.compile(r"^(?:Current thread|Thread) .*\(most recent call first\):\n((?:  File .*\n?)*)", re.MULTILINE)
FRAME = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<name>.*)')
FRAMES = 3


@dataclass(frozen=True)
class Outcome:
    """How a launch ended.

    `answer` holds the worker's columns without status, reason and flags, None unless it was read; `output` is the end
    of what it printed; `signal` is the number of the signal that ended it, 0 for none; `answered_s` is how long the
    worker took until its answer was there, as the harness saw it.
    """

    status: str
    reason: str
    answer: dict[str, Any] | None
    output: str
    signal: int = 0
    flags: frozenset[str] = frozenset()
    answered_s: float | None = None

    def explained(self, watch: MemoryWatch) -> Outcome:
        """Return this outcome as `oom` if the kernel says so.

        In a control group of the worker's own any kill explains a bad end; in a shared one only the worker's SIGKILL.
        """
        its_own = bool(watch.limit) and self.status not in ("ok", "timeout")
        if (its_own or self.signal == signal.SIGKILL) and (evidence := watch.killed()):
            return replace(self, status="oom", reason=evidence, answer=None, flags=frozenset())
        return self

    def checked(self, test_size: int, cpus: int) -> Outcome:
        """Return this outcome, as `invalid` if the answer contradicts what the harness knows.

        That is: a test image that the data set does not have, or seconds that no launch on so many CPUs can have.
        """
        answer = self.answer or {}
        strange = [index for index in answer.get("mistakes") or [] if not 0 <= index < test_size]
        reason = f"the worker's answer names test image {strange[0]}, which does not exist" if strange else ""
        if reason := reason or _clock_complaint(answer, self.answered_s, cpus):
            return replace(self, status="invalid", reason=reason, answer=None, flags=frozenset())
        return self


def _clock_complaint(answer: Answer, answered_s: float | None, cpus: int) -> str:
    """Return one sentence on seconds that do not fit the harness's own; empty if all do."""
    if answered_s is None or "worker_s" not in answer:
        return ""
    own_s = answer["start_s"] + answer["worker_s"]
    if abs(own_s - answered_s) > CLOCK_S + CLOCK_SHARE * answered_s:
        return f"the worker's clock says {own_s:.2f} s until its answer, the harness's {answered_s:.2f} s"
    if (timed_s := answer.get("timed_s", 0.0)) > answer["worker_s"]:
        return f"the timed chunks add up to {timed_s:.2f} s, the worker lasted {answer['worker_s']:.2f} s"
    if (cpu_s := answer.get("cpu_s", 0.0)) > cpus * (own_s * (1 + CLOCK_SHARE) + CLOCK_S):
        return f"{cpu_s:.2f} s of CPU time do not fit into {own_s:.2f} s on {cpus} CPUs"
    return ""


def decoded(printed: bytes | bytearray) -> str:
    """Return the end of what a worker printed; bytes that are not UTF-8 are replaced."""
    return printed[-KEPT_OUTPUT_CHARACTERS:].decode(errors="replace")


def judge(code: int, answer: bytes, output: str, task: str) -> Outcome:
    """Return the outcome of an exit code and an answer; `task` is the one of the worker's request."""
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
        fields = read(answer, task)
    except AnswerInvalid as error:
        return Outcome("invalid", f"the worker's answer {error}"[:MAX_REASON_CHARACTERS], None, output)
    status, reason, flags = fields.pop("status"), fields.pop("reason"), frozenset(fields.pop("flags", None) or ())
    return Outcome(status, reason[:MAX_REASON_CHARACTERS], fields, output, flags=flags)


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
