"""Whether a set of launches was measured on a busy machine, and what kept it busy: one sentence for all who show it.

A verdict that too few rounds allow none says nothing of the reason where most launches were disturbed; this does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.errors import count
from benchmarks.machine.noise import DRIFT
from benchmarks.record.schema import names
from benchmarks.worker.interference import FOREIGN, STOLEN

MANY = 1 / 3  # of the launches: with more than that noisy, a set says so before it says anything else
READ = names(  # the columns that are read here
    "task", "status", "flags", "foreign_share", "stolen_share", "canary_before_s", "canary_after_s", "cpu_throttled_s",
    "train_timed_between_s", "threads", "gpu_other_processes",
)  # fmt: skip
QUOTA = "a quota of CPU time"
UNSEEN = "suspension, swapping, heat or a slower CPU"  # what no column holds, or only the rest of a sweep tells
IDLE = "repeat when the machine is idle; `python -m benchmarks info check` shows what is busy"
WIDER = "give fewer --threads, or raise the quota; `python -m benchmarks info check` shows it"


def is_noisy(flags: Sequence[str] | None, cpu_throttled_s: float | None) -> bool:
    """Return whether something else than the launch decided its speed, too; a card's own clock does not count."""
    return "noisy" in (flags or ()) or _known(cpu_throttled_s) > 0


def of_rows(launches: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence if more than MANY of the speed launches that ended ok were noisy, else nothing.

    `launches` are rows with the columns READ; of each noisy one the largest cause counts.
    """
    timed = [row for row in launches if row["task"] == "speed" and row["status"] == "ok"]
    noisy = [row for row in timed if is_noisy(row["flags"], row["cpu_throttled_s"])]
    return sentence(noisy, len(timed))


def are_many(noisy: int, of: int) -> bool:
    """Return whether so many noisy launches are worth a word."""
    return noisy > MANY * of


def sentence(noisy: Sequence[Mapping[str, Any]], of: int) -> str:
    """Return the same for launches of which these were noisy."""
    if not are_many(len(noisy), of):
        return ""
    causes = Counter(map(cause, noisy)).most_common()
    words = ", ".join(f"{number:,} by {what}" for what, number in causes)
    advice = WIDER if causes[0][0] == QUOTA else IDLE
    verb = "was" if of == 1 else "were"
    return f"{len(noisy):,} of {count(of, 'launch', 'launches')} {verb} noisy: {words}; {advice}"


def cause(row: Mapping[str, Any]) -> str:
    """Return what took the largest share of a noisy launch's time, or of its CPUs' speed.

    While a quota holds a launch back its CPUs are free for others: what they took then is not why it was slow.
    """
    between = _list(row["train_timed_between_s"])
    cpu_s = row["threads"] * (max(between, default=0.0) - min(between, default=0.0))
    held = _known(row["cpu_throttled_s"]) / cpu_s if cpu_s else 0.0
    canaries = zip(_list(row["canary_before_s"]), _list(row["canary_after_s"]), strict=False)
    changes = [abs(after / before - 1) for before, after in canaries if before > 0]
    shares = {
        "other processes": (_known(row["foreign_share"]) - held, FOREIGN),
        "the hypervisor": (_known(row["stolen_share"]), STOLEN),
        "a CPU that changed its speed": (max(changes, default=0.0), DRIFT),
        QUOTA: (held, 0.0),
    }
    found = {what: share for what, (share, tolerated) in shares.items() if share > tolerated}
    if found:
        return max(found, key=lambda what: found[what])
    return "other processes on the card" if _known(row["gpu_other_processes"]) else UNSEEN


def _list(value: Any) -> Sequence[float]:
    """Return a list of a row, empty where it has none: a frame has other values for that."""
    return value if isinstance(value, list) else []


def _known(value: Any) -> float:
    """Return a number of a row, likewise 0."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0.0
