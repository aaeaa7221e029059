"""A sweep on this machine: every requested launch ends in a row, also where something ends the sweep early."""

from __future__ import annotations

import datetime
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from adapters.recipes import RECIPES
from benchmarks import files
from benchmarks.errors import SchemaError, StorageError
from benchmarks.launch.launcher import Launcher
from benchmarks.machine import signals
from benchmarks.machine.signals import Interrupted
from benchmarks.plan.cells import Cell, Launch, Request, launches
from benchmarks.record import store
from benchmarks.sweep.block import BlockRunner, Report, ReportProof, Row, append_rows
from benchmarks.sweep.ledger import Ledger, completed_rows
from benchmarks.sweep.stopping import Stopping


def interruption_reason(ending: BaseException) -> str:
    """Say why a launch was not made, or not to its end."""
    if isinstance(ending, Interrupted):
        return f"the sweep was ended by {ending.signal.name}"
    return f"the sweep was ended by {type(ending).__name__}: {ending}"


def name_now() -> str:
    """Return the name of a sweep that begins now; names sort by time.

    Two may begin in one millisecond, on machines that share all else: random bits tell them apart.
    """
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y%m%dT%H%M%S}.{now.microsecond // 1000:03d}-{secrets.token_hex(4)}"


def is_unwritable(ending: BaseException) -> bool:
    """Return whether a line could not be written: what the disk did not take it will not take now."""
    return isinstance(ending, StorageError) and not isinstance(ending, SchemaError)


class LocalSweep:
    """The launches of all cells in a sweep's order, those of earlier sweeps in place of new ones with `resume`.

    `first_round` is called with the rows after the first speed launch of every cell, where more are to come.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        launcher: Launcher,
        request: Request,
        report: Report = lambda done, total, planned, row: None,
        report_proof: ReportProof = lambda done, total, cell, proof: None,
        first_round: Callable[[Sequence[Row]], object] = lambda rows: None,
    ) -> None:
        self.cells, self.launcher, self.request, self.results = cells, launcher, request, request.results
        self.report, self.first_round = report, first_round
        self.name = name_now()
        self.path = self.results / f"{self.name}.jsonl"
        preset = request.preset
        self.coming = deque(launches(cells, preset.rounds, preset.seeds, request.seed))
        self.ledger = Ledger(len(cells), len(self.coming))
        self.stopping = Stopping(preset, cells)
        self.runner = BlockRunner(
            sweep=self.name,
            path=self.path,
            launcher=launcher,
            stopping=self.stopping,
            seed=request.seed,
            proof_timeout_s=request.proof_timeout_s,
            fresh_proof=request.fresh_proof,
            report=self._reported,
            report_proof=report_proof,
            ledger=self.ledger,
        )
        self.wall: dict[str, float] = {}  # seconds by what they went to, once the sweep has ended

    def run(self) -> None:
        """Launch what is to be launched and append a row for each.

        Whatever ends it early, launches that it did not reach have rows that say so, unless rows cannot be written.
        """
        begin_s = time.monotonic()
        if self.request.resume:
            self.runner.completed = completed_rows(self.results, self.launcher.identity, self.coming)
        try:
            with signals.deferred():
                self._begin()
            self.runner.prove(self.cells)
            proofs_s = time.monotonic() - begin_s
            self.stopping.cap(self.request.time_cap_s)
            with files.scratch() as folder:
                self.runner.launch(self.coming, folder)
        except BaseException as ending:
            if not is_unwritable(ending):
                with signals.deferred():
                    unreached = self._unreached(interruption_reason(ending))
                    append_rows(self.path, unreached, partial(self.ledger.report, made=False))
                    spent_s = time.monotonic() - begin_s
                    self.wall = self.ledger.end(self.path, spent_s, interruption_reason(ending), {})
            raise
        self.wall = self.ledger.end(self.path, time.monotonic() - begin_s, "", {"proofs": proofs_s})

    def _begin(self) -> None:
        """Write the run's record, which also finds out whether results can be written at all."""
        store.check(self.results)
        requested = self.ledger.requested | ({"modes": "recommended"} if self.recommended() else {})
        resumes = sorted({row["sweep"] for row in self.runner.completed.values()})
        about = {**self.request.record(), "resumes": resumes, "requested": requested}
        self.runner.begin(about, [cell.recipe for cell in self.cells])

    def _reported(self, done: int, total: int, planned: Launch, row: Row | None) -> None:
        """Report a launch, and the rows so far once every cell has one and more are to come."""
        self.report(done, total, planned, row)
        if row is not None and planned.task == "speed" and done == len(self.cells) < total:
            self.first_round(self.ledger.rows)

    def recommended(self) -> bool:
        """Return whether every cell is in its adapter's recommended mode, so that one command can say them all."""
        probes = self.launcher.probes
        return all(
            cell.mode == probes[cell.framework, cell.device].recommended(RECIPES[cell.recipe].model.name, cell.input)
            for cell in self.cells
        )

    def _unreached(self, reason: str) -> Iterator[tuple[Launch, Row]]:
        """Yield launches that are not to be made with their rows; report those that have a row of an earlier sweep."""
        for planned in self.coming:
            if self.stopping.stopped(planned):
                continue
            if earlier := self.runner.completed_row(planned):
                self.ledger.report(planned, earlier, made=False)
            else:
                yield planned, self.launcher.interrupted(planned, self.name, reason)

    @property
    def stops(self) -> list[Row]:
        """Why each comparison was measured no further."""
        return list(self.stopping.stops.values())

    def rows_by_machine(self) -> Mapping[str, Sequence[Row]]:
        """Return the rows of the table at its end; this machine needs no name."""
        return {"": self.ledger.rows}
