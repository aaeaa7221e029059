"""Which launches count, whatever sweeps over machines and sweeps that resume them leave: held to the rule in words.

The rule is written here once more as slowly and plainly as it can be said, launch by launch; no clock is read.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.record.store import _line
from report.results import rules
from report.results.load import load
from report.tables.compare import newest
from tests.unit.conftest import examples

BASES = {"first": "20260101T000000-aaaaaa", "second": "20260102T000000-aaaaaa"}
KINDS = {"1": "small", "2": "small", "3": "large"}
LAUNCH = st.fixed_dictionaries({
    "of": st.sampled_from(tuple(BASES)),
    "member": st.sampled_from("123"),
    "attempt": st.integers(1, 2),
    "round": st.integers(0, 1),
    "framework": st.sampled_from(("torch", "jax")),
    "status": st.sampled_from(("ok", "invalid", "interrupted")),
    "second": st.integers(0, 59),
    "told": st.booleans(),
    "lock": st.sampled_from("xy"),
    "revision": st.sampled_from((None, None, None, "abc")),
})  # fmt: skip


def once(found):
    """Return what makes a drawn launch one that a member makes: of an attempt on one machine, once."""
    names = ("of", "attempt", "round", "framework", "revision")
    return KINDS[found["member"]], *(found[name] for name in names), found["status"] == "interrupted"


FAMILIES = st.lists(LAUNCH, unique_by=once, min_size=2, max_size=20)


def rows(row, drawn, seconds):
    """Return the rows of drawn launches; what was interrupted stands in the driver's file if no member `told` of it."""
    made = []
    for found, second in zip(drawn, seconds, strict=True):
        base, kind = BASES[found["of"]], KINDS[found["member"]]
        lost = found["status"] == "interrupted" and not found["told"]
        about = {"device_name": kind, "cell": ("1" if kind == "small" else "2") * 15 + found["lock"]}
        known = {name: found[name] for name in ("attempt", "round", "framework", "status", "revision")}
        sweep = base if lost else f"{base}.m0{found['member']}"
        made.append({**row, **about, **known, "sweep": sweep, "started_at": f"2026-01-01T00:00:{second:02}"})
    return made


def write(folder, made, resumed):
    """Write both drivers' files and those of their members."""
    texts = {}
    for name, base in BASES.items():
        resumes = {"resumes": [f"{BASES['first']}.m01"]} if resumed and name == "second" else {}
        texts[base] = [_line("run", {"sweep": base, "engine": {"name": "dask"}, **resumes})]
        for member, kind in KINDS.items():
            texts[f"{base}.m0{member}"] = [
                _line("run", {"sweep": f"{base}.m0{member}", "machine_kind": kind, "part_of": base, **resumes})
            ]
    for row in made:
        texts[row["sweep"]].append(_line("row", row))
    for name, lines in texts.items():
        (folder / f"{name}.jsonl").write_bytes(b"".join(lines))


def base_of(row):
    return row["sweep"].split(".m")[0]


def with_kinds(made):
    """Return the rows with their kinds of machine: a driver's own are of the kind whose members have their identity."""
    found = []
    for row in made:
        known = {r["cell"]: r["device_name"] for r in made if ".m" in r["sweep"] and base_of(r) == base_of(row)}
        found.append({**row, "kind": row["device_name"] if ".m" in row["sweep"] else known.get(row["cell"], "unknown")})
    return found


def truth(made, resumed):
    """Return the launches that count, by the rule in words."""
    made = with_kinds(made)

    def session(row):
        return BASES["second"] if resumed else base_of(row)

    def place(row):
        return base_of(row), row["attempt"]

    def among(rows, row, *names):
        return [other for other in rows if all(other[name] == row[name] for name in names)]

    def overtaken(row):
        """A later attempt at its comparison measured something."""
        own = [other for other in among(made, row, "device_name", "kind") if session(other) == session(row)]
        return any(place(other) > place(row) for other in own if other["status"] != "interrupted")

    current = [row for row in made if not overtaken(row) and row["revision"] is None]

    def counts(row):
        cell = among(current, row, "device_name", "kind", "framework")
        measured = [other for other in cell if other["status"] != "interrupted"]
        if row["status"] != "interrupted":  # of the session's last measurement, and of an identity that it has too
            newest_one = max(map(session, measured))
            session_s = [other for other in measured if session(other) == newest_one]
            last = max(other["sweep"] for other in session_s)
            identities = {other["cell"] for other in session_s if other["sweep"] == last}
            return session(row) == newest_one and row["cell"] in identities
        later = [  # nobody made the launch in the session, and nobody made or lost it later
            other for other in among(cell, row, "round")
            if (session(other), other["status"] != "interrupted", place(other)) > (session(row), False, place(row))
        ]  # fmt: skip
        return session(row) == max(map(session, cell)) and not later

    return [row for row in current if counts(row)]


def launches(found):
    names = ("device_name", "framework", "sweep", "round", "attempt", "status", "cell")
    return sorted(tuple(row[name] for name in names) for row in found)


def counted(made, resumed):
    """Return the launches that tables count."""
    with tempfile.TemporaryDirectory() as name:
        write(folder := Path(name), made, resumed)
        frame = load(folder, ["revision"])
        return launches(newest(frame[frame["revision"].isna()]).to_dict("records"))


def checked(made, resumed):
    """Return the launches that checks look at."""
    with tempfile.TemporaryDirectory() as name:
        write(folder := Path(name), made, resumed)
        return launches(rules._records(rules._counted(rules.read_all(folder, rules.READ)).rows))


ONLY_READ = HealthCheck.function_scoped_fixture


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[ONLY_READ])
@given(drawn=FAMILIES, resumed=st.booleans())
def test_each_launch_counts_once_by_sessions_and_attempts_alone(row, drawn, resumed):
    made = rows(row, drawn, [found["second"] for found in drawn])
    expected = launches(truth(made, resumed))
    assert checked(made, resumed) == expected
    assert expected == counted(rows(row, drawn, [59 - found["second"] for found in drawn]), resumed)
