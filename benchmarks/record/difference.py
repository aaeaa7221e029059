"""What differs between two runs, or between two frameworks or arms of one: packages, libraries, kernels, settings.

All of it stands in the runs' records, the first line of each results file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.errors import UsageError, shown
from benchmarks.record import store
from benchmarks.record.store import Record

# Of a run's record: what names the run, is of that moment alone, or was asked for.
LEFT_OUT = ("schema_version", "sweep", "resumes", "part_of", "ceilings", "requested")
MOMENTARY = ("machine.load_average", "machine.frequencies_mhz")
ABSENT = "none"


def newest_run(place: Path) -> Record:
    """Return the record of a results file's run, of a folder that of its newest; UsageError where there is none."""
    found = [place] if place.is_file() else store.files(place) if place.is_dir() else []
    for path in reversed(found):
        if run := store.run_of(path):
            return run
    raise UsageError(f"{shown(place)} has no run; expected a results file, or a folder of them")


def environments_of(run: Mapping[str, Any], arms: tuple[str, str]) -> tuple[Record, Record]:
    """Return what a run's record says of the environments of two frameworks or arms; UsageError where it has none."""
    known: Mapping[str, Record] = run.get("frameworks", {})
    by_arm = {name.rpartition("-")[0]: facts for name, facts in known.items()}
    for arm in arms:
        if arm not in by_arm:
            raise UsageError(f"no {arm} in the newest run; it has {', '.join(sorted(by_arm)) or 'no framework'}")
    one, other = (by_arm[arm] for arm in arms)
    return one, other


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what differs as (what, in one, in the other), by name; `none` where one has nothing there.

    An environment that only one of them has is one line.
    """
    common = set(one.get("frameworks", {})) & set(other.get("frameworks", {}))
    first, second = (dict(_leaves(record, "", common)) for record in (one, other))
    pairs = [(name, first.get(name, ABSENT), second.get(name, ABSENT)) for name in sorted({*first, *second})]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _leaves(value: Mapping[str, Any], within: str, environments: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield each value that is no object as text, by the path to it; of `environments` alone what is in them."""
    for key, part in value.items():
        path = f"{within}{key}"
        if (key in LEFT_OUT and not within) or path in MOMENTARY:
            continue
        if within == "frameworks." and key not in environments:
            yield path, "measured"
        elif isinstance(part, Mapping):
            yield from _leaves(part, f"{path}.", environments)
        elif isinstance(part, list):
            yield path, ", ".join(map(str, part)) or ABSENT
        else:
            yield path, ABSENT if part is None else str(part)
