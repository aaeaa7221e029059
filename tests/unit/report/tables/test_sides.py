from __future__ import annotations

import pytest

from benchmarks.errors import UsageError
from report.results.load import load, records
from report.tables.between import between
from tests.unit.report.known import LATER, STEADY


@pytest.mark.parametrize(
    ("axis", "was", "became", "words"),
    [
        ("threads", {"threads": 1}, {"threads": 2}, "1 thread in BASE, 2 in NEW"),
        ("mode", {"mode": "eager"}, {"mode": "fused"}, "mode eager in BASE, fused in NEW"),
        ("machine", {"device_name": "Old"}, {"device_name": "New"}, r"machine Old \(abc\) in BASE, New \(abc\) in NEW"),
    ],
)
def test_unlike_cells_are_refused_until_asked_for_then_labelled(compare, launches, axis, was, became, words):
    base, new = launches(*STEADY, **was), launches(*STEADY, **became, **LATER)
    with pytest.raises(UsageError, match=f"torch mlp: {words}; .*--across {axis}") as caught:
        compare(base, new)
    assert "\n" not in str(caught.value)
    [line] = compare(base, new, across=[axis]).to_dict("records")
    assert line["verdict"] == "equivalent"
    [(name, value)] = became.items()
    assert line[name] == value
    assert f": {next(iter(was.values()))} -> {value}" in line["changes"]


def test_kinds_of_machines_are_machines_though_their_processors_have_one_name(write_set, launches):
    base = load(write_set("base", *launches(*STEADY), machine_kind="small"))
    new = load(write_set("new", *launches(*STEADY, **LATER), machine_kind="large"))
    with pytest.raises(UsageError, match="--across machine"):
        between(base, new)


@pytest.fixture
def on_torch(write_set, launches):
    """Compare two sets, of which the second's records are changed: its torch's facts, its machine's."""

    def compared(kernels, across=(), was="torch AVX512", **machine):
        folders = []
        for name, chosen, more in (("base", was, {}), ("new", kernels, machine)):
            about = {"kernel": "6.1", "libc": "glibc 2.36", "microcode": "0x1", "hypervisor": "A 1", **more}
            rows = launches(*STEADY, **(LATER if name == "new" else {}))
            environments = {"torch-cpu": {"lock": "a lock"} | ({"kernels": chosen} if chosen else {})}
            folders.append(write_set(f"{name} {len(machine)}", *rows, machine=about, frameworks=environments))
        both = tuple(records(folder) for folder in folders)
        [line] = between(*map(load, folders), across=across, records=both).to_dict("records")
        return line["changes"]

    return compared


@pytest.mark.fault(44)
def test_other_kernels_on_one_machine_are_another_machine(on_torch):
    words = "torch mlp: kernels torch AVX512 in BASE, torch DEFAULT in NEW; .*--across machine"
    with pytest.raises(UsageError, match=words):
        on_torch("torch DEFAULT")
    assert on_torch("torch DEFAULT", ["machine"]) == "kernels: torch AVX512 -> torch DEFAULT"


def test_kernels_that_one_side_does_not_say_keep_no_cells_apart(on_torch):
    assert on_torch("torch AVX512", was="") == "kernels: unknown -> torch AVX512"


@pytest.mark.fault(45)
def test_what_changed_on_a_machine_of_one_kind_is_named(on_torch):
    assert on_torch("torch AVX512") == ""
    updated = {"kernel": "6.2", "libc": "glibc 2.41", "microcode": "0x2", "hypervisor": "A 2"}
    assert on_torch("torch AVX512", **updated) == (
        "microcode: 0x1 -> 0x2; kernel: 6.1 -> 6.2; libc: glibc 2.36 -> glibc 2.41; hypervisor: A 1 -> A 2"
    )


def test_every_axis_that_is_needed_is_named_at_once(compare, launches):
    base = [*launches(*STEADY), *launches(*STEADY, framework="jax", mode="compiled")]
    new = [*launches(*STEADY, threads=1, **LATER), *launches(*STEADY, framework="jax", mode="fused", **LATER)]
    with pytest.raises(UsageError, match=r"and 1 more such cells.*--across threads,mode"):
        compare(base, new)


def test_a_cell_with_its_equal_meets_no_other(compare, launches):
    """A new number of threads beside the old one is news, not a reason to refuse."""
    new = [*launches(*STEADY, **LATER), *launches(*STEADY, threads=1, **LATER)]
    table = compare(launches(*STEADY), new)
    assert dict(zip(table["threads"], table["verdict"], strict=True)) == {2: "equivalent", 1: "only in new"}
