import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.table import Table

from benchmarks.cli import terminal as terminal_module

PROGRAMS = [("benchmarks", "info", "describe", "mlp"), ("report", "columns")]


def run(*arguments, **streams):
    process = [sys.executable, "-m", *arguments]
    return subprocess.run(process, stderr=subprocess.PIPE, text=True, check=False, timeout=60, **streams)


@pytest.mark.parametrize("arguments", PROGRAMS)
def test_an_output_that_takes_nothing_is_one_line_and_74(arguments):
    with Path("/dev/full").open("w") as full:
        done = run(*arguments, stdout=full)
    assert done.stderr == "cannot write to the standard output: No space left on device\n"
    assert done.returncode == 74


@pytest.mark.parametrize("arguments", PROGRAMS)
def test_a_reader_that_left_is_no_word_and_141(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*arguments, stdout=writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_messages_that_nobody_can_take_change_no_exit_code():
    with Path("/dev/full").open("w") as full:
        process = [sys.executable, "-m", "benchmarks", "info", "describe", "nothing"]
        done = subprocess.run(process, stderr=full, stdout=subprocess.PIPE, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, b"")


def test_without_an_output_nothing_is_shown_and_nothing_fails():
    shell = ["sh", "-c", '"$0" -m benchmarks info describe mlp >&-', sys.executable]
    done = subprocess.run(shell, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("stderr", [False, True])
def test_no_code_in_a_user_s_text_becomes_a_picture(capsys, stderr):
    terminal = terminal_module.terminal(stderr)
    table = Table("x:smile:", title=":abc:")
    table.add_row(":smile:")
    for shown in (table, "/home/x:smile:y"):
        terminal.print(shown)
    terminal.print("slower:abc:", markup=False)
    said = "".join(capsys.readouterr())
    assert said.count(":smile:") == 3
    assert said.count(":abc:") == 2
