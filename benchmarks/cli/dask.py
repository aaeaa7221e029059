"""A sweep over several machines, and the commands that make them its members; docs/engine.md."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli import options
from benchmarks.cli.display import MembersDisplay, Reportable, summarise_when_ended
from benchmarks.cli.options import cluster
from benchmarks.cli.program import program
from benchmarks.cli.terminal import err, out, say
from benchmarks.errors import UsageError, require
from benchmarks.files import default_cache
from benchmarks.machine import environments
from benchmarks.plan.cells import Request
from benchmarks.record import store

HOW = "make the environment that has it: tox run --notest -e engine, and type .tox/engine/bin/python in place of python"
Insecure = Annotated[bool, cluster("Without TLS, in a network that you trust.", name="--insecure")]
Patience = Annotated[float, cluster("Silence after which the other side counts as lost.", "SECONDS", min=1)]
Folder = Annotated[
    Path | None, cluster("Where lines are kept until the driver has them.", "DIR", show_default="member/ in the cache")
]
DEFAULT_PATIENCE_S = 60.0


def schedule(
    host: Annotated[str, cluster("Address to listen at.", "ADDRESS")] = "127.0.0.1",
    port: Annotated[int, cluster("0 for any that is free.", "N", min=0, max=65535)] = 8786,
    dashboard: Annotated[str, cluster("Address of Dask's dashboard.", "ADDRESS")] = "127.0.0.1:8787",
    patience: Patience = DEFAULT_PATIENCE_S,
    insecure: Insecure = False,
) -> None:
    """Be the scheduler that members join and drivers ask, until Ctrl-C."""
    require("cluster schedule", "distributed", instead=HOW)
    from benchmarks.sweep.dask import scheduler  # noqa: PLC0415

    scheduler.apply(patience)
    scheduler.serve(host, port, dashboard, insecure, say)


def join(
    address: Annotated[str, typer.Argument(help="The scheduler's: tls://HOST:8786.")],
    framework: options.Frameworks = None,
    name: Annotated[str | None, cluster("How Dask knows this machine.", "NAME")] = None,
    folder: Folder = None,
    patience: Patience = DEFAULT_PATIENCE_S,
    insecure: Insecure = False,
    python: options.Pythons = None,
    nthreads: Annotated[int, typer.Option(hidden=True)] = 1,
    memory_limit: Annotated[str, typer.Option(hidden=True)] = "0",
    death_timeout: Annotated[float | None, typer.Option(hidden=True)] = None,
    local_directory: Annotated[str, typer.Option(hidden=True)] = "",
    interface: Annotated[str | None, typer.Option(hidden=True)] = None,
    protocol: Annotated[str, typer.Option(hidden=True)] = "",
    tls_ca_file: Annotated[str | None, typer.Option(hidden=True)] = None,
    tls_cert: Annotated[str | None, typer.Option(hidden=True)] = None,
    tls_key: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Make this machine a member: it measures for whoever asks the scheduler, one block at a time, until Ctrl-C.

    Its environments are probed first. Exit code 69 when the scheduler has been gone for longer than --patience.
    """
    # The hidden options are what dask-jobqueue hands to every worker that it starts.
    require("cluster join", "distributed", instead=HOW)
    from benchmarks.sweep.dask import facts, member, scheduler  # noqa: PLC0415

    if nthreads != 1:
        raise UsageError(f"--nthreads {nthreads}: a member has one measuring slot")
    patience = death_timeout or patience
    scheduler.apply(patience)
    scheduler.certify_worker(tls_ca_file, tls_cert, tls_key)
    full = scheduler.checked(address, insecure)
    scheduler.security(full, "worker")
    environments.override_interpreters(python or [])
    say("looking at this machine's environments")
    machine = facts.machine_facts(framework)
    for probe in facts.probes_of(machine).values():
        say(f"{probe.framework} on {probe.device}: {probe.problem or probe.version}")
    member.run_member(
        member.Member(machine, folder or default_cache() / "member", say), full, name, patience, interface
    )


def collect(
    address: Annotated[
        str | None, typer.Argument(help="The scheduler's; without it what this machine has kept.", show_default=False)
    ] = None,
    results: options.Results = options.RESULTS,
    folder: Folder = None,
    patience: Patience = DEFAULT_PATIENCE_S,
    insecure: Insecure = False,
) -> None:
    """Fetch what members have measured and no driver has taken over, from a scheduler's members or this machine's own.

    A driver that was killed leaves lines with its members. Lines that we have already are not fetched twice.
    """
    require("cluster collect", "distributed", instead=HOW)
    from benchmarks.sweep.dask import scheduler  # noqa: PLC0415
    from benchmarks.sweep.dask.workers import from_folder, from_members  # noqa: PLC0415

    if address is None:
        fetched = from_folder(folder or default_cache() / "member", results)
    else:
        scheduler.apply(patience)
        fetched = from_members(scheduler.checked(address, insecure), results, say)
    for sweep, lines in fetched.items():
        out.print(f"{sweep}: {lines:,} lines", markup=False, highlight=False)
    if not fetched:
        say("nothing to collect")


def run_over_dask(
    request: Request, scheduler: str | None, members: int, patience_s: float, insecure: bool
) -> Reportable:
    """Measure everything on the members of the scheduler at an address and return the sweep.

    Without an address nodes of Slurm join a scheduler of ours. `members` must have joined before anything is measured;
    with Slurm it is how many nodes to ask for.
    """
    require("--engine dask", "distributed", instead=HOW)
    from benchmarks.sweep.dask.driver import Driver  # noqa: PLC0415
    from benchmarks.sweep.dask.scheduler import apply, checked, connected  # noqa: PLC0415

    apply(patience_s)
    store.check(request.results)
    with contextlib.ExitStack() as stack:
        if scheduler is not None:
            address = checked(scheduler, insecure)
        else:
            from benchmarks.sweep.dask.slurm import cluster  # noqa: PLC0415

            address = stack.enter_context(cluster(members, insecure, patience_s)).scheduler_address
        client = stack.enter_context(connected(address))
        say(f"scheduler at {client.scheduler.address}; dashboard at {client.dashboard_link or 'none'}")
        display = MembersDisplay(err)
        sweep = Driver(client, request, display, members, patience_s, queued=scheduler is None)
        with summarise_when_ended(sweep, display):
            sweep.run()
        return sweep


COMMANDS = {"schedule": schedule, "join": join, "collect": collect}
cluster_commands = program(COMMANDS, "A sweep over several machines: the scheduler, its members, what they still have.")
