"""What a job asks of its queue: a node of its own, whole, once, and the surroundings that a member needs there.

What is beyond this (queue, account, walltime, interface, ...) dask-jobqueue reads from Dask's own configuration,
`jobqueue.KIND.*` in ~/.config/dask/jobqueue.yaml or DASK_JOBQUEUE__KIND__*; lists of the user's and ours are joined.
Slurm's part is tested with a real Slurm (tests/engine/test_slurm.py); the others' follow their manuals.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask

from benchmarks.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]
# A whole node, and never again. SGE has what its administrator made for it, which is named so by custom.
DIRECTIVES = {
    "slurm": ("--exclusive", "--no-requeue"),
    "pbs": ("-l place=excl", "-r n"),
    "lsf": ("-x", "-rn"),
    "sge": ("-l exclusive=true", "-r n"),
}


def setting(kind: str, name: str, default: Any) -> Any:
    """Return what Dask's configuration says of one kind of queue."""
    found = dask.config.get(f"jobqueue.{kind}.{name}", None)
    return default if found is None else found


def prologue(own: Sequence[str]) -> list[str]:
    """Return the lines of a job's script before its member, with the user's `own` ones after our settings.

    PBS and SGE start in another folder and without the variables of whoever submits.
    """
    variables = {name: value for name, value in os.environ.items() if name.startswith(("DASK_", "LOCKSTEP_"))}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]
    return [*exports, *own, f"export PYTHONPATH={shlex.quote(str(ROOT))}", f"cd {shlex.quote(str(ROOT))} || exit 1"]


def resources(kind: str) -> dict[str, Any]:
    """Return what a job asks of its node: one measuring slot (a thread to Dask), and everything that the node has.

    An exclusive node alone is not enough where a job is confined to the memory and the cores that it has asked for.
    """
    asked: dict[str, Any] = {"cores": 1, "processes": 1, "memory": setting(kind, "memory", "1 GiB")}
    if kind == "slurm":  # --exclusive grants all cores, but 1 GiB; 0 stands for all
        asked["job_mem"] = setting(kind, "job-mem", "0")
    if kind == "lsf" and setting(kind, "mem", None) is None:  # a limit of our 1 GiB; the units then mean nothing
        asked |= {"job_directives_skip": [*setting(kind, "job-directives-skip", []), "#BSUB -M"], "lsf_units": "mb"}
    if kind == "pbs" and setting(kind, "resource-spec", None) is None:
        raise UsageError(
            "PBS gives a job only what it counts up, and nothing is: set jobqueue.pbs.resource-spec of Dask's "
            "configuration to a whole node, for example DASK_JOBQUEUE__PBS__RESOURCE_SPEC=select=1:ncpus=64:mem=240gb"
        )
    return asked
