"""Members as jobs of a real Slurm of two nodes; run inside .tox/engine, which has dask-jobqueue."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import dask
import pytest
from distributed import Client, Security

from benchmarks.errors import UsageError
from benchmarks.machine.environments import ROOT
from benchmarks.sweep.dask.slurm import cluster
from tests.engine.slurm import Slurm, missing, slurm
from tests.process.faults.processes import alive, until

DAEMONS = ["munged", "slurmctld", "slurmd", "slurmd"]
MEMBER = {"command": "distributed.cli.dask_worker", "options": ("--no-nanny", "--no-dashboard")}
ROLES = ("scheduler", "worker", "client")
SECONDS = 60


@pytest.fixture(scope="module")
def running() -> Iterator[Slurm]:
    if absent := missing():
        pytest.skip(f"Slurm is not installed here (no {', '.join(absent)}): apt-get install slurm-wlm munge")
    with slurm() as started:
        yield started


@pytest.fixture
def queue(running, tmp_path, monkeypatch) -> Iterator[Slurm]:
    """A Slurm that this process's commands mean; whatever a test does, no job and nothing of one may be left."""
    for name in ("SLURM_CONF", "PATH"):
        monkeypatch.setenv(name, running.environment[name])
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    with dask.config.set({"jobqueue.slurm.interface": "lo"}):
        yield running
    until(lambda: not running.jobs(), f"an empty queue: {running.jobs()}", SECONDS, 0.2)
    until(lambda: sorted(p.name() for p in alive(running.processes())) == DAEMONS, "no process of a job")


def where() -> tuple[str, str, str]:
    """Say of a member: its node, its folder, and where it imports from."""
    return os.environ["SLURMD_NODENAME"], os.getcwd(), os.environ["PYTHONPATH"]


def asked(client: Client, name: str) -> tuple[str, str, str]:
    return client.submit(where, workers=[name], pure=False, retries=0).result(SECONDS)


def test_each_member_has_a_node_of_its_own(queue, tmp_path):
    with cluster(2, folder=tmp_path / "jobs", **MEMBER) as started, Client(started) as client:
        client.wait_for_workers(2, SECONDS)
        assert started.scheduler_address.startswith("tcp://127.0.0.1:")
        members = client.scheduler_info(n_workers=-1)["workers"].values()
        assert sorted((member["name"], member["nthreads"]) for member in members) == [("slurm-0", 1), ("slurm-1", 1)]
        found = [asked(client, name) for name in ("slurm-0", "slurm-1")]
        assert sorted(found) == [("one", str(ROOT), str(ROOT)), ("two", str(ROOT), str(ROOT))]
        assert sorted(job.split()[1:] for job in queue.jobs()) == [["RUNNING", "one"], ["RUNNING", "two"]]
        granted = "\n".join(queue.ask("scontrol", "show", "job"))
        assert granted.count(f"NumCPUs={os.cpu_count()} ") == 2
        assert granted.count("OverSubscribe=NO") == granted.count("Requeue=0") == granted.count("MinMemoryNode=0") == 2


def test_a_job_too_many_waits_and_is_cancelled_like_the_others(queue, tmp_path):
    with cluster(3, folder=tmp_path / "jobs", **MEMBER) as started, Client(started) as client:
        client.wait_for_workers(2, SECONDS)
        assert sorted(job.split()[1] for job in queue.jobs()) == ["PENDING", "RUNNING", "RUNNING"]


def test_a_lost_job_is_not_submitted_again(queue, tmp_path):
    jobs = tmp_path / "jobs"
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}),
        cluster(2, folder=jobs, **MEMBER) as started,
        Client(started) as client,
    ):
        client.wait_for_workers(2, SECONDS)
        first = next(job.split()[0] for job in queue.jobs() if job.endswith(" one"))
        queue.ask("scancel", first)
        until(lambda: len(started.workers) == 1, "the job given up", SECONDS, 0.2)
        until(lambda: len(queue.jobs()) == 1, "one job in the queue", SECONDS, 0.2)
        time.sleep(5)  # `adapt`, in place of our own submission, brings it back within this time
        assert [job.split()[2] for job in queue.jobs()] == ["two"]
        assert len(list(jobs.glob("*.out"))) == 2
        assert asked(client, next(iter(started.workers)))[0] == "two"


def test_a_cancelled_member_gets_time_to_end(queue, tmp_path):
    says = tmp_path / "it's here"
    member = {"command": "tests.engine.patient", "options": ("--says", str(says))}
    with cluster(1, folder=tmp_path / "jobs", **member):
        until(says.exists, "the member", SECONDS)
    until(lambda: says.read_text() == "ended by SIGTERM", "an end of its own", SECONDS)


def test_a_refused_job_is_told_and_takes_the_others_along(queue, tmp_path, monkeypatch):
    wrapper = tmp_path / "bin" / "sbatch"
    wrapper.parent.mkdir()
    sbatch = queue.ask("sh", "-c", "command -v sbatch")[0]
    wrapper.write_text(
        f'#!/bin/sh\nmkdir {tmp_path}/first 2> /dev/null && exec {sbatch} "$@"\nexec {sbatch} -p no "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    refused = pytest.raises(
        UsageError, match=r"^slurm refused a job of 2: .*invalid partition specified: no .*jobqueue"
    )
    with refused, cluster(2, folder=tmp_path / "jobs", **MEMBER):
        pytest.fail("a scheduler with half of its members")
    assert (tmp_path / "first").exists()


def test_members_come_by_tls_if_dask_has_certificates(queue, tmp_path):
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    line = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=lockstep"]
    subprocess.run([*line, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = {"ca-file": certificate}
    tls |= {f"{role}.{file}": path for role in ROLES for file, path in (("cert", certificate), ("key", key))}
    named = {f"distributed.comm.tls.{name}": path for name, path in tls.items()}
    with dask.config.set({**named, "distributed.comm.require-encryption": True}):
        security = Security()
        with (
            cluster(1, folder=tmp_path / "jobs", **MEMBER) as started,
            Client(started.scheduler_address, security=security) as client,
        ):
            client.wait_for_workers(1, SECONDS)
            assert all(address.startswith("tls://") for address in client.scheduler_info(n_workers=-1)["workers"])
            assert asked(client, "slurm-0")[1] == str(ROOT)


def test_what_a_job_leaves_behind_is_told_and_ended(running):
    """proctrack/pgid does not see a process that made a session of its own, so that Slurm itself lets it live."""
    told = pytest.raises(AssertionError, match=r"outlived Slurm.*sleep")
    with told, slurm() as own:
        own.ask("sbatch", "--output", "/dev/null", "--wrap", "setsid sleep 300 & sleep 1")
        until(lambda: "sleep" in [process.name() for process in own.processes()], "the job's process", SECONDS)
        until(lambda: not own.jobs(), "the job's end", SECONDS)
    assert not alive(own.processes())
    assert not own.folder.exists()
