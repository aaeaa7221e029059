"""Members that Slurm starts through dask-jobqueue, each job alone on its node.

dask-jobqueue reads all else (queue, account, walltime, interface, ...) from Dask's own configuration,
`jobqueue.slurm.*` in ~/.config/dask/jobqueue.yaml or DASK_JOBQUEUE__SLURM__*; lists of the user's and ours are joined.

What dask-jobqueue 0.9.0 and Slurm do, and what follows from it:

- A job that ends, by its walltime, a kill or a node that fails, is never submitted again by dask-jobqueue unless its
  `scale` or `adapt` is called afterwards; then it comes back under the same name. So neither is ever called here:
  every job is submitted once, and a lost member stays lost. 15 s after a member has left the scheduler
  (distributed.deploy.lost-worker-timeout) its job is cancelled, if the member has not come back until then.
- Slurm itself runs a job again, with the same id, when its node fails. That is switched off.
- A job that is cancelled or reaches its walltime (dask-jobqueue's default is 30 minutes) is sent SIGTERM and some
  seconds later SIGKILL (KillWait, 30 s), but the shell of a job's script dies of the first, and Slurm kills
  what is left as soon as the shell has gone: the member would have no time to end its worker. So the member
  replaces the shell (exec) and gets the signal itself.
- Jobs may outlive a driver that was killed: a member that has lost its scheduler must end by itself
  (--death-timeout, dask-jobqueue's default is 60 s).
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
from dask_jobqueue import SLURMCluster
from distributed import Security
from distributed.core import Status
from distributed.utils import get_ip_interface

from benchmarks.errors import UsageError
from benchmarks.files import default_cache
from benchmarks.machine.environments import ROOT
from benchmarks.plan.typed import is_loopback
from benchmarks.sweep.dask.scheduler import certified

JOIN = "benchmarks cluster join"  # what `python -m` runs in a job; the scheduler's address and options follow
DIRECTIVES = ("--exclusive", "--no-requeue")  # a whole node, and never again


@contextmanager
def cluster(
    nodes: int,
    insecure: bool = False,
    death_timeout_s: float | None = None,
    *,
    folder: Path | None = None,
    command: str = JOIN,
    options: Sequence[str] = (),
) -> Iterator[SLURMCluster]:
    """Start a scheduler in this process and submit `nodes` jobs that join it; at the end cancel all of them.

    Yields dask-jobqueue's cluster, whose `scheduler_address` and `dashboard_link` may be asked; its `scale` and
    `adapt` may not. Members are named slurm-0, slurm-1, ...; they come when the queue lets them, perhaps much later.
    What the jobs print goes to `folder`, by default in the cache, because nodes see the home folder of whoever
    submits; they must see the checkout and its environments, too. `options` are further arguments of `command`; a
    member ends by itself when it has had no scheduler for `death_timeout_s` (None: what Dask's configuration says).

    Raises UsageError where Slurm's programs are missing or refuse a job, or members could be reached by anybody.
    """
    job, security = SLURMCluster.job_cls, Security()
    _require_programs(job.submit_command, job.cancel_command)
    tls = certified(security)
    if insecure:
        options = (*options, "--insecure")
    elif not tls:
        _require_loopback()
    begun = SLURMCluster(
        name="slurm",
        job_cls=_closing(job),
        security=security if tls else None,  # not None means TLS to dask-jobqueue
        scheduler_options={**_setting("scheduler-options", {}), "dashboard_address": "127.0.0.1:0"},
        python=f"exec {shlex.quote(sys.executable)}",
        job_name="lockstep",
        worker_command=command,
        worker_extra_args=[*_setting("worker-extra-args", []), *map(shlex.quote, options)],
        job_script_prologue=_prologue(_setting("job-script-prologue", [])),
        job_extra_directives=[*_setting("job-extra-directives", []), *DIRECTIVES],
        log_directory=str((folder or default_cache() / "jobs").absolute()),
        death_timeout=death_timeout_s,
        # One measuring slot (a thread to Dask), and all that the node has: --exclusive grants all cores, but 1 GiB of
        # memory to a job that is confined to what it asked for; 0 stands for all of it.
        cores=1,
        processes=1,
        memory=_setting("memory", "1 GiB"),
        job_mem=_setting("job-mem", "0"),
    )
    try:
        _submit(begun, nodes)
        yield begun
    finally:
        begun.close()


def _setting(name: str, default: Any) -> Any:
    """Return what Dask's configuration says of Slurm."""
    value = dask.config.get(f"jobqueue.slurm.{name}", None)
    return default if value is None else value


def _prologue(own: Sequence[str]) -> list[str]:
    """Return the lines of a job's script before its member, with the user's `own` ones after our settings."""
    variables = {name: value for name, value in os.environ.items() if name.startswith(("DASK_", "LOCKSTEP_"))}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    return [*exports, *own, f"export PYTHONPATH={shlex.quote(str(ROOT))}", f"cd {shlex.quote(str(ROOT))} || exit 1"]


def _require_programs(*lines: str) -> None:
    """Refuse to go on where the commands are not here that submit and cancel a job."""
    names = [shlex.split(line)[0] for line in lines]
    if absent := [name for name in names if not shutil.which(name)]:
        raise UsageError(
            f"--cluster slurm needs {' and '.join(names)}, and PATH has no {' and no '.join(absent)}: run this "
            f"where jobs of Slurm are submitted, or start members by hand with python -m {JOIN} ADDRESS"
        )


def _require_loopback() -> None:
    """Refuse a scheduler without TLS that other machines could reach; asked before it listens."""
    options = _setting("scheduler-options", {})
    interface = options.get("interface") or _setting("interface", None)
    host = options.get("host")
    try:
        if interface and not host:
            host = get_ip_interface(interface)
    except ValueError as error:
        raise UsageError(f"jobqueue.slurm of Dask's configuration has no usable interface: {error}") from None
    if not is_loopback(host or ""):
        raise UsageError(
            f"--cluster slurm without TLS would let anybody who reaches {host or 'this machine'} run programs here: "
            "name certificates in Dask's configuration (docs/engine.md), or trust the network with --insecure"
        )


def _closing(job: Any) -> Any:
    """Return a job class that says when it has been closed, which SpecCluster asserts and dask-jobqueue forgets."""

    async def close(self: Any) -> None:
        await job.close(self)
        self.status = Status.closed

    return type(job.__name__, (job,), {"close": close})


def _submit(begun: Any, nodes: int) -> None:
    """Submit all jobs; unlike `scale`, which only logs it, this says when Slurm refuses one."""

    async def all_of_them() -> None:
        while len(begun.worker_spec) < nodes:
            begun.worker_spec.update(begun.new_worker_spec())
        await begun

    try:
        begun.sync(all_of_them)
    except RuntimeError as error:  # of dask-jobqueue: exit code, command, stdout and stderr, each on lines of its own
        words = " ".join(str(error).partition("stderr:")[2].split()) or str(error)
        raise UsageError(
            f"slurm refused a job of {nodes}: {words}; see jobqueue.slurm of Dask's configuration"
        ) from None
