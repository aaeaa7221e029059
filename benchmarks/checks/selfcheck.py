"""Checks on our own measuring: known truths are put in, and what comes out is held to a bound.

Two kinds: simulations (an adapter that sleeps for a known time; launches drawn from a known distribution) and the real
thing on this machine (NumPy training in this process, where a chunk stands for a launch; a real worker beside which
the parent's own CPU time is taken). What fails here makes every number of this machine doubtful.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from adapters.contract import Array, Feed, Preloaded
from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from adapters.weights import Weights
from benchmarks import files
from benchmarks.launch.outcome import Outcome
from benchmarks.launch.process import Place, cell_request, launch, on_cpus
from benchmarks.machine.hardware import physical_cpus
from benchmarks.plan.cells import Cell
from benchmarks.plan.data.prepared import Prepared, prepare
from benchmarks.stats import CONFIDENCE, LOOKS, Means, judged_ratios, paired, power, sample, simultaneous
from benchmarks.worker import timing
from benchmarks.worker.inputs import Inputs, prepare_inputs
from benchmarks.worker.lockstep import prove
from benchmarks.worker.protocol import Plan, SpeedRequest
from benchmarks.worker.speed import speeds


class SimulatedAdapter(NumpyAdapter):
    """Behaves as an asynchronous device, and sleeps `step_s` seconds a training step, `batch_s` an evaluated batch.

    train, train_fed and evaluate queue work and return at once; only synchronise, and whatever copies results to the
    host, waits until the queue is empty. Learns nothing.
    """

    framework = "simulated"
    step_s = 2e-3
    batch_s = 1e-3
    clock: Any = time  # anything with perf_counter and sleep

    def __init__(self) -> None:
        super().__init__(RECIPES["linear"])
        self.ready = 0.0  # the moment when the queue will have drained

    def queue(self, seconds: float) -> None:
        self.ready = max(self.ready, self.clock.perf_counter()) + seconds

    def drain(self) -> None:
        # A sleep ends late by some 60 us: the last stretch is waited for actively.
        if (rest := self.ready - self.clock.perf_counter()) > 1e-3:
            self.clock.sleep(rest - 1e-3)
        while self.clock.perf_counter() < self.ready:
            self.clock.sleep(0)

    def train(self, preloaded: Preloaded, first: int, count: int) -> None:
        self.queue(count * self.step_s)
        preloaded.losses[first % preloaded.steps] = 1.0

    def train_fed(self, feed: Feed, count: int) -> None:
        self.queue(count * self.step_s)
        feed.losses[feed.taken % feed.steps] = 1.0
        feed.taken += count

    def evaluate(self, preloaded: Preloaded, first: int, count: int) -> Any:
        self.queue(count * self.batch_s)
        return [np.zeros((preloaded.labels.shape[1], 1), self.dtype)] * count

    def synchronise(self, pending: Any = None) -> None:
        self.drain()

    def losses(self, batches: Preloaded | Feed) -> npt.NDArray[np.float64]:
        self.drain()
        return super().losses(batches)

    def fetch(self, outputs: Any) -> Array:
        self.drain()
        return super().fetch(outputs)

    def get_weights(self) -> Weights:
        if hasattr(self, "ready"):  # the contract's constructor asks for shapes before there is a queue
            self.drain()
        return super().get_weights()


class NeverWaits(SimulatedAdapter):
    """A missing synchronisation: it returns before its queue is empty."""

    def synchronise(self, pending: Any = None) -> None:
        self.clock.sleep(0)


Floats = npt.NDArray[np.float64]
RECIPE = RECIPES["mlp"]
SIMULATIONS = 20_000
ROUNDS = 20
TABLE_ARMS, POWER_TABLES = 6, 4_000
MEASURED_NOISE = 0.128  # of a round's log ratio to the fastest: the median of results/reference, a shared machine
QUIET_NOISE = 0.03
NOISE = 0.03  # standard deviation of a launch's log speed in simulations; 2-4 % is seen on small machines


@dataclass(frozen=True)
class Check:
    """One check's answer: what was found, what it is held to, and whether it holds."""

    name: str
    what: str
    found: str
    bound: str
    passed: bool


def _known_rate(inputs: Inputs) -> Iterator[Check]:
    """Measure a simulated device whose speed is known, by the real clock."""
    found = speeds(SimulatedAdapter(), inputs, 100, None)
    for kind, seconds in (("train", SimulatedAdapter.step_s), ("eval", SimulatedAdapter.batch_s)):
        error = found[f"{kind}_samples_per_s"] / (100 / seconds) - 1
        what = f"{kind} speed of a simulated device"
        yield Check("known_rate", what, f"{error:+.3%}", "within 1 %", abs(error) < 0.01)


class HalfChunks(NumpyAdapter):
    """Takes half of the steps that it is asked for."""

    def train(self, preloaded: Preloaded, first: int, count: int) -> None:
        super().train(preloaded, first, (count + 1) // 2)


def _slips(inputs: Inputs) -> Iterator[Check]:
    """Put faults into the measuring that have made other benchmarks wrong."""
    plan = Plan(chunk_steps=50, warm_up_chunks=2, eval_passes=10)
    yield _caught("a missing synchronisation", lambda: speeds(NeverWaits(), inputs, 100, plan))
    milliseconds = timing.Timed([0.1 / 1000] * 10, 1.0, 1.0, True)
    yield _caught("milliseconds taken for seconds", lambda: timing.samples_per_s(milliseconds, 100))
    verdict = prove.Verdict(steps=10)
    images, labels = inputs.steps(10, 10)
    adapter, reference = HalfChunks(RECIPE, dtype="float64"), NumpyAdapter(RECIPE, dtype="float64")
    reference.set_weights(inputs.weights)
    preloaded = reference.put(images, labels)
    reference.train(preloaded, 0, 10)
    prove.free_run(verdict, adapter, RECIPE, inputs.weights, images, labels, reference.losses(preloaded))
    yield Check("slips", "a chunk of half the steps", verdict.why or "not caught", "caught", verdict.lockstep == "fail")


def _caught(fault: str, work: Callable[[], object]) -> Check:
    """Return whether a fault ends as Inconsistent."""
    try:
        work()
    except timing.Inconsistent as error:
        return Check("slips", fault, str(error), "caught", True)
    return Check("slips", fault, "not caught", "caught", False)


def _coverage(inputs: Inputs) -> Iterator[Check]:
    """Draw launches of two equal arms and count how often the 95 % interval of their ratio holds the truth."""
    generator = np.random.default_rng(0)
    logs = generator.normal(0, NOISE * np.sqrt(2), (SIMULATIONS, LOOKS[-1]))  # a pair's drift cancels
    for n in LOOKS:
        share = float(_holds(sample(logs[:, :n])).mean())
        yield Check("coverage", f"fixed at {n} rounds", f"{share:.2%}", "at least 94 %", share >= 0.94)
    for target in (0.02, 0.01):
        share = _stopped_coverage(logs, target)
        what = f"stopped at a look within {target:.0%}"
        yield Check("coverage", what, f"{share:.2%}", "at least 92 %", share >= 0.92)


def _power(inputs: Inputs) -> Iterator[Check]:
    """Draw tables of equal arms and count wrong words, then slow one arm and count how often it is found."""
    for rounds in LOOKS:
        share = 1 - float((_shares(TABLE_ARMS, rounds, 0.0, 0.1) == 0).mean())
        what = f"false alarms in a table of {TABLE_ARMS} equal arms, {rounds} rounds"
        yield Check("power", what, f"{share:.1%}", "at most 6 %", share <= 0.06)
    for noise in (MEASURED_NOISE, QUIET_NOISE):
        for slower in (0.01, 0.02, 0.05, 0.1):
            for rounds in (6, 10, 20):
                pair, six = (float(_shares(arms, rounds, slower, noise).mean()) for arms in (2, TABLE_ARMS))
                expected = power(slower, noise, rounds, CONFIDENCE)
                what = f"a slow-down of {slower:.0%} is found, {rounds} rounds, noise {noise:.1%}"
                found = f"{pair:.1%} between two, {six:.1%} in a table of {TABLE_ARMS}"
                bound = f"{expected:.1%} to within 2 points, between two"
                yield Check("power", what, found, bound, abs(pair - expected) < 0.02 and six < pair + 0.02)


def _shares(arms: int, rounds: int, slower: float, noise: float) -> npt.NDArray[np.bool_]:
    """Return of POWER_TABLES tables, judged as tables are, whether the interval of the slowed arm leaves out 1.

    Where none is slowed: whether that of any does. `noise` is that of a round's log ratio; the ratios are to the best.
    """
    generator = np.random.default_rng(arms * rounds)
    logs = generator.normal(0, noise / np.sqrt(2), (POWER_TABLES, arms, rounds))
    logs[:, -1] += np.log1p(-slower)
    best = logs.mean(axis=2).argmax(axis=1)[:, None]
    ratios = sample(logs - np.take_along_axis(logs, best[:, :, None], axis=1))
    one = Means(np.zeros(arms - 1), np.ones(arms - 1), np.full(arms - 1, float(rounds)))
    judged = judged_ratios(ratios, simultaneous(one, np.zeros(arms - 1)))
    apart = ((judged.low > 1) | (judged.high < 1)) & (np.arange(arms) != best)
    # Where the slowed arm was taken for the best, the other of a pair is found to differ from it, if any is.
    return np.asarray(apart.any(axis=1) if not slower or arms == 2 else apart[:, -1])


def _holds(found: Means) -> npt.NDArray[np.bool_]:
    """Return for each mean whether its interval holds 0, the truth."""
    low, high = found.bounds()
    return (low <= 0) & (high >= 0)


def _stopped_coverage(logs: Floats, target: float) -> float:
    """Return the coverage where each line stops at the first look that is precise enough."""
    result = np.zeros(len(logs), np.bool_)
    going = np.ones(len(logs), np.bool_)
    for n in LOOKS:
        found = sample(logs[:, :n])
        stops = going & ((found.half_widths() <= target) | (n == LOOKS[-1]))
        result[stops] = _holds(found)[stops]
        going &= ~stops
    return float(result.mean())


def _comparisons(inputs: Inputs) -> Iterator[Check]:
    """Compare NumPy with itself, 40 times; then with itself slowed by a known share."""
    ratios = [_compare(inputs, LOOKS[0], 0.0) for _ in range(40)]
    held = sum(bool(_holds(ratio)) for ratio in ratios)
    yield Check("comparisons", "A/A: the interval holds 1", f"{held} of 40", "at least 33", held >= 33)
    for slower, wanted in ((0.05, ("slower",)), (0.005, ("equivalent", "not distinguished"))):
        ratio = _compare(inputs, ROUNDS, slower)
        judged = judged_ratios(ratio, CONFIDENCE)
        verdict = str(judged.verdict)
        found = f"{verdict} ({np.exp(ratio.mean):.4f}, {judged.low:.4f}-{judged.high:.4f})"
        yield Check("comparisons", f"a slow-down of {slower:.1%}", found, " or ".join(wanted), verdict in wanted)


def _compare(inputs: Inputs, rounds: int, slower: float) -> Means:
    """Return the paired log ratio of two arms over rounds, in balanced order; the first is slowed by a share."""
    speeds: list[list[float]] = [[], []]
    for number in range(rounds):
        for arm in (0, 1) if number % 2 == 0 else (1, 0):
            speeds[arm].append(_launched(inputs, (slower, 0.0)[arm]))
    return paired(*speeds)


def _launched(inputs: Inputs, slower: float, steps: int = 20) -> float:
    """Return the samples/s of NumPy training in this process, a median of five short chunks.

    Everything is built again, as in a launch: the place of arrays in memory decides a percent of the speed, and arms
    that kept their arrays would differ by it (A/A held 1 in 6 of 40).
    """
    adapter = NumpyAdapter(RECIPE)
    adapter.set_weights(inputs.weights)
    preloaded = adapter.put(*next(inputs.train(0, 100)))
    adapter.train(preloaded, 0, steps)

    def chunk() -> float:
        begin = time.perf_counter()
        adapter.train(preloaded, 0, steps)
        end = time.perf_counter()
        until = end + slower * (end - begin)
        while time.perf_counter() < until:
            pass
        return time.perf_counter() - begin

    return float(np.median([steps * 100 / chunk() for _ in range(5)]))


def _idle_parent(data: Prepared) -> Iterator[Check]:
    """Let a real worker measure, and take this process's CPU time during it."""
    cpu, wall = time.process_time(), time.monotonic()
    outcome = _real_launch(data)
    share = (time.process_time() - cpu) / (time.monotonic() - wall)
    measured = outcome.status == "ok"
    found = f"{share:.2%} of a core" if measured else f"the worker ended {outcome.status}: {outcome.reason}"
    passed = measured and share < 0.01
    yield Check("idle_parent", "the parent while a worker measures", found, "under 1 %", passed)


def _background_load(data: Prepared) -> Iterator[Check]:
    """Let a real worker measure while another process computes on its CPU."""
    with on_cpus(physical_cpus()[:1]):
        neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        outcome = _real_launch(data)
    finally:
        neighbour.kill()
        neighbour.wait()
    words = ", ".join(sorted(outcome.flags)) or "no flag"
    if outcome.answer is None:
        words = f"the worker ended {outcome.status}: {outcome.reason}"
    share = (outcome.answer or {"foreign_share": 0.0})["foreign_share"]
    found = f"{words}, {share:.0%} of the CPU went to others"
    yield Check("background_load", "a neighbour on the worker's CPU", found, "noisy", "noisy" in outcome.flags)


def _real_launch(data: Prepared) -> Outcome:
    """Measure mlp in NumPy on one CPU, in a worker as a sweep's."""
    cell = Cell("numpy", "mlp", data.name, "cpu", 100, "eager", "float32", 1)
    with files.scratch() as folder:
        prepare_inputs(folder, RECIPE, 0, data.train_size, 1)
        shared = cell_request(cell, data, folder)
        request: SpeedRequest = {
            **shared,
            "task": "speed",
            "plan": None,
            "chunk_s": timing.CHUNK_S,
            "judged_steps": 1,
            "evidence": None,
        }
        return launch(Place.of_framework("numpy", "cpu", 1), request, timeout_s=300)


CHECKS: Mapping[str, Callable[[Inputs], Iterator[Check]]] = {
    "known_rate": _known_rate,
    "slips": _slips,
    "coverage": _coverage,
    "power": _power,
    "comparisons": _comparisons,
}
REAL: Mapping[str, Callable[[Prepared], Iterator[Check]]] = {
    "idle_parent": _idle_parent,
    "background_load": _background_load,
}
NAMES = (*REAL, *CHECKS)  # the real ones first: BLAS threads of the others would still be spinning


def run(names: list[str]) -> Iterator[Check]:
    """Yield the named checks' answers, in order."""
    data = prepare("mnist-5k", None)
    with files.scratch() as folder:
        prepare_inputs(folder, RECIPE, 0, data.train_size, 1)
        inputs = Inputs.open(data.folder, folder, RECIPE.pixels, "float32")
        for name in names:
            yield from REAL[name](data) if name in REAL else CHECKS[name](inputs)
