"""Adapters of another revision: the commit's own files, and only for the worker that asks for them."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest

from adapters.contract import CONTRACT_VERSION
from benchmarks.errors import UsageError
from benchmarks.machine import environments, git
from benchmarks.machine.git import _checkouts, adapters_folder, adapters_hash, resolved

SAME = f"CONTRACT_VERSION = {CONTRACT_VERSION}\n"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a git checkout with two commits, whose contracts say one and two, and a function that commits more."""
    root = tmp_path / "checkout"
    (root / "adapters").mkdir(parents=True)
    (root / "benchmarks").symlink_to(environments.ROOT / "benchmarks")

    def git(*arguments):
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)

    git("init", "--quiet")

    def commit(contract):
        (root / "adapters" / "contract.py").write_text(contract)
        git("add", "adapters")
        git("commit", "--quiet", "--message", "another contract")

    for word in ("one", "two"):
        commit(f"{SAME}WORD = {word!r}\n")
    monkeypatch.setattr("benchmarks.machine.git.ROOT", root)
    for cached in (resolved, adapters_folder, _checkouts):
        cached.cache_clear()
    yield SimpleNamespace(root=root, commit=commit)
    for cached in (resolved, adapters_folder, _checkouts):
        cached.cache_clear()


def test_a_revision_s_adapters_lie_in_a_folder_of_their_own(checkout):
    before, now = resolved("HEAD~1"), resolved("HEAD")
    assert (len(before), before == now) == (12, False)
    assert (adapters_folder(before) / "adapters" / "contract.py").read_text() == f"{SAME}WORD = 'one'\n"
    assert (checkout.root / "adapters" / "contract.py").read_text() == f"{SAME}WORD = 'two'\n"
    assert len({adapters_hash(before), adapters_hash(now), environments.code_hash()}) == 3


@pytest.mark.parametrize(
    ("contract", "found"),
    [
        ("", "none"), ("CONTRACT_VERSION = later", "none"), ("WORD = 'CONTRACT_VERSION = 1'", "none"),
        ("def", "none"), ("\0", "none"), (f"CONTRACT_VERSION = {CONTRACT_VERSION + 1}", str(CONTRACT_VERSION + 1)),
        ("CONTRACT_VERSION = '1'; exit()", "'1'"),
    ],
)  # fmt: skip
def test_adapters_of_another_contract_are_refused_in_one_line_that_says_what_to_do(checkout, contract, found):
    checkout.commit(contract)
    with pytest.raises(UsageError) as refused:
        resolved("HEAD")
    message = str(refused.value)
    assert f"version {found}, this checkout needs {CONTRACT_VERSION};" in message
    assert "git worktree add" in message
    assert "\n" not in message
    assert resolved("HEAD~1")


@pytest.mark.parametrize("revision", ["nowhere", "", "--output=/tmp/x", "HEAD:adapters", "HEAD^{tree}"])
def test_what_is_no_revision_is_refused(checkout, revision):
    with pytest.raises(UsageError, match="--against"):
        resolved(revision)


def test_a_checkout_that_somebody_else_owns_has_a_commit_and_revisions(checkout, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own word for it
    refused = subprocess.run(
        ["git", "-C", str(checkout.root), "describe", "--always"], capture_output=True, check=False
    )
    assert b"dubious ownership" in refused.stderr
    assert resolved("HEAD").startswith(git.commit().removesuffix("-dirty"))
