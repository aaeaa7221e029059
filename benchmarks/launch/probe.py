"""What each framework's environment can do: a worker in it says so before anything is measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from adapters.recipes import RECIPES, declared_own
from adapters.registry import default_frameworks, distributions, framework_of, record
from benchmarks.errors import EnvironmentMissing, UsageError, threads
from benchmarks.launch.outcome import Outcome
from benchmarks.launch.process import Place, launch
from benchmarks.machine import environments, hardware, signals
from benchmarks.machine.hardware import cpu_name, kind, physical_cpus
from benchmarks.plan.cells import Cell
from benchmarks.plan.typed import arms
from benchmarks.worker.protocol import ProbeRequest

REASON_CHARACTERS = 200
PLACE = re.compile(r", at adapters/\S+ \(\S+\)$")  # of an adapter's line, as the worker ends a reason
ASKED_FOR = re.compile(r"(ImportError: cannot import name|ModuleNotFoundError: No module named '([^']*)').*", re.DOTALL)
PROBE_TIMEOUT_S = 120.0  # of its own: the first import in an environment may compile thousands of files


@dataclass(frozen=True)
class Probe:
    """A framework's answer for one device; `problem` says why it cannot be measured there, if it cannot.

    `missing`: the environment that the lock describes does not exist, and `problem` holds the command that makes it.
    """

    framework: str
    device: str
    problem: str = ""
    missing: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        return str(self.facts.get("versions", {}).get(framework_of(self.framework), ""))

    @property
    def device_name(self) -> str:
        """Return the processor's name as the kernel gives it, or the card's as the framework does."""
        return (
            cpu_name()
            if self.device == "cpu"
            else str(self.facts.get("devices", {}).get(hardware.kind(self.device), "unknown"))
        )

    @property
    def kernels(self) -> str:
        """Which kernels its libraries say that they chose here (worker/libraries.py); empty if it did not answer."""
        return str(self.facts.get("libraries", {}).get("kernels", ""))

    def recommended(self, model: str, input: str) -> str:
        """Return the adapter's mode for a model and a kind of input; eager if its environment could not be asked."""
        return str(self.facts.get("recommended", {}).get(input, {}).get(model, "eager"))

    def unsupported(self, mode: str, dtype: str, input: str) -> str | None:
        reason = self.facts["unsupported"].get(f"{mode} {dtype} {input}", "its probe does not know this combination")
        return None if reason is None else str(reason)

    def refusal(self, cell: Cell) -> str | None:
        """Return why a cell cannot run here, None if it can: its combination, or more threads than there can be."""
        most = record(self.framework).max_threads
        if most is not None and cell.threads > most:
            return f"{self.framework} computes with no more than {threads(most)}; compare all with --threads {most}"
        return self.unsupported(cell.mode, cell.dtype, cell.input)


def probe(framework: str, device: str) -> Probe:
    """Ask one framework's environment; its problems are in the answer, and nothing is raised."""
    try:
        place = Place.of_framework(framework, device, 1).on_all_cores()
    except EnvironmentMissing as error:
        return Probe(framework, device, str(error), missing=True)
    if problem := environments.missing_packages(framework):
        return Probe(framework, device, problem, missing=True)
    adapter, where = record(framework).adapter, hardware.kind(device)
    request = ProbeRequest(task="probe", adapter=adapter, device=where, networks=declared_own(RECIPES))
    outcome = launch(place, request, PROBE_TIMEOUT_S)
    remedy = environments.recreate_hint(framework, device)
    if outcome.answer is None or outcome.status != "ok":
        said = "does not answer" if outcome.answer is None else "fails"
        problem = f"{framework} on {device} {said}: {_last_line(outcome.reason)}"
        broken = _is_broken(framework, outcome)
        return Probe(framework, device, f"{problem}; {remedy}" if broken else problem, missing=True)
    if other := _other_versions(outcome.answer["versions"], environments.pinned(framework, device)):
        return Probe(framework, device, f"{framework} on {device} is not as locked: {other}; {remedy}", missing=True)
    if hardware.kind(device) not in outcome.answer["devices"]:
        return Probe(framework, device, f"{framework} sees no {device} here", facts=outcome.answer)
    return Probe(framework, device, facts=outcome.answer)


def _last_line(reason: str) -> str:
    """Return the kind of an error and its last line, where compilers and loaders say what is wrong; cut.

    An adapter's file and line stay.
    """
    first, *more = [line.strip() for line in reason.splitlines() if line.strip()] or ["it gave no reason"]
    text = f"{first.partition(':')[0]}: {more[-1]}" if more else first
    place = found[0] if (found := PLACE.search(text)) else ""
    return text if len(text) <= REASON_CHARACTERS else f"{text[: REASON_CHARACTERS - 1 - len(place)]}…{place}"


def _is_broken(framework: str, outcome: Outcome) -> bool:
    """Return whether a new environment may help: this one hangs, ends before it answers, or lacks a module.

    An adapter's error, a processor that lacks an instruction and a library of the system that is not there stay. A line
    of an adapter that imports what is not there is its error, unless that is the framework itself.
    """
    absent = re.match(r"(ModuleNotFoundError|ImportError):", outcome.reason)
    if absent and "cannot open shared object file" not in outcome.reason:
        asked = ASKED_FOR.match(outcome.reason) if PLACE.search(outcome.reason) else None
        return asked is None or asked[2] == framework_of(framework)
    return outcome.status == "timeout" or (outcome.status == "failed" and outcome.answer is None)


def _other_versions(found: Mapping[str, str], pinned: Mapping[str, str]) -> str:
    """Return which packages have other versions than the lock's, in words; empty where all are right.

    A local part (2.13.0+cu128) counts only where the lock has one.
    """
    wrong = []
    for package, version in found.items():
        for distribution in distributions(package):
            wanted = pinned.get(distribution, version)
            if wanted not in (version, version.partition("+")[0]):
                wrong.append(f"{package} {version} in place of {wanted}")
    return ", ".join(wrong)


def probe_all(frameworks: Sequence[str], devices: Sequence[str]) -> dict[tuple[str, str], Probe]:
    """Probe all of them, as many at once as there are cores: nothing is timed yet. An interruption ends all."""
    pairs = [(framework, device) for framework in frameworks for device in devices]
    with ThreadPoolExecutor(len(physical_cpus())) as pool:
        answers = [pool.submit(probe, *pair) for pair in pairs]
        try:
            return dict(zip(pairs, (answer.result() for answer in answers), strict=True))
        except BaseException:  # Interrupted is one; no probe must outlive it
            pool.shutdown(wait=False, cancel_futures=True)
            signals.end_children()
            raise


def require_builds(frameworks: Sequence[str], devices: Sequence[str]) -> None:
    """Raise UsageError for a framework that has no build for one of these devices; `all` are those that are here."""
    kinds = set(map(kind, devices)) - {"all"}
    for name in frameworks:
        if not kinds <= set(record(name).devices):
            make = "" if "@" in name else f"tox -e {name}-cpu, or "
            raise UsageError(f"{name} computes on the CPU alone here: {make}--device cpu")


def chosen_frameworks(given: Sequence[str] | None, devices: Sequence[str]) -> list[str]:
    """Return the frameworks that a user asked for, or those of a default sweep that have an environment.

    Errors hold the command to type.
    """
    found = arms(given)
    require_builds(found, devices)
    missing = []
    for framework in found or default_frameworks():
        for device in devices:
            try:
                environments.interpreter(framework, device)
            except EnvironmentMissing as error:
                missing.append((framework, str(error)))
    present = [name for name in found or default_frameworks() if name not in {framework for framework, _ in missing}]
    if not present:
        raise EnvironmentMissing("\n".join(message for _, message in missing if found) or missing[0][1])
    return found or present


def with_packages(frameworks: Sequence[str], say: Callable[[str], None]) -> list[str]:
    """Return the frameworks whose system packages are here; say of each other one what to type.

    EnvironmentMissing where none is left.
    """
    missing = {name: problem for name in frameworks if (problem := environments.missing_packages(name))}
    if len(missing) == len(frameworks):
        raise EnvironmentMissing("\n".join(missing.values()))
    for problem in missing.values():
        say(problem)
    return [name for name in frameworks if name not in missing]
