"""Any order of appends, crashes that tear the last line, new sweeps beside old ones: acknowledged lines come back."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from benchmarks.record import store
from tests.kept import read_file
from tests.unit.conftest import examples
from tests.unit.known_lines import RECORDS

STOP = RECORDS["stop"]


class Results(RuleBasedStateMachine):
    """A results folder and what must be in it: by file the acknowledged stops, in order."""

    def __init__(self):
        super().__init__()
        self.kept = tempfile.TemporaryDirectory()
        self.folder = Path(self.kept.name)
        self.said: dict[str, list[dict]] = {}
        self.torn: dict[str, int] = {}  # lines that a later one made a bad middle line
        self.count = 0

    def teardown(self):
        self.kept.cleanup()

    def newest(self):
        return self.folder / max(self.said)

    @rule(words=st.text(max_size=20))
    def another_sweep_begins(self, words):
        """A resumed sweep or a second writer: its own file."""
        name = f"{len(self.said):04d}.jsonl"
        self.said[name], self.torn[name] = [], 0
        self.append(name, words)

    @precondition(lambda self: self.said)
    @rule(data=st.data(), words=st.text(max_size=20))
    def one_of_them_appends(self, data, words):
        """Also to a file whose last line is torn: the next begins anew."""
        self.append(data.draw(st.sampled_from(sorted(self.said))), words)

    def append(self, name, *texts):
        path = self.folder / name
        self.torn[name] += (
            bool(texts) and path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
        )
        records = [{**STOP, "number": self.count + n, "words": text} for n, text in enumerate(texts)]
        self.count += len(records)
        store.append(path, "stop", *records)
        self.said[name] += [{"number": record["number"], "words": record["words"]} for record in records]

    @precondition(lambda self: self.said)
    @rule(texts=st.lists(st.text(max_size=5), max_size=3))
    def many_at_once(self, texts):
        self.append(self.newest().name, *texts)

    @precondition(lambda self: self.said)
    @rule(data=st.data(), words=st.text(max_size=20))
    def a_crash_tears_an_append(self, data, words):
        """Of the line that was on its way only a part, or nothing, or all but the newline came to the disk."""
        path = self.newest()
        line = store._line("stop", {**STOP, "number": -1, "words": words})
        part = line[: data.draw(st.integers(0, len(line) - 1))]
        if path.read_bytes().endswith(b"\n"):  # who finds a torn line begins anew, as append does
            path.write_bytes(path.read_bytes() + part)

    @invariant()
    def acknowledged_lines_come_back_in_order_and_once(self):
        for name, said in self.said.items():
            found = read_file(self.folder / name)
            known = [{"number": record["number"], "words": record["words"]} for record in found.stops]
            assert [record for record in known if record["number"] >= 0] == said
            assert len(found.problems) + len(known) - len(said) == self.torn[name]


Results.TestCase.settings = settings(max_examples=examples(40), stateful_step_count=20, deadline=None)
TestResults = Results.TestCase
