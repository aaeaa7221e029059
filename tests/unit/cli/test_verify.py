"""`verify` does one of three things, and refuses what means nothing there."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from benchmarks.__main__ import app
from benchmarks.errors import UsageError


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["net", "--steps", "5"], "--steps means nothing with FOLDER"),
        (["net", "--exchange"], "--exchange means nothing with FOLDER"),
        (["net", "--model", "mlp"], "--model means nothing with FOLDER"),
        (["--exchange", "--native"], "--native means nothing with --exchange"),
        (["--exchange", "--mode", "eager"], "--mode means nothing with --exchange"),
        (["--epochs", "1"], "--epochs means nothing without FOLDER and --exchange"),
        (["--out", "x"], "--out means nothing without FOLDER and --exchange"),
    ],
)
def test_an_option_that_means_nothing_there_is_refused_even_with_its_default_value(line, words):
    done = CliRunner().invoke(app, ["verify", *line])
    assert isinstance(done.exception, UsageError), done.exception
    assert str(done.exception).startswith(words)
