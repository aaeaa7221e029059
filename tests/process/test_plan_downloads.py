"""A plan in the command, with a network that would be noticed."""

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.plan.data import sources


def run(*arguments):
    return CliRunner().invoke(app, ["run", *arguments])


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No data set is here, and a download is an error."""
    monkeypatch.delenv("LOCKSTEP_DATA", raising=False)
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "_fetch", lambda *_: pytest.fail("downloads"))
    return tmp_path


def test_a_plan_in_the_command_downloads_nothing(nowhere):
    done = run("--framework", "numpy", "--model", "linear", "--dataset", "mnist", "--dry-run", "--epochs", "0")
    assert done.exit_code == 0, done.output
    assert "a run would download" in done.output
    assert "1 configuration, 3 rounds, 0 seeds: 3 launches" in done.output
    assert "--epochs 0: no accuracy launches" in done.output
