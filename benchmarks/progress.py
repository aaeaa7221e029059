"""How far a training is: takes what a worker says after each epoch, before it answers.

A line of JSON an epoch, on the descriptor of the answer, which has no line's end itself. A framework is not trusted
here either: a line that is none ends the launch, as an answer that is none does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.answers import AnswerInvalid, shown
from benchmarks.values import count, invalid, loads, number

FIGURES = {"epoch": count, "train_loss": number, "accuracy": number, "loss": number, "seconds": number}
MAX_LINE_BYTES = 512
MAX_LINES = 100_000
Figures = Mapping[str, Any]
Report = Callable[[Figures], None]


class Lines:
    """Takes the lines off what a worker has said and hands their figures on; what is left is the answer's."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.taken = 0

    def take(self, said: bytearray) -> None:
        """Take all whole lines; AnswerInvalid, which goes on after `the worker's answer`, at the first that is none."""
        while (end := said.find(b"\n")) >= 0:
            line = bytes(said[:end])
            del said[: end + 1]
            self.taken += 1
            if self.taken > MAX_LINES:
                raise AnswerInvalid(f"comes after more than {MAX_LINES} lines of progress")
            self.report(figures_of(line))


def figures_of(line: bytes) -> dict[str, Any]:
    """Return what a line says; AnswerInvalid if it is no line of progress."""
    try:
        if len(line) > MAX_LINE_BYTES:
            raise ValueError(f"longer than {MAX_LINE_BYTES} bytes")
        said = loads(line)
    except ValueError as error:
        raise AnswerInvalid(f"has a line of progress that cannot be read: {error}") from None
    if not isinstance(said, dict) or said.keys() != FIGURES.keys():
        raise AnswerInvalid(f"has a line of progress without {', '.join(FIGURES)}: {shown(said)}")
    if name := invalid(FIGURES, said):
        raise AnswerInvalid(f"has a line of progress with no valid {name!r}: {shown(said[name])}")
    return said
