"""What a user asked of a sweep before it is known on which machines: axes whose defaults are each machine's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.cells import Axes, Cell, expand
from benchmarks.devices import kind
from benchmarks.engine.facts import Facts, missing, probes_of
from benchmarks.frameworks import Probe
from benchmarks.peak import Point


@dataclass(frozen=True)
class Asked:
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
    pipelines: Sequence[str]
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
        return {pair: there.get(pair) or missing(*pair) for pair in pairs}

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
                self.threads_of(facts), self.pipelines, self.revisions,
            )  # fmt: skip
            found += expand(axes, lambda f, d, m, p: probes[f, d].recommended(m, p))
        return found

    def possible(self, framework: str, device: str, probes: dict[tuple[str, str], Probe]) -> bool:
        """Return whether to plan it: what was named is, even where it is missing, so that its rows say so."""
        probe = probes[framework, device]
        return bool(self.frameworks) or not probe.missing or kind(device) == "cpu"
