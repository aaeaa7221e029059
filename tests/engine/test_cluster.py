"""What is refused before anything starts, and what PBS, LSF and SGE are asked for, by programs that pretend."""

from __future__ import annotations

import os
from pathlib import Path

import dask
import pytest
from distributed import Security

from benchmarks.engine.cluster import cluster, started
from benchmarks.engine.queues import ROOT
from benchmarks.errors import UsageError

PROGRAMS = {"pbs": ("qsub", "qdel"), "lsf": ("bsub", "bkill"), "sge": ("qsub", "qdel")}
WHOLE = {
    "pbs": {"#PBS -l select=1:ncpus=64", "#PBS -l place=excl", "#PBS -r n"},
    "lsf": {"#BSUB -x", "#BSUB -rn"},
    "sge": {"#$ -l exclusive=true", "#$ -r n"},
}


@pytest.fixture
def pretended(tmp_path, monkeypatch) -> Path:
    """Programs of all queues that keep what they are given; no test says that a real PBS, LSF or SGE likes it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("qsub", "bsub"):
        (folder / name).write_text(
            f'#!/bin/sh\ncat "${{1:-/dev/stdin}}" >> {tmp_path}/submitted\necho "Job <7> is in"\n'
        )
    for name in ("qdel", "bkill"):
        (folder / name).write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/cancelled\n')
    for path in folder.iterdir():
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path


def settings(kind: str, **more: object) -> dict[str, object]:
    """Return Dask's configuration of a queue: on loopback, and with a directive and a line of the user's own."""
    own = {"interface": "lo", "job-extra-directives": ["--own"], "job-script-prologue": ["module load own"]}
    return {f"jobqueue.{kind}.{name}": value for name, value in {**own, **more}.items()}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_job_asks_for_a_whole_node_and_becomes_the_member(kind, pretended, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_DATA", "/data of mine")
    more = {"resource-spec": "select=1:ncpus=64"} if kind == "pbs" else {}
    with dask.config.set(settings(kind, **more)), cluster(kind, 1, pretended / "jobs", Security()):
        pass
    lines = (pretended / "submitted").read_text().splitlines()
    assert {line for line in lines if line.startswith("#")} >= WHOLE[kind]
    assert any(line.endswith(" --own") for line in lines)
    assert not any(line.startswith("#BSUB -M") for line in lines)
    user = lines.index("module load own")
    assert "export LOCKSTEP_DATA='/data of mine'" in lines[:user]
    assert lines[user + 1 : -1] == [f"export PYTHONPATH={ROOT}", f"cd {ROOT} || exit 1"]
    assert lines[-1].startswith("exec ")
    assert " -m benchmarks join tcp://127.0.0.1:" in lines[-1]
    assert f" --name {kind}-0 --nthreads 1 " in lines[-1]
    assert (pretended / "cancelled").read_text().split() == ["7"]


def refusal(kind: str, folder: Path, security: Security) -> str:
    with pytest.raises(UsageError) as refused, cluster(kind, 1, folder / "jobs", security):
        pytest.fail("it started")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_pbs_must_be_told_what_a_whole_node_is(pretended):
    with dask.config.set(settings("pbs")):
        assert "DASK_JOBQUEUE__PBS__RESOURCE_SPEC=" in refusal("pbs", pretended, Security())


@pytest.mark.parametrize("kind", ["slurm", "pbs", "lsf", "sge"])
def test_a_queue_that_is_not_here(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refusal(kind, tmp_path, Security()).startswith(f"--cluster {kind} needs ")


def test_without_tls_only_loopback_unless_asked(pretended, monkeypatch):
    assert "reaches this machine run programs here" in refusal("sge", pretended, Security())
    for host in ("192.0.2.1", "a.name", "::"):
        with dask.config.set({"jobqueue.sge.scheduler-options": {"host": host}}):
            assert f"reaches {host} " in refusal("sge", pretended, Security())
    with dask.config.set({"jobqueue.sge.interface": "none9"}):
        assert "none9" in refusal("sge", pretended, Security())
    monkeypatch.setenv("LOCKSTEP_CACHE", str(pretended))
    with started("sge", 1, insecure=True, death_timeout_s=7.5) as address:
        assert address.startswith("tcp://")
    line = (pretended / "submitted").read_text().splitlines()[-1]
    assert f" -m benchmarks join {address} --name sge-0 " in line
    assert " --death-timeout 7.5 --insecure" in line


@pytest.mark.parametrize("given", [{"require-encryption": True}, {"tls.ca-file": "ca.pem"}, {"tls.worker.key": "k"}])
def test_half_of_tls_is_none(given, pretended):
    named = {f"distributed.comm.{name}": value for name, value in given.items()}
    with dask.config.set({**settings("sge"), **named}):
        assert f"names {sum('tls' in name for name in given)}: set distributed.comm.tls." in refusal(
            "sge", pretended, Security()
        )
