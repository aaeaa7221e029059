from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

import adapters
from adapters.declaration import Activation, DeclarationError
from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from adapters.registry import load
from benchmarks.machine.environments import ROOT
from benchmarks.worker.__main__ import _in_adapter, _mismatch, _since_start


@pytest.mark.parametrize(
    ("granted", "answer", "found"),
    [
        (2, {"cpu_per_wall": 1.99, "threads_computing": 2}, False),
        (2, {"cpu_per_wall": 1.2, "threads_computing": 3}, False),  # a pool's threads and the one that waits for them
        (1, {"cpu_per_wall": 1.99, "threads_computing": 2}, True),  # what the framework says
        (2, {"cpu_per_wall": 2.2, "threads_computing": 2}, True),  # more than asked
        (2, {"cpu_per_wall": 1.0, "threads_computing": 1}, True),  # fewer
        (2, {}, False),  # an accuracy launch, where nothing is timed
    ],
)
def test_threads_are_checked_in_three_ways(granted, answer, found):
    assert _mismatch(2, granted, answer) is found


def test_an_error_says_at_which_line_of_an_adapter():
    with pytest.raises(AttributeError) as caught:
        NumpyAdapter(RECIPES["mlp"]).put(None, None)
    assert re.fullmatch(r", at adapters/numpy/__init__\.py:\d+ \(put\)", _in_adapter(caught.value))
    with pytest.raises(DeclarationError) as caught:
        Activation("step")
    assert _in_adapter(caught.value) == ""


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("import numpyy", ", at adapters/typed/__init__.py:2 (<module>)"),
        ("from numpy import arrray", ", at adapters/typed/__init__.py:2 (<module>)"),
        ("from adapters.typed import layers", ", at adapters/typed/__init__.py:2 (<module>)"),
        ("from adapters.typed.own import x", ", at adapters/typed/own.py:1 (<module>)"),
        ("arrray", ", at adapters/typed/__init__.py:2 (<module>)"),
        ("import a_framework_that_is_broken", ""),  # a line of its own fails: that is not the adapter's doing
    ],
)
def test_what_an_adapter_cannot_import_is_at_its_line_unless_it_fails_within(monkeypatch, tmp_path, line, place):
    (folder := tmp_path / "adapters" / "typed").mkdir(parents=True)
    (folder / "__init__.py").write_text(f"import json\n{line}\n")
    (folder / "own.py").write_text("from numpy import arrray\n")
    (tmp_path / "a_framework_that_is_broken.py").write_text("from numpy import arrray\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(adapters, "__path__", [*adapters.__path__, str(tmp_path / "adapters")])
    with pytest.raises((ImportError, NameError)) as caught:
        load("adapters.typed:Adapter")
    for name in [name for name in sys.modules if name.startswith("adapters.typed")]:
        del sys.modules[name]
    assert _in_adapter(caught.value) == place


def test_a_process_knows_how_long_it_has_been_there():
    assert 0 < _since_start(os.getpid()) < 3600


def test_the_largest_memory_is_the_worker_s_own_and_not_its_parent_s():
    """A child begins with its parent's ru_maxrss: here half a gigabyte, in a sweep the harness's."""
    child = (
        "from benchmarks.worker.__main__ import _peak_rss_bytes as p;"
        "first = p(); kept = b'x' * (100 << 20); print(first, p())"
    )
    parent = (
        "import subprocess, sys; held = b'x' * (500 << 20);"
        "subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)"
    )
    done = subprocess.run([sys.executable, "-c", parent, child], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before < 200 << 20
    assert 95 << 20 < after - before < 110 << 20


PROBE = {"task": "probe", "adapter": "adapters.numpy:NumpyAdapter", "device": "cpu", "networks": []}


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        (PROBE, "ok", ""),
        ({**PROBE, "device": "gpu:1"}, "invalid", "the request has no valid 'device': 'gpu:1'"),
        ({**PROBE, "threads": 2}, "invalid", "the request has an unknown field 'threads'"),
        ({"task": "probe", "device": "cpu"}, "invalid", "the request lacks 'adapter'"),
        ({**PROBE, "task": "guess"}, "invalid", "the request has no valid 'task': 'guess'"),
    ],
)
def test_a_real_worker_answers_a_broken_request_with_the_field(request_, status, words):
    reader, writer = os.pipe()
    with open(reader) as channel:
        line = [sys.executable, "-m", "benchmarks.worker", str(writer)]
        done = subprocess.run(line, input=json.dumps(request_), cwd=ROOT, pass_fds=(writer,), text=True, check=False)
        os.close(writer)
        answer = json.load(channel)
    assert done.returncode == 0
    assert (answer["status"], answer["reason"]) == (status, words)


SLOW_TO_LEAVE = """
import atexit, sys
from adapters.numpy import NumpyAdapter as Slow

class Framework:
    def __del__(self):
        print("taken down", flush=True)

kept, sys.modules["kept"] = Framework(), Framework()
atexit.register(print, "asked for at exit")
"""


def test_a_worker_runs_what_was_asked_for_at_its_exit_and_takes_no_framework_down(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW_TO_LEAVE)
    reader, writer = os.pipe()
    with open(reader) as channel:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.worker", str(writer)],
            input=json.dumps({**PROBE, "adapter": "slow:Slow"}),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
            pass_fds=(writer,),
            text=True,
            check=True,
            stdout=subprocess.PIPE,
        )
        os.close(writer)
        assert json.load(channel)["status"] == "ok"
    assert done.stdout.splitlines() == ["asked for at exit"]
