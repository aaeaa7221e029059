"""Which test does which fault, and how it ended: `python -m pytest -p tests.process.faults.table -m fault tests`.

A plugin, asked for by name. A fault without a test, or whose test was skipped, makes the run fail.
"""

from __future__ import annotations

from collections import defaultdict

import pytest

FAULTS = {
    1: "kill -9 of the parent while it appends",
    2: "kill -9 of a worker",
    3: "the kernel kills for memory",
    4: "MemoryError, out of memory on a device",
    5: "segfault, illegal instruction",
    6: "a hang, also one that ignores SIGTERM",
    7: "a worker that starts a daemon",
    8: "a flood on stdout, invalid UTF-8",
    9: "a framework that prints on the result channel",
    10: "a result that is malformed, oversized, NaN or has a key twice",
    11: "disk full, read-only results folder",
    12: "truncated gz",
    13: "gz bomb, IDX header that claims 2^32 rows",
    14: "wrong magic, dimensions, trailing bytes",
    15: "labels outside 0-9, counts that differ",
    16: "right shape, shuffled labels",
    17: "CSV with BOM, CRLF, ragged rows, quotes, a 10 MB field",
    18: "two sweeps on one machine and one results folder",
    19: "a stale lock after a crash",
    20: "wall clock jumps, suspend",
    21: "missing or broken environment, wrong version",
    22: "asked for a GPU, got a CPU",
    23: "NaN or infinite loss, zero throughput",
    24: "throughput above the measured peak",
    25: "thread count not honoured",
    26: "Ctrl-C once, twice; SIGTERM; SIGHUP",
    27: "resume after configuration, code, lock or machine changed",
    28: "rows of an older and of a newer schema",
    29: "hostile text in a host name, CPU name or error",
    30: "a hostile results file",
    31: "a hostile weights file",
    32: "download: wrong hash, empty, an HTML page, offline",
    33: "another process on the GPU, load on the CPU",
    34: "an engine worker lost mid-cell, a retry by the engine",
    35: "unwritable TMPDIR or HOME, a path with spaces and non-ASCII",
    36: "thread or process limit reached",
    43: "two processors of one name",
    44: "other kernels by a setting",
    45: "another kernel, libc or microcode",
    47: "two data sets of one stem",
    51: "two sweeps that begin in one millisecond",
    52: "two networks of one name",
}


class Table:
    """Gathers outcomes by fault while tests run."""

    def __init__(self) -> None:
        self.numbers: dict[str, set[int]] = {}  # faults by test
        self.outcomes: dict[int, dict[str, str]] = defaultdict(dict)  # by fault and test

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which tests do which fault."""
        for item in session.items:
            self.numbers[item.nodeid] = {number for mark in item.iter_markers("fault") for number in mark.args}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst of a test's three phases."""
        for number in self.numbers.get(report.nodeid, ()):
            if report.when == "call" or report.outcome != "passed":
                self.outcomes[number][report.nodeid] = report.outcome

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail where a fault has no test that passed."""
        if not all("passed" in self.outcomes[number].values() for number in FAULTS):
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table as Markdown."""
        terminalreporter.write_line("\n| # | fault | test | outcome |\n| --- | --- | --- | --- |")
        for number, fault in FAULTS.items():
            for test, outcome in self.outcomes[number].items() or [("", "NO TEST")]:
                terminalreporter.write_line(f"| {number} | {fault} | {test.removeprefix('tests/')} | {outcome} |")


def pytest_configure(config: pytest.Config) -> None:
    """Register the table."""
    config.pluginmanager.register(Table())
