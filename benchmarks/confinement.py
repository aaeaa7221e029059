"""How a worker's memory is limited: in a control group of its own where one can be made, else by RLIMIT_DATA.

A group's limit is on what is really resident, and the kernel counts whom it killed, which is evidence. RLIMIT_DATA
(setrlimit(2), since Linux 4.7) makes an allocation fail instead. It counts private writable mappings, touched or not;
RLIMIT_AS would count address space that frameworks reserve and never use, terabytes of it with CUDA. Needs the standard
library alone: the worker enters its limit by itself, before it does anything else.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

GROUP, RLIMIT = "group:", "rlimit:"


def enter(limit: str) -> None:
    """Confine this process: `group:FOLDER` of a control group, `rlimit:BYTES`, or an empty string for no limit."""
    if limit.startswith(GROUP):
        (Path(limit.removeprefix(GROUP)) / "cgroup.procs").write_text(str(os.getpid()))
    elif limit.startswith(RLIMIT):
        size_bytes = int(limit.removeprefix(RLIMIT))
        resource.setrlimit(resource.RLIMIT_DATA, (size_bytes, size_bytes))
