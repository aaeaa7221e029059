"""Whatever a sweep over machines leaves: tables and checks count the same launches, each once, and no clock matters."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.checks import slim
from benchmarks.checks.counted import counted
from benchmarks.storage import line
from report import load
from report.compare import newest
from tests.unit.conftest import examples

BASE = "20260101T000000-aaaaaa"
KINDS = {"1": "small", "2": "small", "3": "large"}
LAUNCH = st.fixed_dictionaries({
    "member": st.sampled_from("123"),
    "attempt": st.integers(1, 2),
    "round": st.just(0),
    "framework": st.sampled_from(("torch", "jax")),
    "status": st.sampled_from(("ok", "invalid", "interrupted")),
    "second": st.integers(0, 59),
    "told": st.booleans(),
})  # fmt: skip


def once(found):
    """Return what makes a drawn launch one that a member makes: of an attempt on one machine, once."""
    kind = KINDS[found["member"]]
    return kind, found["attempt"], found["round"], found["framework"], found["status"] == "interrupted"


FAMILIES = st.lists(LAUNCH, unique_by=once, min_size=2, max_size=16)


def write(folder, row, drawn, seconds):
    """Write the driver's file, with what was interrupted if no member `told` of it, and the members'."""
    texts = {BASE: [line("run", {"sweep": BASE, "engine": {"name": "dask"}})]}
    for member, kind in KINDS.items():
        name = f"{BASE}.m0{member}"
        texts[name] = [line("run", {"sweep": name, "machine_kind": kind, "part_of": BASE})]
    for found, second in zip(drawn, seconds, strict=True):
        lost = found["status"] == "interrupted" and not found["told"]
        sweep = BASE if lost else f"{BASE}.m0{found['member']}"
        kind = KINDS[found["member"]]
        about = {"device_name": kind, "cell": ("1" if kind == "small" else "2") * 16}
        began = f"2026-01-01T00:00:{second:02}"
        known = {name: found[name] for name in ("attempt", "round", "framework", "status")}
        made = {**row, **about, **known, "sweep": sweep, "started_at": began}
        texts[sweep].append(line("row", made))
    for name, lines in texts.items():
        (folder / f"{name}.jsonl").write_bytes(b"".join(lines))


def launches(row):
    return tuple(row[name] for name in ("device_name", "framework", "round", "attempt", "status"))


def shown(row, drawn, seconds):
    """Return the launches that tables count, and those that checks count."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, row, drawn, seconds)
        tables = newest(load(folder)).to_dict("records")
        checks = counted(slim.read_all(folder)).rows
    return sorted(map(launches, tables)), sorted(map(launches, checks))


@settings(
    max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # only read
@given(drawn=FAMILIES)
def test_tables_and_checks_count_each_launch_once_by_attempts_alone(row, drawn):
    tables, checks = shown(row, drawn, [found["second"] for found in drawn])
    assert tables == checks
    assert tables == shown(row, drawn, [59 - found["second"] for found in drawn])[0]
    launched = [(device, framework, number) for device, framework, number, *_ in tables]
    assert len(launched) == len(set(launched))
    for kind in set(KINDS.values()):
        own = [found for found in drawn if KINDS[found["member"]] == kind]
        made = [found["attempt"] for found in own if found["status"] != "interrupted"]
        measured = {attempt for device, *_, attempt, status in tables if device == kind and status != "interrupted"}
        assert measured == ({max(made)} if made else set())
        last = max(made, default=0)
        asked = {(found["framework"], found["round"]) for found in own if found["attempt"] >= last}
        assert asked == {(framework, number) for device, framework, number in launched if device == kind}
