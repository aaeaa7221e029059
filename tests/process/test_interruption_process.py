"""An interruption as a process sees it."""

from __future__ import annotations

import subprocess
import sys


def test_what_whoever_started_us_ignores_stays_ignored():
    program = (
        "import signal; from benchmarks.machine import signals\n"
        "with signals.handled():\n    signal.raise_signal(signal.SIGHUP); print('lives')"
    )
    line = ["sh", "-c", 'trap "" HUP; exec "$0" -c "$1"', sys.executable, program]
    assert subprocess.run(line, capture_output=True, text=True, check=False).stdout == "lives\n"
