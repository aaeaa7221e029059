"""Adapters of another revision: the commit's own files, and only for the worker that asks for them."""

from __future__ import annotations

import subprocess

import pytest

from benchmarks import revisions
from benchmarks.errors import UsageError


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a git checkout with two commits, whose adapters say one and two."""
    root = tmp_path / "checkout"
    (root / "adapters").mkdir(parents=True)

    def git(*arguments):
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)

    git("init", "--quiet")
    for word in ("one", "two"):
        (root / "adapters" / "contract.py").write_text(f"WORD = {word!r}\n")
        git("add", ".")
        git("commit", "--quiet", "--message", word)
    monkeypatch.setattr(revisions, "ROOT", root)
    for cached in (revisions.resolved, revisions.folder, revisions._kept):
        cached.cache_clear()
    yield root
    for cached in (revisions.resolved, revisions.folder, revisions._kept):
        cached.cache_clear()


def test_a_revision_s_adapters_lie_in_a_folder_of_their_own(checkout):
    before, now = revisions.resolved("HEAD~1"), revisions.resolved("HEAD")
    assert (len(before), before == now) == (12, False)
    assert (revisions.folder(before) / "adapters" / "contract.py").read_text() == "WORD = 'one'\n"
    assert (checkout / "adapters" / "contract.py").read_text() == "WORD = 'two'\n"
    assert revisions.adapters_hash(before) != revisions.adapters_hash(now)


@pytest.mark.parametrize("revision", ["nowhere", "", "--output=/tmp/x", "HEAD:adapters", "HEAD^{tree}"])
def test_what_is_no_revision_is_refused(checkout, revision):
    with pytest.raises(UsageError, match="--against"):
        revisions.resolved(revision)
