"""Are all lines of the results whole, did all sweeps come to their end, may figures in a table be compared?

For `info check`. The files themselves are read, never what the cache holds of them: a byte that changed on the
disk is to be found. The rules that results keep if figures may be compared have a number each; RULES_VERSION names the
set. A rule looks at the launches that tables count, with what their runs' records say of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa

from benchmarks import errors, files
from benchmarks.checks import Finding, shortened
from benchmarks.errors import count
from benchmarks.record import schema
from benchmarks.record.store import ADVICE, SweepFile, base_of, sessions
from report.results import arrow
from report.results.load import framed, wanted, with_derived
from report.tables.compare import CELL, COMPARISON, newest
from report.tables.groups import equal
from report.tables.sides import origins

RESUME_WORD = "--resume"
RESUME = f"go on with the same command and {RESUME_WORD}"
COLLECT = "fetch what its members still have: python -m benchmarks cluster collect ADDRESS (its scheduler's); then "


@dataclass(frozen=True)
class File:
    """One file: its valid rows, its sweep without them, how many lines are whole, whether its last was torn off."""

    table: pa.Table
    sweep: SweepFile
    lines: int
    torn: bool


def read_all(folder: Path, columns: Sequence[str]) -> list[File]:
    """Read columns, at least one, of every results file of a folder, oldest name first; none where there is none."""
    return [_read(path, columns) for path in sorted(folder.glob("*.jsonl"))]


def _read(path: Path, columns: Sequence[str]) -> File:
    """Read one file; what is no regular file, or cannot be read, is among its sweep's problems."""
    try:
        with files.open_regular(path) as file:
            return File(*arrow.parse(file, path, columns), *_whole_lines(file))
    except files.NotRegular as error:
        problem = str(error)
    except OSError as error:
        problem = f"{path.name}: cannot be read: {error.strerror}"
    return File(arrow.no_rows(columns), SweepFile(path, problems=[problem]), 0, torn=False)


def _whole_lines(file: BinaryIO) -> tuple[int, bool]:
    """Return how many lines of a file are whole, and whether something follows the last of them."""
    file.seek(0)
    lines, last = 0, b"\n"
    while block := file.read(1 << 20):
        lines, last = lines + block.count(b"\n"), block[-1:]
    return lines, last != b"\n"


def file_findings(folder: Path, files: Sequence[File]) -> Iterator[Finding]:
    """Yield what is wrong with each file of a folder, and one finding on all of them."""
    if not folder.is_dir():
        yield Finding("note", "results folder", "there is none yet", "make rows with: tox -e bench")
        return
    if not files:
        others = " or ".join(sorted({path.parent.name for path in folder.glob("*/*.jsonl")}))
        advice = f"look into {others} below it with --results" if others else "make rows with: tox -e bench"
        yield Finding("note", "results files", "none in this folder", advice)
        return
    made = Counter(base_of(_name_of(file)) for file in files for _ in range(len(file.table)))
    families = {_name_of(file): made[_name_of(file)] for file in files}
    later = sessions([file.sweep.run for file in files])
    for file in files:
        yield from shortened(list(_lines(file)))
        went_on, ending = later.get(base_of(_name_of(file)), ""), list(_ending(file, families))
        still = [finding for finding in ending if not (went_on and RESUME_WORD in finding.advice)]
        yield from still
        if len(still) < len(ending):
            yield Finding("note", file.sweep.path.name, f"did not come to its end; {went_on} went on with it")
    whole, rows = sum(file.lines for file in files), sum(len(file.table) for file in files)
    yield Finding(
        "ok", "results files", f"{count(len(files), 'file')}, {count(whole, 'whole line')}, {count(rows, 'valid row')}"
    )


def _lines(file: File) -> Iterator[Finding]:
    """Yield a finding for each line of a file that cannot be read, or for what is no file at all."""
    for problem in file.sweep.problems:
        what, _, why = problem.removesuffix("; line ignored").partition(": ")
        if why.endswith(ADVICE):
            why, advice = why.removesuffix(f"; {ADVICE}"), ADVICE
        elif ", line " in what:
            advice = "restore the file from a copy; if there is none, --resume measures that cell again"
        else:
            advice = ""
        yield Finding("error", what, why, advice)


def _ending(file: File, rows: Mapping[str, int]) -> Iterator[Finding]:
    """Yield what is wrong with a file as a sweep: a torn last line, no record of its run, no end.

    `rows` counts them by sweep, those of members as their driver's: a member's file ends with its driver's.
    """
    sweep, name = file.sweep, file.sweep.path.name
    if file.torn:
        found = f"what follows line {file.lines} was torn off by a crash and is ignored"
        yield Finding("warning", name, found, "nothing that was acknowledged is lost; go on with --resume")
    if not sweep.run and len(file.table):
        yield Finding("warning", name, "no record of its run: nothing is known of its machine and its versions")
    elif not sweep.run and file.lines + file.torn:
        yield Finding("error", name, "no sweep: it has neither a record of a run nor rows", "take it out of the folder")
    elif "part_of" in sweep.run:
        yield from _missing_members(file, rows)
    elif sweep.run and not sweep.end:
        found = f"no end after {rows[_name_of(file)]:,} rows: it still runs, or was killed"
        yield Finding("warning", name, found, (COLLECT if "engine" in sweep.run else "") + RESUME)


def _missing_members(file: File, sweeps: Container[str]) -> Iterator[Finding]:
    """Yield that a member's file is here without that of its driver, which knows what was asked for and lost."""
    driver = file.sweep.run["part_of"]
    if driver not in sweeps:
        found = f"of a sweep over several machines, whose driver's file {driver}.jsonl is not here"
        yield Finding("warning", file.sweep.path.name, found, "put it, and those of all its members, into this folder")


def _name_of(file: File) -> str:
    """Return the name of a file's sweep."""
    return str(file.sweep.run.get("sweep"))


RULES_VERSION = 1
GATE_SAYS = {"fail": "its status is ok, and the gate says fail", "unproven": "unproven, and does not say why"}
MORE = 1.05  # CPUs for each thread asked for; more threads may take turns on them (worker.mismatch)
AXES = (*CELL, "revision")
UNNAMED = ("model", "device_name", "machine_kind")  # the recipe says the first; the others are long, mostly the same
OTHERS = schema.names(  # what the rules read of rows, beside load.KEYS
    "framework_version", "revision", "reason", "flags", "lockstep", "oracle_sha256", "mfu", "roofline_share",
    "threads_computing", "cpu_per_wall",
)  # fmt: skip
READ = [name for name in wanted(OTHERS) if name in schema.BY_NAME]
Broken = Iterator[tuple[str, str]]  # (level, where and what)


@dataclass(frozen=True)
class Counted:
    """The launches that tables count, and what their sweeps' records say.

    rows: READ and where a launch ran, as sides.origins has it. cells: sweep and AXES of all that was reported, those of
    launches that a newer session has again too. ended: the runs' records of the sweeps that came to their end, by name.
    """

    rows: pd.DataFrame
    cells: pd.DataFrame
    ended: Mapping[str, Mapping[str, Any]]

    def ok(self, task: str = "") -> pd.DataFrame:
        """Return the launches that ended ok, of one task or of both."""
        good = self.rows[equal(self.rows["status"], "ok")]
        return good[equal(good["task"], task)] if task else good


def _counted(files: Sequence[File]) -> Counted:
    """Return the launches of some files that tables count."""
    sweeps = [file.sweep for file in files]
    frame = framed(with_derived([(file.table, file.sweep) for file in files]), wanted(READ), categories=True)
    cells = frame.loc[~frame["overtaken"], ["sweep", *AXES]].drop_duplicates()
    ended = {sweep.run["sweep"]: sweep.run for sweep in sweeps if sweep.end and "sweep" in sweep.run}
    rows = newest(frame[frame["revision"].isna()]).join(origins(sweeps), on=["sweep", "framework", "device"])
    return Counted(rows, cells.assign(sweep=cells["sweep"].map(base_of)), ended)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the lines of a frame as rows, None where nothing is known."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")  # type: ignore[return-value]


def _cell(row: Mapping[str, Any]) -> str:
    """Return a cell's name for people."""
    return f"{row['framework']} {row['mode']}, {_comparison(row, COMPARISON)}"


def _comparison(row: Mapping[str, Any] | pd.Series, shared: Iterable[str]) -> str:
    """Return what launches share, for people."""
    forms = {"batch_size": "batch {}".format, "threads": errors.threads, "sweep": "sweep {}".format}
    return ", ".join(forms.get(name, str)(row[name]) for name in shared if name not in UNNAMED)


def _grouped(rows: pd.DataFrame, shared: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield (name, launches) of those that share these columns."""
    for _, found in rows.groupby(list(shared), sort=False, dropna=False, observed=True):
        yield _comparison(found.iloc[0], shared), found


def _gate(launches: Counted) -> Broken:
    """Yield what counts although the gate says fail, or could not be proven: with a reason that is a note."""
    ok = launches.ok()
    unproven = equal(ok["lockstep"], "unproven")
    silent = ok["reason"].isna().to_numpy(bool) | equal(ok["reason"], "")
    for row in _records(ok[equal(ok["lockstep"], "fail") | unproven & silent]):
        yield "error", f"{_cell(row)}: {GATE_SAYS[row['lockstep']]}"
    explained = Counter((_cell(row), row["lockstep"]) for row in _records(ok[~equal(ok["lockstep"], "pass") & ~silent]))
    for (name, said), number in explained.items():
        yield "note", f"{name}: {said}, {number} launches"


def _ceiling(launches: Counted) -> Broken:
    """Yield speeds above the peak or the roofline that count."""
    ok, names = launches.ok(), ["mfu", "roofline_share"]
    for row in _records(ok[(ok[names] > 1).any(axis=1)]):
        for name in names:
            if (row[name] or 0) > 1:
                yield "error", f"{_cell(row)}, round {row['round']}: its status is ok, and its {name} {row[name]:.3g}"


def _seeds(launches: Counted) -> Broken:
    """Yield seeds that a cell was trained with more than once in one session."""
    trained, once = launches.ok("accuracy"), [*AXES, "session", "seed"]
    times = trained.groupby(once, dropna=False, observed=True)["task"].transform("size")
    for row in _records(trained.assign(times=times)[times > 1].drop_duplicates(once)):
        yield "error", f"{_cell(row)}: seed {row['seed']} was trained {row['times']} times"


def _threads(launches: Counted) -> Broken:
    """Yield sweeps whose frameworks had different threads, and launches that computed with others than asked."""
    rows = launches.rows.assign(sweep=launches.rows["sweep"].map(base_of))
    for where, found in _grouped(rows, [name for name in (*COMPARISON, "sweep") if name != "threads"]):
        asked = {
            str(name): sorted(set(threads)) for name, threads in found.groupby("framework", observed=True)["threads"]
        }
        if len({tuple(threads) for threads in asked.values()}) > 1:
            each = "; ".join(f"{name} {', '.join(map(str, threads))}" for name, threads in asked.items())
            yield "error", f"{where}: threads differ: {each}"
    timed = launches.ok("speed")
    timed = timed[equal(timed["device"], "cpu")].fillna({"cpu_per_wall": 0.0})
    computing = timed["threads_computing"].fillna(timed["threads"])
    wrong = (computing < timed["threads"]) | (timed["cpu_per_wall"] > MORE * timed["threads"])
    for row in _records(timed.assign(threads_computing=computing)[wrong]):
        level = "note" if "thread_mismatch" in (row["flags"] or []) else "error"
        unsaid = "" if level == "note" else ", and no flag says so"
        computed = f"{count(row['threads_computing'], 'thread')} computed on {row['cpu_per_wall']:.2f} CPUs"
        yield level, f"{_cell(row)}, round {row['round']}: {computed}{unsaid}"


def _versions(launches: Counted) -> Broken:
    """Yield versions and locks of a framework that differ, and Pythons."""
    ok = launches.ok()
    for name in sorted(map(str, ok["framework"].unique())):
        mine = ok[equal(ok["framework"], name)]
        yield from _differing("error", mine, "framework_version", f"versions of {name}")
        yield from _differing("error", mine, "lock", f"locks of {name}")
    yield from _differing("error", ok, "python", "versions of Python")


def _origin(launches: Counted) -> Broken:
    """Yield comparisons by several codes, and frameworks that met on no kind of machine: tables keep kinds apart."""
    ok = launches.ok()
    yield from _differing("warning", ok, "code", "codes")
    shared = [name for name in COMPARISON if name != "machine_kind"]
    for _, rows in _grouped(_several(ok, shared, "machine_kind"), shared):
        kinds = rows.groupby("machine_kind", observed=True)["framework"]
        if len({tuple(sorted(set(frameworks))) for _, frameworks in kinds}) > 1:
            yield from _differing("warning", rows, "machine_kind", "kinds of machine, a table each", shared)


def _oracle(launches: Counted) -> Broken:
    """Yield comparisons whose proofs rest on several oracles."""
    yield from _differing("error", launches.ok(), "oracle_sha256", "oracles")


def _differing(level: str, rows: pd.DataFrame, column: str, what: str, shared: Sequence[str] = COMPARISON) -> Broken:
    """Yield what launches share whose known values in a column differ."""
    for where, found in _grouped(_several(rows, shared, column), shared):
        values = sorted(found[column].dropna().astype(str).unique())
        yield level, f"{where}: {len(values)} {what}: {', '.join(value[:16] for value in values[:4])}"


def _several(rows: pd.DataFrame, shared: Sequence[str], column: str) -> pd.DataFrame:
    """Return the launches whose group has several known values in a column."""
    return rows[rows.groupby(list(shared), dropna=False, observed=True)[column].transform("nunique") > 1]


def _requested(launches: Counted) -> Broken:
    """Yield sweeps that came to their end and reported fewer cells than they say were requested."""
    for sweep, run in sorted(launches.ended.items()):
        asked = run.get("requested", {}).get("cells")
        names = {base_of(name) for name in (sweep, *run.get("resumes", []))}
        found = len(launches.cells[launches.cells["sweep"].isin(names)].drop_duplicates(list(AXES)))
        if isinstance(asked, int) and found < asked:
            yield "error", f"sweep {sweep}: {count(asked, 'configuration')} requested, {found:,} reported"


@dataclass(frozen=True)
class Rule:
    """A rule: its number, which never changes, a sentence, what finds where it is broken, and what to do then."""

    number: int
    sentence: str
    broken: Callable[[Counted], Broken]
    advice: str


TOGETHER = "measure them again in one sweep, or keep the sets in folders of their own"
RULES = (
    Rule(1, "What counts has passed the lockstep gate, or says why it could not be proven", _gate,
         "python -m benchmarks verify says how far it strays; measure again"),
    Rule(2, "No speed above the machine's peak counts", _ceiling, "python -m benchmarks selftest; measure again"),
    Rule(3, "Each accuracy launch of a cell has a seed of its own", _seeds, "take what was copied out of the folder"),
    Rule(4, "The frameworks of a comparison have the threads that were asked for, all the same", _threads, TOGETHER),
    Rule(5, "In a comparison a framework has one version and one lock, and all have one Python", _versions, TOGETHER),
    Rule(6, "A comparison was measured by one code on one kind of machine", _origin, TOGETHER),
    Rule(7, "A comparison's proofs rest on one reference network", _oracle, "measure them again with --fresh-proof"),
    Rule(8, "Every requested configuration is reported", _requested, "restore the file from a copy, or --resume"),
)  # fmt: skip


def findings(files: Sequence[File]) -> Iterator[Finding]:
    """Yield for each rule that it is kept, or where it is broken; nothing where there are no rows."""
    found = _counted(files)
    if len(found.rows):
        yield from (finding for rule in RULES for finding in _judged(rule, found))


def _judged(rule: Rule, launches: Counted) -> Iterator[Finding]:
    """Yield that a rule is kept, or where it is broken."""
    what = f"rule {RULES_VERSION}.{rule.number}"
    broken = [Finding(level, what, f"{rule.sentence}: {where}", rule.advice) for level, where in rule.broken(launches)]
    if all(finding.level == "note" for finding in broken):
        yield Finding("ok", what, rule.sentence)
    yield from shortened(broken)
