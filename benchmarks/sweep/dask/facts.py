"""What a machine tells once when it joins: of what kind it is, which environments it has, what they can do.

What a user asked of a sweep before it is known on which machines: axes whose defaults are each machine's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters.registry import CPU_ONLY
from benchmarks.errors import EnvironmentMissing
from benchmarks.launch.ceilings import Point
from benchmarks.launch.probe import Probe, chosen_frameworks, probe_all
from benchmarks.launch.target import Environment
from benchmarks.machine import environments, git, hardware
from benchmarks.machine.hardware import kind
from benchmarks.plan.cells import Axes, Cell, expand

Facts = dict[str, Any]
PROTOCOL = 1  # of what drivers and members tell each other; goes up with every change to an order, an answer or facts


def machine_facts(frameworks: Sequence[str] | None) -> Facts:
    """Return this machine's facts; probes every environment that it has, or those of the frameworks that are named.

    UsageError for unknown names, EnvironmentMissing where there is no environment at all.
    """
    there = ["cpu"]
    if hardware.can_be_asked():
        there += [hardware.gpu_name(index) for index in range(len(hardware.cards()))]
    probes: list[Probe] = []
    problems = []
    for device in there:
        try:
            probes += probe_all(_named(frameworks, device), [device]).values()
        except EnvironmentMissing as error:  # of this device alone, unless it is so of all
            problems.append(error)
    if not probes:
        raise problems[0]
    return {
        "protocol": PROTOCOL,
        "code": environments.code_hash(),
        "commit": git.commit(),
        "machine": hardware.facts(),
        "fingerprints": {device: hardware.fingerprint(device) for device in there},
        "cores": len(hardware.physical_cpus()),
        "probes": [dataclasses.asdict(probe) for probe in probes],
        "locks": {key(probe): environments.lock_hash(probe.framework, probe.device) for probe in probes},
    }


def other_protocol(who: str, version: object) -> str:
    """Say why one of another version, which is None where it names none, cannot be understood; empty where it can."""
    if version == PROTOCOL:
        return ""
    theirs = "no version" if version is None else f"version {version}"
    return f"{who} speaks {theirs} of the protocol between machines, we speak {PROTOCOL}; bring both to one commit"


def _named(frameworks: Sequence[str] | None, device: str) -> list[str]:
    """Return which frameworks to probe on a device."""
    if frameworks and device != "cpu" and not (frameworks := [name for name in frameworks if name not in CPU_ONLY]):
        return []
    return chosen_frameworks(frameworks, [device])


def key(probe: Probe) -> str:
    """Return a probe's name among a machine's locks: torch gpu:1."""
    return f"{probe.framework} {probe.device}"


def environment_of(facts: Facts, probe: Probe) -> Environment:
    """Return a probe's environment on the machine with these facts; its lock is empty where the machine has none."""
    name = facts["machine"]["cpu"] if kind(probe.device) == "cpu" else probe.device_name
    return Environment(facts["locks"].get(key(probe), ""), facts["fingerprints"][probe.device], name)


def probes_of(facts: Facts) -> dict[tuple[str, str], Probe]:
    """Return the probes in a machine's facts."""
    made = [Probe(**probe) for probe in facts["probes"]]
    return {(probe.framework, probe.device): probe for probe in made}


def missing_probe(framework: str, device: str) -> Probe:
    """Return the probe of what a machine does not have."""
    name = environments.name(framework, device)
    problem = f"{framework} on {device}: no environment on this machine; there: tox run --notest -e {name}"
    return Probe(framework, device, problem, missing=True)


def environments_of(facts: Facts) -> dict[str, str]:
    """Return, by framework and device, what machines of one kind must have in common: the lock and what is amiss."""
    return {
        name: facts["locks"][name] + (" and does not work" if probe.missing else "")
        for probe in probes_of(facts).values()
        for name in [key(probe)]
    }


def machine_words(facts: Facts) -> str:
    """Return a machine in a few words: AMD EPYC, 2 cores, 24 GiB."""
    about = facts["machine"]
    cores, gib = facts["cores"], round(about["memory_bytes"] / 2**30)
    return f"{about['cpu']}, {cores} core{'' if cores == 1 else 's'}, {gib} GiB"


@dataclass(frozen=True)
class RequestedAxes:
    """Axes as in cells.Axes; no frameworks mean all that a machine has, no threads all its cores.

    A device `all` is every one that a machine has; a device that it lacks is not measured there.
    """

    frameworks: Sequence[str]
    recipes: Sequence[str]
    devices: Sequence[str]
    batch_sizes: Sequence[int | None]
    modes: Sequence[str | None]
    dtypes: Sequence[str]
    threads: Sequence[int]
    inputs: Sequence[str]
    revisions: Sequence[str]

    def devices_of(self, facts: Facts) -> list[str]:
        """Return which of a machine's devices are to be measured."""
        there = list(facts["fingerprints"])
        wanted = [name for asked in self.devices for name in (there if asked == "all" else [asked])]
        return [name for name in dict.fromkeys(wanted) if name in there]

    def threads_of(self, facts: Facts) -> list[int]:
        """Return with how many threads, at most as many as a machine has cores."""
        return [number for number in self.threads if number <= facts["cores"]] or [facts["cores"]]

    def probes(self, facts: Facts) -> dict[tuple[str, str], Probe]:
        """Return what each framework asked for can do on each device, or that it has no environment."""
        there = probes_of(facts)
        names = self.frameworks or list(dict.fromkeys(framework for framework, _ in there))
        pairs = [(name, device) for name in names for device in self.devices_of(facts)]
        return {pair: there.get(pair) or missing_probe(*pair) for pair in pairs}

    def points(self, facts: Facts) -> list[Point]:
        """Return where the machine's peak is to be known."""
        threads = self.threads_of(facts)
        return [Point(d, t, n) for d in self.devices_of(facts) for t in self.dtypes for n in threads]

    def cells(self, facts: Facts, datasets: Sequence[str]) -> list[Cell]:
        """Return the cells of machines with these facts; a framework has none on a device that it can have none for."""
        probes, found = self.probes(facts), list[Cell]()
        for device in self.devices_of(facts):
            names = [name for name, where in probes if where == device and self.possible(name, device, probes)]
            axes = Axes(
                names, self.recipes, datasets, [device], self.batch_sizes, self.modes, self.dtypes,
                self.threads_of(facts), self.inputs, self.revisions,
            )  # fmt: skip
            found += expand(axes, lambda f, d, m, p: probes[f, d].recommended(m, p))
        return found

    def possible(self, framework: str, device: str, probes: dict[tuple[str, str], Probe]) -> bool:
        """Return whether to plan it: what was named is, even where it is missing, so that its rows say so."""
        probe = probes[framework, device]
        return bool(self.frameworks) or not probe.missing or kind(device) == "cpu"
