"""What a machine tells once when it joins: of what kind it is, which environments it has, what they can do.

From these facts the driver knows which of the cells that a user asked for the machine can measure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from adapters.declaration import DeclarationError
from adapters.networks import Values, recipe_of
from adapters.recipes import known
from adapters.registry import FRAMEWORKS
from benchmarks.errors import EngineError, EnvironmentMissing
from benchmarks.launch.ceilings import Point, available_frameworks
from benchmarks.launch.probe import Probe, chosen_frameworks, probe_all
from benchmarks.launch.target import Environment
from benchmarks.machine import environments, git, hardware
from benchmarks.machine.hardware import kind
from benchmarks.plan.cells import Cell, RequestedAxes, expand

Facts = dict[str, Any]
PROTOCOL = 4  # of what drivers and members tell each other; goes up with every change to an order, an answer or facts


def machine_facts(frameworks: Sequence[str] | None) -> Facts:
    """Return this machine's facts; probes every environment that it has, or those of the frameworks that are named.

    UsageError for unknown names, EnvironmentMissing where there is no environment at all.
    """
    devices = ["cpu"]
    if hardware.can_be_asked():
        devices += [hardware.gpu_name(index) for index in range(len(hardware.cards()))]
    probes: list[Probe] = []
    problems = []
    for device in devices:
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
        "fingerprints": {device: hardware.fingerprint(device) for device in devices},
        "cores": hardware.most_threads(),  # that a cell may take
        "probes": [dataclasses.asdict(probe) for probe in probes],
        "locks": {_key(probe): environments.lock_hash(probe.framework, probe.device) for probe in probes},
    }


def other_protocol(who: str, version: object) -> str:
    """Return why we cannot understand somebody's version of the protocol (None: not named); empty where we can."""
    if version == PROTOCOL:
        return ""
    theirs = "no version" if version is None else f"version {version}"
    return f"{who} speaks {theirs} of the protocol between machines, we speak {PROTOCOL}; bring both to one commit"


def _named(frameworks: Sequence[str] | None, device: str) -> list[str]:
    """Return which frameworks to probe on a device: those that are named, else all that have an environment."""
    if frameworks is None:
        frameworks = available_frameworks(device) or None
    never = {name for name, record in FRAMEWORKS.items() if kind(device) not in record.devices}
    if frameworks and not (frameworks := [name for name in frameworks if name not in never]):
        return []
    return chosen_frameworks(frameworks, [device])


def _key(probe: Probe) -> str:
    """Return a probe's name among a machine's locks: torch gpu:1."""
    return f"{probe.framework} {probe.device}"


def environment_of(facts: Facts, probe: Probe) -> Environment:
    """Return a probe's environment on the machine with these facts; its lock is empty where the machine has none."""
    name = facts["machine"]["cpu"] if kind(probe.device) == "cpu" else probe.device_name
    return Environment(facts["locks"].get(_key(probe), ""), facts["fingerprints"][probe.device], name, probe.kernels)


def probes_of(facts: Facts) -> dict[tuple[str, str], Probe]:
    """Return the probes in a machine's facts."""
    made = [Probe(**probe) for probe in facts["probes"]]
    return {(probe.framework, probe.device): probe for probe in made}


def with_networks(facts: Facts, declared: Sequence[Values], pairs: Sequence[tuple[str, str]]) -> Facts:
    """Return a machine's facts once it knows networks of a user's own: its frameworks say in which mode they run.

    EngineError for what is no network of a user's own.
    """
    try:
        for values in declared:
            known(recipe_of(values))
    except DeclarationError as error:
        raise EngineError(f"the driver's network cannot be read here: {error}") from None
    if not declared:
        return facts
    found = probes_of(facts)
    for pair in pairs:
        if pair in found and not found[pair].problem:
            found |= probe_all([pair[0]], [pair[1]])
    return {**facts, "probes": [dataclasses.asdict(probe) for probe in found.values()]}


def missing_probe(framework: str, device: str) -> Probe:
    """Return the probe of what a machine does not have."""
    name = environments.name(framework, device)
    problem = f"{framework} on {device}: no environment on this machine; there: tox run --notest -e {name}"
    return Probe(framework, device, problem, missing=True)


def environments_of(facts: Facts) -> dict[str, str]:
    """Return, by framework and device, what machines of one kind have in common: lock, kernels, whether it works."""
    return {
        _key(probe): f"{facts['locks'][_key(probe)]} {probe.kernels}" + (" and does not work" if probe.missing else "")
        for probe in probes_of(facts).values()
    }


def machine_words(facts: Facts) -> str:
    """Return a machine in a few words: AMD EPYC, 2 cores, 24 GiB."""
    about = facts["machine"]
    cores, gib = facts["cores"], round(about["memory_bytes"] / 2**30)
    return f"{about['cpu']}, {cores} core{'' if cores == 1 else 's'}, {gib} GiB"


def _requested_devices(axes: RequestedAxes, facts: Facts) -> list[str]:
    """Return which of a machine's devices are to be measured."""
    return axes.devices_of(list(facts["fingerprints"]))


def requested_probes(axes: RequestedAxes, facts: Facts) -> dict[tuple[str, str], Probe]:
    """Return what each framework asked for can do on each device of a machine, or that it has no environment."""
    known = probes_of(facts)
    apart = {name for name, record in FRAMEWORKS.items() if not record.in_default}
    names = axes.frameworks or [name for name in dict.fromkeys(name for name, _ in known) if name not in apart]
    pairs = [(name, device) for name in names for device in _requested_devices(axes, facts)]
    return {pair: known.get(pair) or missing_probe(*pair) for pair in pairs}


def _most_threads(axes: RequestedAxes, facts: Facts) -> int:
    """Return with how many threads to measure on a machine where no number was asked for, else its cores."""
    cores: int = facts["cores"]
    names = {name for name, _ in requested_probes(axes, facts)}
    return cores if axes.threads else environments.common_threads(names, cores)


def requested_points(axes: RequestedAxes, facts: Facts) -> list[Point]:
    """Return where the peak of a machine is to be known."""
    devices, threads = _requested_devices(axes, facts), axes.threads_of(_most_threads(axes, facts))
    return [Point(device, dtype, number) for device in devices for dtype in axes.dtypes for number in threads]


def requested_cells(axes: RequestedAxes, facts: Facts, datasets: Sequence[str]) -> list[Cell]:
    """Return the cells of machines with these facts.

    A framework that was named has cells where it is missing, too, so that rows say so; but none on a card where it
    cannot have an environment for one.
    """
    probes, cells = requested_probes(axes, facts), list[Cell]()
    for device in _requested_devices(axes, facts):
        names = [
            name
            for (name, where), probe in probes.items()
            if where == device and (axes.frameworks or not probe.missing or kind(device) == "cpu")
        ]
        cells += expand(axes.on(names, datasets, [device], _most_threads(axes, facts)), probes)
    return cells
