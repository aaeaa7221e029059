"""Who may take part in a sweep, and what everybody else is told."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys

import pytest

from tests.engine.field import ROOT, settled, sweeps

FAKES = ("instant-0", "instant-1")
AMOUNT = ("--framework", ",".join(FAKES), "--model", "linear,mlp", "--rounds", "2", "--seeds", "1")
REQUESTED = 2 * 2 * 3
OTHERWISE = """
import sys
from benchmarks.machine import environments, hardware
from tests.process.faults.harness import main, register
register()
{change}
main()
"""


def changed(field, name, change):
    """Start a member that is another machine in one respect; return it joined."""
    program = field.start(
        name,
        "cluster",
        "join",
        field.address,
        starter=lambda line, **others: subprocess.Popen(
            [
                sys.executable,
                "-c",
                OTHERWISE.format(change=change),
                *line[3:],
                "--framework",
                ",".join(FAKES),
                "--folder",
                str(field.folder / name),
            ],
            **others,
        ),
        LOCKSTEP_TURN=str(field.folder / f"{name}.turn"),
    )
    program.until("joined ")
    return program


def test_two_kinds_of_machine_measure_everything_each(field):
    field.schedule()
    field.join("m1", *FAKES)
    changed(field, "m2", "hardware.fingerprint = lambda device='cpu': 'another'; hardware.physical_cpus = lambda: [0]")
    driver = field.run(*AMOUNT, "--members", "2")
    assert driver.wait() == 0
    _, rows = settled_of_kinds(field, 2 * REQUESTED)
    assert sorted({row["threads"] for row in rows}) == [1, 2]
    kinds = {sweep.run["machine_kind"] for sweep in sweeps(field.results).values() if sweep.run.get("part_of")}
    assert len(kinds) == 2
    assert "another" in kinds


@pytest.mark.fault(52)
def test_a_network_of_one_s_own_goes_to_members_that_have_never_seen_its_file(field):
    """Two of one name at the same time: each sweep has its own."""
    field.schedule()
    field.join("m1", *FAKES)
    drivers = []
    for units in (11, 12):
        (field.folder / str(units)).mkdir()
        own = field.folder / str(units) / "own.toml"
        layers = f'{{ type = "Flatten" }}, {{ type = "Dense", units = {units} }}'
        own.write_text(f'name = "own"\nlayers = [{layers}]\n')
        amount = ("--framework", FAKES[0], "--model", str(own), "--rounds", "2", "--seeds", "1")
        drivers.append(field.run(*amount, results=field.folder / "results" / str(units)))
    assert [driver.wait() for driver in drivers] == [0, 0]
    names = set()
    for units in (11, 12):
        found = sweeps(field.folder / "results" / str(units)).values()
        [name] = {row["recipe"] for sweep in found for row in sweep.rows}
        names.add(name)
        assert {row["status"] for sweep in found for row in sweep.rows} == {"ok"}
        declared = [network for sweep in found for network in sweep.networks]
        assert len(declared) == 2, "the driver's file and the member's have one each"
        assert {network["name"] for network in declared} == {name}
        assert {network["declaration"]["layers"][1]["units"] for network in declared} == {units}
    assert len(names) == 2


def settled_of_kinds(field, requested):
    found = sweeps(field.results)
    [base] = [name for name, sweep in found.items() if sweep.run.get("engine")]
    assert found[base].run["requested"]["launches"] == requested == found[base].end["reported"]
    return base, [row for sweep in found.values() for row in sweep.rows]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("environments.code_hash = lambda: 'other'", "its checkout measures by other code"),
        ("from benchmarks.sweep.dask import facts; facts.PROTOCOL = -1", "it speaks version -1 of the protocol"),
        (
            "environments.lock_hash = lambda framework, device: 'other'",
            "its environments differ from those of the others",
        ),
    ],
)
def test_a_machine_that_would_measure_something_else_takes_no_part(field, change, words):
    field.schedule()
    field.join("m1", *FAKES)
    changed(field, "m2", change)
    driver = field.run(*AMOUNT)
    assert driver.wait() == 0
    assert words in driver.said()
    settled(field.results, REQUESTED)


def test_other_data_are_no_part(field, tmp_path):
    field.schedule()
    first = field.join("m1", *FAKES)
    own = tmp_path / "own.csv"
    lines = [f"{digit}," + ",".join(str((digit * 7 + place) % 256) for place in range(784)) for digit in range(10)]
    own.write_text("\n".join(lines * 30))
    driver = field.run(*AMOUNT, "--dataset", str(own))
    assert driver.wait() == 0, driver.said()
    assert first.process.poll() is None
    missing = field.run(*AMOUNT, "--dataset", str(tmp_path / "not-there.csv"), "--patience", "3", results="missing")
    assert missing.wait() == 69
    assert "not-there.csv" in missing.said()
    assert not list((tmp_path / "missing").glob("*.jsonl"))


def test_data_that_the_network_does_not_fit_take_no_machine(field, tmp_path):
    field.schedule()
    field.join("m1", *FAKES)
    (tmp_path / "own.csv").write_text("\n".join([f"{digit}," + "9," * 63 + "0" for digit in range(10)] * 9))
    driver = field.run(*AMOUNT, "--dataset", str(tmp_path / "own.csv"), "--patience", "3")
    assert driver.wait() == 69
    assert "reads 1x28x28 images, data set 'own-" in driver.said()
    assert "has 1x8x8: declare input_shape = [1, 8, 8]" in driver.said()


def test_a_worker_of_dask_s_that_did_not_join_is_no_member(field):
    field.schedule()
    line = [sys.executable, "-m", "distributed.cli.dask_worker", field.address, "--no-nanny", "--nthreads", "1"]
    foreign = field.start("foreign", starter=lambda _, **others: subprocess.Popen(line, **others))
    foreign.until("Registered to")
    field.join("m1", *FAKES)
    driver = field.run(*AMOUNT)
    assert driver.wait() == 0
    assert "takes no part: this worker of Dask's is no member" in driver.said()
    settled(field.results, REQUESTED)
    foreign.end(signal.SIGKILL)  # how Dask's own worker ends beside a scheduler that ends is not at stake: it may hang


def test_two_drivers_at_once_share_the_members(field):
    field.schedule()
    for number in (1, 2):
        field.join(f"m{number}", *FAKES)
    both = [field.run(*AMOUNT, "--members", "2", results=name) for name in ("one", "two")]
    assert [driver.wait() for driver in both] == [0, 0]
    for name in ("one", "two"):
        settled(field.folder / name, REQUESTED)


@pytest.mark.fault(51)
def test_two_drivers_of_one_name_do_not_get_each_other_s_rows(field):
    """By a patched name: should two be alike after all, the members refuse the second."""
    field.schedule()
    for number in (1, 2):
        field.join(f"m{number}", *FAKES)
    same = OTHERWISE.format(change="from benchmarks.sweep.dask import driver; driver.name_now = lambda: 'one-name'")

    def driver(results, *arguments):
        where = ("--engine", "dask", "--scheduler", field.address, "--results", str(field.folder / results))
        line = ("run", *where, "--no-peak", *AMOUNT, *arguments)
        return field.start(
            results, *line,
            starter=lambda line, **others: subprocess.Popen([sys.executable, "-c", same, *line[3:]], **others),
        )  # fmt: skip

    first = driver("one", "--members", "3")
    first.until("m02 takes part")
    second = driver("two", "--patience", "3")
    assert second.wait() == 69
    assert "this machine knows a sweep one-name of another driver; start this one again" in second.said()
    assert not list((field.folder / "two").iterdir())
    field.join("m3", *FAKES)
    assert first.wait() == 0
    settled(field.folder / "one", REQUESTED)


def test_a_member_deletes_its_lines_when_the_driver_has_all_of_them_on_its_disk(field):
    field.schedule()
    member = field.join("m1", "instant-0")
    driver = field.run("--model", "linear", "--batch-size", "1,2", "--rounds", "1", "--seeds", "0")
    assert driver.wait() == 0, driver.said()
    member.until(r"ended; all [1-9]\d* lines", 20.0)
    assert not list((field.folder / "m1").iterdir())


def test_a_clock_that_lags_is_told_and_measures(field):
    field.schedule()
    changed(field, "m1", "import time; true = time.time; time.time = lambda: true() - 3600")
    driver = field.run(*AMOUNT)
    assert driver.wait() == 0
    assert re.search(r"its clock is 3,(59|60)\d s behind", driver.said()), driver.said()  # as told, on a busy machine
    settled(field.results, REQUESTED)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--engine", "dask"], "--engine dask needs --scheduler ADDRESS"),
        (["--engine", "dask", "--scheduler", "a", "--cluster", "slurm"], "one of them"),
        (["--scheduler", "127.0.0.1:1"], "are for --engine dask"),
        (["--engine", "spark"], "unknown engine 'spark'; known: local, dask"),
        (["--engine", "dask", "--scheduler", "tcp://192.0.2.7:8786"], "is not encrypted"),
        (["--engine", "dask", "--scheduler", "nonsense"], "is no scheduler's address"),
        (["--engine", "dask", "--scheduler", "tls://127.0.0.1:8786"], "needs certificates"),
        (["--engine", "dask", "--scheduler", "127.0.0.1:1", "--dry-run"], "--dry-run is for one machine"),
        (["--engine", "dask", "--cluster", "cloud"], "unknown cluster 'cloud'; known: slurm"),
    ],
)
def test_what_does_not_go_together_is_one_line(arguments, words):
    line = [sys.executable, "-m", "benchmarks", "run", *arguments]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_no_scheduler_is_one_line(field):
    driver = field.start("run", "run", "--engine", "dask", "--scheduler", "127.0.0.1:9", "--patience", "2", *AMOUNT)
    assert driver.wait() == 69
    assert "no scheduler at tcp://127.0.0.1:9" in driver.said().splitlines()[-1]
    member = field.start("join", "cluster", "join", "127.0.0.1:9", "--patience", "2", "--framework", "instant-0")
    assert member.wait() == 69
    assert "no scheduler at tcp://127.0.0.1:9 for 2 s" in member.said()


def test_a_scheduler_that_cannot_listen_is_one_line(field):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        scheduler = field.start("schedule", "cluster", "schedule", "--port", str(port), "--dashboard", "127.0.0.1:0")
        assert scheduler.wait() == 69
    [said] = scheduler.said().splitlines()
    assert said == f"cannot listen at 127.0.0.1:{port}: Address already in use; choose another --host or --port"
