"""What is refused before anything starts, and what a job asks for, by a Slurm that pretends; see also test_slurm.py."""

from __future__ import annotations

import os
from pathlib import Path

import dask
import pytest

from benchmarks.errors import UsageError
from benchmarks.machine.environments import ROOT
from benchmarks.sweep.dask.slurm import cluster


@pytest.fixture
def pretended(tmp_path, monkeypatch) -> Path:
    """Programs of Slurm's that keep what they are given."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sbatch").write_text(f'#!/bin/sh\ncat "$1" >> {tmp_path}/submitted\necho "Submitted batch job 7"\n')
    (folder / "scancel").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/cancelled\n')
    for path in folder.iterdir():
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path


def settings(**more: object) -> dict[str, object]:
    """Return Dask's configuration of Slurm: on loopback, and with a directive and a line of the user's own."""
    own = {"interface": "lo", "job-extra-directives": ["--own"], "job-script-prologue": ["module load own"]}
    return {f"jobqueue.slurm.{name}": value for name, value in {**own, **more}.items()}


def test_a_job_asks_for_a_whole_node_and_becomes_the_member(pretended, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_DATA", "/data of mine")
    with dask.config.set(settings()), cluster(1, folder=pretended / "jobs"):
        pass
    lines = (pretended / "submitted").read_text().splitlines()
    directives = {line for line in lines if line.startswith("#SBATCH")}
    assert directives >= {"#SBATCH --exclusive", "#SBATCH --no-requeue", "#SBATCH --mem=0", "#SBATCH --own"}
    user = lines.index("module load own")
    assert "export LOCKSTEP_DATA='/data of mine'" in lines[:user]
    assert lines[user + 1 : -1] == [f"export PYTHONPATH={ROOT}", f"cd {ROOT} || exit 1"]
    assert lines[-1].startswith("exec ")
    assert " -m benchmarks cluster join tcp://127.0.0.1:" in lines[-1]
    assert " --name slurm-0 --nthreads 1 " in lines[-1]
    assert (pretended / "cancelled").read_text().split() == ["7"]


def refusal(folder: Path) -> str:
    with pytest.raises(UsageError) as refused, cluster(1, folder=folder / "jobs"):
        pytest.fail("it started")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_where_slurm_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(tmp_path).startswith("--cluster slurm needs sbatch and scancel, and PATH has no sbatch")


def test_without_tls_only_loopback_unless_asked(pretended, monkeypatch):
    assert "reaches this machine run programs here" in refusal(pretended)
    for host in ("192.0.2.1", "a.name", "::"):
        with dask.config.set({"jobqueue.slurm.scheduler-options": {"host": host}}):
            assert f"reaches {host} " in refusal(pretended)
    with dask.config.set({"jobqueue.slurm.interface": "none9"}):
        assert "none9" in refusal(pretended)
    monkeypatch.setenv("LOCKSTEP_CACHE", str(pretended))
    with cluster(1, insecure=True, death_timeout_s=7.5) as started:
        address = started.scheduler_address
        assert address.startswith("tcp://")
    line = (pretended / "submitted").read_text().splitlines()[-1]
    assert f" -m benchmarks cluster join {address} --name slurm-0 " in line
    assert " --death-timeout 7.5 --insecure" in line


@pytest.mark.parametrize("given", [{"require-encryption": True}, {"tls.ca-file": "ca.pem"}, {"tls.worker.key": "k"}])
def test_half_of_tls_is_none(given, pretended):
    named = {f"distributed.comm.{name}": value for name, value in given.items()}
    with dask.config.set({**settings(), **named}):
        assert f"names {sum('tls' in name for name in given)}: set distributed.comm.tls." in refusal(pretended)
