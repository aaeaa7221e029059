"""What a machine tells once when it joins: of what kind it is, which environments it has, what they can do."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from adapters.registry import CPU_ONLY
from benchmarks import cards, devices, environments, machine
from benchmarks.errors import EnvironmentMissing
from benchmarks.frameworks import Probe, probe_all
from benchmarks.options import chosen_frameworks

Facts = dict[str, Any]
PROTOCOL = 1  # of what drivers and members tell each other; goes up with every change to an order, an answer or facts


def here(frameworks: Sequence[str] | None) -> Facts:
    """Return this machine's facts; probes every environment that it has, or those of the frameworks that are named.

    UsageError for unknown names, EnvironmentMissing where there is no environment at all.
    """
    there = ["cpu"]
    if cards.can_be_asked():
        there += [devices.at(index) for index in range(len(cards.cards()))]
    probes: list[Probe] = []
    problems = []
    for device in there:
        try:
            probes += probe_all(named(frameworks, device), [device]).values()
        except EnvironmentMissing as error:  # of this device alone, unless it is so of all
            problems.append(error)
    if not probes:
        raise problems[0]
    return {
        "protocol": PROTOCOL,
        "code": environments.code_hash(),
        "commit": environments.commit(),
        "machine": machine.facts(),
        "fingerprints": {device: machine.fingerprint(device) for device in there},
        "cores": len(machine.physical_cpus()),
        "probes": [dataclasses.asdict(probe) for probe in probes],
        "locks": {key(probe): environments.lock_hash(probe.framework, probe.device) for probe in probes},
    }


def other_protocol(who: str, version: object) -> str:
    """Say why one of another version, which is None where it names none, cannot be understood; empty where it can."""
    if version == PROTOCOL:
        return ""
    theirs = "no version" if version is None else f"version {version}"
    return f"{who} speaks {theirs} of the protocol between machines, we speak {PROTOCOL}; bring both to one commit"


def named(frameworks: Sequence[str] | None, device: str) -> list[str]:
    """Return which frameworks to probe on a device."""
    if frameworks and device != "cpu" and not (frameworks := [name for name in frameworks if name not in CPU_ONLY]):
        return []
    return chosen_frameworks(frameworks, [device])


def key(probe: Probe) -> str:
    """Return a probe's name among a machine's locks: torch gpu:1."""
    return f"{probe.framework} {probe.device}"


def probes_of(facts: Facts) -> dict[tuple[str, str], Probe]:
    """Return the probes in a machine's facts."""
    made = [Probe(**probe) for probe in facts["probes"]]
    return {(probe.framework, probe.device): probe for probe in made}


def missing(framework: str, device: str) -> Probe:
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


def words(facts: Facts) -> str:
    """Return a machine in a few words: AMD EPYC, 2 cores, 24 GiB."""
    about = facts["machine"]
    cores, gib = facts["cores"], round(about["memory_bytes"] / 2**30)
    return f"{about['cpu']}, {cores} core{'' if cores == 1 else 's'}, {gib} GiB"
