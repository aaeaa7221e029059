"""kill -9 of the parent, again and again: what was acknowledged stays, what was not is made by --resume, once."""

from __future__ import annotations

import random
import re
import signal
import sys
import time

import pytest

from tests.kept import read_all
from tests.process.faults.processes import instant_workers, until

CELLS = 20  # two frameworks and as many batch sizes as that takes
AXES = ("--framework", "instant-0,instant-1", "--batch-size", ",".join(str(n) for n in range(1, CELLS // 2 + 1)))
DONE = re.compile(r"^\d+/\d+ speed (\S+) linear cpu batch (\d+) .* samples/s", re.MULTILINE)


def launches(rows):
    return [(row["cell"], row["task"], row["round"], row["seed"]) for row in rows]


def intact(results):
    """Return the rows of a folder of results; only a file's last line may be torn."""
    sweeps = list(read_all(results))
    assert not [problem for sweep in sweeps for problem in sweep.problems]
    return [row for sweep in sweeps for row in sweep.rows]


class Story:
    """One sweep, killed and resumed until it is complete."""

    def __init__(self, start, results):
        self.start, self.results = start, results
        self.kills = self.torn = 0

    def begin(self):
        self.process = self.start(*AXES, "--resume", "--results", str(self.results))

    def newest(self):
        return max(self.results.glob("*.jsonl"), default=None)

    def killed(self, generator):
        """Begin, kill at a random moment; return whether it was killed before its end."""
        before = self.newest()
        self.begin()
        until(lambda: self.newest() != before or self.process.poll() is not None, "a results file")
        if generator.random() < 0.5:  # right after, or while, a line is appended: one of a proof, one of a row
            file = self.newest()
            for _ in range(generator.randrange(2 * CELLS)):
                size = file.stat().st_size
                while file.stat().st_size == size and self.process.poll() is None:
                    pass
            time.sleep(generator.choice([0, 0, generator.uniform(0, 0.002)]))
        else:
            time.sleep(generator.uniform(0, 0.05 * CELLS))
        there = intact(self.results)
        self.process.send_signal(signal.SIGKILL)
        _, said = self.process.communicate()
        self.look(there, said)
        return self.process.returncode == -signal.SIGKILL

    def look(self, there, said):
        """Hold what a kill left to what was acknowledged: in the file before it, or shown as done."""
        self.kills += self.process.returncode == -signal.SIGKILL
        self.torn += sum(not path.read_bytes().endswith(b"\n") for path in self.results.glob("*.jsonl"))
        rows = intact(self.results)
        assert set(launches(there)) <= set(launches(rows))
        shown = {(framework, int(batch)) for framework, batch in DONE.findall(said)}
        assert shown <= {(row["framework"], row["batch_size"]) for row in rows}
        assert len(set(launches(rows))) == len(rows)
        until(lambda: not instant_workers(), "the end of the workers", 5)


@pytest.mark.fault(1)
@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=pytest.mark.soak)])
def test_a_killed_sweep_is_resumed_to_the_same_cells_each_once(start, tmp_path, capsys, kills):
    generator, stories, begin = random.Random(), [], time.monotonic()
    while sum(story.kills for story in stories) < kills:
        story = Story(start, tmp_path / f"results-{len(stories)}")
        stories.append(story)
        while sum(story.kills for story in stories) < kills and story.killed(generator):
            pass
        story.begin()
        _, said = story.process.communicate(timeout=120)
        assert story.process.returncode == 0, said
        rows = intact(story.results)
        assert len(rows) == len(set(launches(rows))) == CELLS
        assert {row["status"] for row in rows} == {"ok"}
    with capsys.disabled():
        counts = f"{sum(s.kills for s in stories)} kills of {len(stories)} sweeps, {sum(s.torn for s in stories)} torn"
        print(f"\n{counts} lines met, {time.monotonic() - begin:.0f} s", file=sys.stderr)


HALF = """
import os, signal
from benchmarks.record import store
from tests.process.faults.harness import main, register

whole, count = store._write, 0

def half(descriptor, content):
    global count
    count += b'"kind": "row"' in content
    if count == 3:
        os.write(descriptor, content[: len(content) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    whole(descriptor, content)

store._write = half
register()
main()
"""


@pytest.mark.fault(1)
def test_a_line_torn_by_a_kill_is_ignored_and_made_again(program, sweep, rows, tmp_path):
    axes = ("--framework", "instant-0,instant-1", "--batch-size", "1,2,3")
    done = program(HALF, *axes)
    assert done.returncode == -signal.SIGKILL
    [torn] = (tmp_path / "results").glob("*.jsonl")
    before = torn.read_bytes()
    assert not before.endswith(b"\n")
    assert len(rows()) == len(intact(tmp_path / "results")) == 2
    code, said, found = sweep(*axes, "--resume")
    assert code == 0, said
    assert len(found) == len(set(launches(found))) == 6
    assert torn.read_bytes() == before
