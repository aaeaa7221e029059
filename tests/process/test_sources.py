"""Rows of a git revision, beside the other sources of rows."""

from __future__ import annotations

import shutil
import subprocess

import pandas as pd
import pytest

from benchmarks.errors import UsageError
from benchmarks.record.store import append
from report.results.load import load

OTHER = "20260102T000000-bbbbbb"


@pytest.fixture
def results(row, tmp_path):
    """A folder with two sweeps, one row each and two."""
    folder = tmp_path / "results"
    folder.mkdir()
    for sweep, count in ((row["sweep"], 1), (OTHER, 2)):
        append(folder / f"{sweep}.jsonl", "run", {"sweep": sweep, "machine_kind": "abc"})
        for n in range(count):
            flags = [["noisy"], [], None][n]
            append(folder / f"{sweep}.jsonl", "row", {**row, "sweep": sweep, "round": n, "flags": flags, "loss": 1})
    return folder


@pytest.fixture
def repository(results, monkeypatch):
    """A git repository whose first commit has both files, and one in a folder below; the second has them elsewhere."""
    root = results.parent
    (results / "below").mkdir()
    shutil.copy(results / f"{OTHER}.jsonl", results / "below" / "other.jsonl")
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "rows"]):
        subprocess.run([*git, *command], check=True)
    shutil.move(results, root / "elsewhere")
    for command in (["add", "-A"], ["commit", "-qm", "none"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr("benchmarks.machine.git.ROOT", root)
    return root


def test_the_same_rows_as_text_path_file_or_revision(results, repository):
    folder = repository / "elsewhere"
    frame = load(folder)
    for source in (str(folder), "HEAD^", "HEAD^:results", "HEAD:elsewhere/"):
        pd.testing.assert_frame_equal(load(source), frame)
    one = f"{OTHER}.jsonl"
    for source in (folder / one, f"HEAD^:results/{one}"):
        pd.testing.assert_frame_equal(load(source), frame[frame["sweep"] == OTHER].reset_index(drop=True))
    assert not (repository / "results").exists()  # nothing was checked out


def test_a_revision_without_results_says_where_there_are_some(repository):
    with pytest.raises(UsageError, match=r"no \.jsonl files in results; it has none in any folder"):
        load("HEAD")
    with pytest.raises(UsageError, match="in nowhere; there are: HEAD\\^:results"):
        load("HEAD^:nowhere")


@pytest.mark.parametrize("source", ["absent", "absent:results", "-x", "--all", ":results", "HEAD..HEAD", "a\0b"])
def test_what_is_no_source_is_one_line_that_says_what_is(repository, monkeypatch, source):
    monkeypatch.chdir(repository)
    with pytest.raises(UsageError, match=r"folder, \.jsonl file or git revision") as caught:
        load(source)
    assert "tox -e bench" in str(caught.value)
    assert "\n" not in str(caught.value)
