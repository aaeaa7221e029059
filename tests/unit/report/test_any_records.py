"""Whatever stands in a results file under a right checksum: pages and tables are made, or one line says why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.errors import LockstepError
from benchmarks.record import store
from benchmarks.record.schema import COLUMNS, SCHEMA_VERSION
from report import formats
from report.curves import as_markdown as curves_as_markdown
from report.curves import curves
from report.export import EXPORTS, exported
from report.page.document import as_markdown, build
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.results.load import load, records
from report.tables import between, render
from report.tables.compare import compare
from report.tables.metrics import metric
from tests.unit.conftest import examples
from tests.unit.known_lines import RECORDS

TEXT = st.text(max_size=8) | st.sampled_from(
    ["", "mlp", "lenet", "mnist", "pass", "cpu", "gpu", "__proto__", "../../x", "=1+1", "</script>", "\ud800"]
)
NUMBERS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0, 1, 2, 28, -1, 10**30, 10**999, 5e-324, 1.7e308])
)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
KINDS = {  # values that a column of the kind lets pass, unless a check does not
    "str": TEXT, "int": NUMBERS, "float": NUMBERS, "strings": st.lists(TEXT, max_size=3),
    "ints": st.lists(st.integers(-1, 70), max_size=3) | st.just([1] * 100), "floats": st.lists(NUMBERS, max_size=3),
}  # fmt: skip
ROW = {
    "sweep": "20260101T000000-abcdef", "cell": "0" * 16, "started_at": "2026-01-01T00:00:00+00:00",
    "framework": "torch", "model": "mlp", "recipe": "mlp", "dataset": "mnist-5k", "device": "cpu",
    "device_name": "A processor", "batch_size": 100, "mode": "eager", "dtype": "float32", "input": "preloaded",
    "threads": 2, "task": "speed", "round": 0, "seed": 0, "status": "ok", "lockstep": "pass",
    "train_flops_per_sample": 454_400, "train_all_flops_per_sample": 457_200.0, "train_samples_per_s": 1000.0,
    "flops_per_s": 4.5e8, "mfu": 0.5, "peak_flops_per_s": 1e9, "framework_version": "2",
}  # fmt: skip
LEARNT = ROW | {
    "task": "accuracy", "train_samples_per_s": None, "accuracy": 0.9, "loss": 0.1, "epochs": 2, "mistakes": [7],
    "accuracy_by_epoch": [0.8, 0.9], "loss_by_epoch": [1.0, 0.5], "seconds_by_epoch": [1.0, 2.0],
    "confusion": [1] * 100, "mistakes_read_as": [3], "accuracy_target": 0.9, "time_to_accuracy_s": 2.0,
}  # fmt: skip


def seal(kind: str, record: dict) -> bytes:
    """Return a line with the right checksum, whatever is in it."""
    body = json.dumps({"kind": kind, "schema_version": SCHEMA_VERSION, **record})[:-1]
    return f'{body}, "checksum": "{store._checksum(body.encode())}"}}\n'.encode()


@st.composite
def changed(draw, record: dict, kinds: dict[str, str]) -> dict:
    """Return a record in which a few fields hold something else, their own kind of thing or anything."""
    names = draw(st.lists(st.sampled_from(sorted(record.keys() | kinds.keys())), max_size=4, unique=True))
    return record | {
        name: draw(KINDS.get(kinds.get(name, ""), JSON) if draw(st.booleans()) else JSON) for name in names
    }


def lines() -> st.SearchStrategy[tuple[str, dict]]:
    """Return a strategy of (kind, record): rows mostly, records, and objects of no kind at all."""
    kinds = {column.name: column.kind for column in COLUMNS}
    rows = [changed(row, kinds).map(lambda record: ("row", record)) for row in (ROW, LEARNT)]
    others = [changed(record, {}).map(lambda record, kind=kind: (kind, record)) for kind, record in RECORDS.items()]
    nothing = st.tuples(st.sampled_from([*RECORDS, "row", "riddle"]), st.dictionaries(TEXT, JSON, max_size=4))
    return st.one_of(*rows, *rows, *others, nothing)


def shown(folder: Path) -> int:
    """Make everything there is of a folder; return how often it was refused, thousands where not in a line."""
    frame, sweeps, refused = load(folder), records(folder), 0
    inputs = Inputs(load(folder, PAGE_COLUMNS), sweeps)
    wanted = [
        lambda: build(inputs),
        lambda: as_markdown(inputs),
        lambda: [formats.text(form, inputs.table, render.sections(inputs.table)) for form in formats.FORMATS],
        lambda: between.between(frame, frame, records=(sweeps, sweeps)),
        lambda: between.frameworks(frame, "mfu"),
        lambda: curves_as_markdown(curves(frame)),
        lambda: compare(frame),
        *(lambda form=form: exported(frame, form, metric("train_samples_per_s")) for form in EXPORTS),
    ]
    for make in wanted if len(frame) else ():
        try:
            make()
        except LockstepError as error:
            refused += 1 + str(error).count("\n") * 1000
    return refused


def hold(folder: Path, found: list[tuple[str, dict]], name: str = "a.jsonl") -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"".join(seal(kind, record) for kind, record in found))


def test_what_is_as_it_should_be_is_shown(tmp_path):
    hold(tmp_path / "results", [("run", RECORDS["run"]), ("row", ROW), ("row", LEARNT)])
    assert shown(tmp_path / "results") == 0


def check(folder: Path, found: list[tuple[str, dict]]) -> None:
    hold(folder, [*RECORDS.items(), *found])
    assert shown(folder) < 1000


@pytest.mark.filterwarnings("ignore")  # as below
@pytest.mark.parametrize("name", ["loss_by_epoch", "seconds_by_epoch", "accuracy_by_epoch"])
def test_a_curve_up_to_the_largest_float_is_a_curve_with_a_gap(tmp_path, name):
    check(tmp_path / "results", [("row", {**LEARNT, name: [0.5, 1.7e308]})])


SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.fault(30)
@pytest.mark.filterwarnings("ignore")  # of numbers too large to reckon with: said on stderr, no traceback
@settings(max_examples=8, **SETTINGS)
@given(found=st.lists(lines(), min_size=1, max_size=6))
def test_any_lines_end_in_a_page_or_in_one_line(tmp_path, found):
    check(tmp_path / "results", found)


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore")
@settings(max_examples=examples(1000), **SETTINGS)
@given(found=st.lists(lines(), min_size=1, max_size=6))
def test_any_lines_end_in_a_page_or_in_one_line_for_long(tmp_path, found):
    check(tmp_path / "results", found)
