"""The clocks of a process can be made wrong, all of them, and what the process does goes on."""

from __future__ import annotations

import datetime
import json
import os
import pickle
import subprocess
import sys
import time

import pytest

from benchmarks.machine.environments import ROOT

READ = """
import asyncio, datetime, json, pickle, queue, sys, time

def true():
    return time.clock_gettime(time.CLOCK_MONOTONIC)

CLOCKS = {
    "time": time.time, "monotonic": time.monotonic, "perf_counter": time.perf_counter,
    "time_ns": lambda: time.time_ns() / 1e9, "monotonic_ns": lambda: time.monotonic_ns() / 1e9,
    "perf_counter_ns": lambda: time.perf_counter_ns() / 1e9,
    "now": lambda: datetime.datetime.now().timestamp(),
    "utc": lambda: datetime.datetime.now(datetime.UTC).timestamp(),
    "taken by name": queue.time,
}
def took(work):
    start = true()
    work()
    return true() - start

def spin():
    while true() < end: pass

before, start = {name: clock() for name, clock in CLOCKS.items()}, true()
end = start + 1
spin()
passed = true() - start
rates = {name: (clock() - before[name]) / passed for name, clock in CLOCKS.items()}
print(json.dumps({
    "rates": rates, "sleep": took(lambda: time.sleep(0.4)), "asyncio": took(lambda: asyncio.run(asyncio.sleep(0.4))),
    "wall": time.time() - time.clock_gettime(time.CLOCK_REALTIME), "monotonic": time.monotonic() - true(),
    "now": datetime.datetime.now(datetime.UTC).timestamp() - time.clock_gettime(time.CLOCK_REALTIME),
    "today": str(datetime.date.today()), "true_today": time.strftime("%Y-%m-%d"),
    "instances": isinstance(datetime.datetime.min, datetime.datetime),
    "pickled": pickle.dumps([time.sleep, time.time_ns, datetime.datetime(2026, 1, 1)]).hex(),
    "arguments": sys.argv[1:], "name": __name__,
}))
"""


@pytest.fixture
def read(tmp_path):
    """Run the module above with wrong clocks and return what it read."""
    (tmp_path / "reads_clocks.py").write_text(READ)
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}", "TZ": "UTC"}

    def run(*arguments):
        line = [sys.executable, "-m", "tests.engine.slow_clock", *arguments]
        done = subprocess.run(line, env=env, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    return run


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_every_clock_runs_at_the_rate_and_sleeps_last_as_long_on_it(read, rate):
    seen = read(str(rate), "reads_clocks")
    assert seen["rates"] == {name: pytest.approx(rate, rel=0.02) for name in seen["rates"]}
    assert 0.4 / rate <= seen["sleep"] < 0.4 / rate + 0.3
    assert 0.4 / rate <= seen["asyncio"] < 0.4 / rate + 0.5 + 0.4 * (rate > 1)  # a fast loop's epoll(7) is true


def test_an_offset_is_the_wall_clocks_alone(read):
    seen = read("--wall-offset", "-172800", "1", "reads_clocks")
    assert seen["wall"] == pytest.approx(-172800, abs=1)
    assert seen["now"] == pytest.approx(-172800, abs=1)
    assert seen["monotonic"] == pytest.approx(0, abs=1)
    assert seen["today"] < seen["true_today"]


def test_the_module_runs_as_main_with_its_arguments(read):
    seen = read("1", "reads_clocks", "--wall-offset", "x", "-v")
    assert (seen["name"], seen["arguments"]) == ("__main__", ["--wall-offset", "x", "-v"])
    assert seen["instances"]
    assert seen["rates"] == {name: pytest.approx(1, rel=0.02) for name in seen["rates"]}


def test_what_is_pickled_there_is_read_by_a_right_process_as_its_own(read):
    pickled = bytes.fromhex(read("0.5", "reads_clocks")["pickled"])
    true = [time.sleep, time.time_ns, datetime.datetime(2026, 1, 1)]
    assert pickle.loads(pickled) == true  # noqa: S301 - we have just made it


@pytest.mark.parametrize("rate", ["0", "-1"])
def test_a_clock_that_does_not_go_forward_is_refused(read, rate):
    assert "asked for clocks at" in read(rate, "reads_clocks")


def test_this_process_is_not_touched():
    from tests.engine import slow_clock

    assert slow_clock.time is time
    assert type(time.monotonic).__name__ == "builtin_function_or_method"
