"""A sweep's account over all kinds of machine, and the driver's own file: what was asked, what no machine made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import environments, storage
from benchmarks.cells import Launch
from benchmarks.engine.kinds import Kind
from benchmarks.engine.plan import Series
from benchmarks.engine.request import Request
from benchmarks.ledger import Ledger
from benchmarks.runner import TOGETHER

Json = dict[str, Any]


@dataclass
class Account:
    """`repeated` counts launches whose rows a later attempt took the place of."""

    name: str
    path: Path
    kinds: dict[str, Kind] = field(default_factory=dict)  # by fingerprints
    repeated: int = 0
    begun: bool = False

    def begin(self, request: Request, members: Sequence[str], resumes: Sequence[str]) -> None:
        """Write the sweep's record."""
        about = {"preset": request.preset(), "seed": request.seed, "resumes": list(resumes)}
        told = {"sweep": self.name, "code": environments.code_hash(), "commit": environments.commit()}
        requested = self.ledger.requested | request.requested()
        engine = {"name": "dask", "members": list(members)}
        storage.begin(self.path, {**told, **about, "requested": requested, "engine": engine})
        self.begun = True

    def write(self, kind: Kind, series: Series, launches: Iterable[Launch], status: str, reason: str) -> None:
        """Append rows of launches of a series that were not made, as many at once as memory takes lightly."""
        some = list(launches)
        for first in range(0, len(some), TOGETHER):
            part = some[first : first + TOGETHER]
            rows = [kind.not_made(planned, self.name, status, reason) for planned in part]
            storage.append(self.path, "row", *rows)
            for planned, row in zip(part, rows, strict=True):
                kind.report(series, planned, row)

    def anew(self, kind: Kind, series: Series) -> None:
        """Take back what an earlier attempt of a series has reported."""
        self.repeated += kind.withdraw(series)

    def leave(self, kinds: Iterable[Kind], reason: str) -> None:
        """Write rows for everything of these kinds that is not made."""
        for kind in kinds:
            for series in kind.plan.series:
                if series.amiss:  # what is there must not count, and nobody is left to make it again
                    self.anew(kind, series)
                    series.attempt += 1
                    self.write(kind, series, series.open(), "invalid", series.amiss)
                    series.amiss = ""
                else:
                    self.write(kind, series, series.open(), "interrupted", reason)
            kind.plan.end()

    def end(self, seconds: float, reason: str) -> dict[str, float]:
        """Append where the machines' time went and how much there is; return the former."""
        ledger = self.ledger
        wall = ledger.wall.split(seconds)
        counts = {"reported": len(ledger.rows), "not_needed": ledger.not_needed, "repeated": self.repeated}
        storage.append(self.path, "end", {"wall_s": wall, **counts, "interrupted": reason or None})
        return wall

    @property
    def ledger(self) -> Ledger:
        """The account over all kinds."""
        return Ledger.over([kind.ledger for kind in self.kinds.values()])

    def progress(self) -> tuple[int, int]:
        """Return how many launches are reported, of how many that are needed."""
        each = [kind.ledger.progress() for kind in self.kinds.values()]
        return sum(done for done, _ in each), sum(total for _, total in each)
