"""Networks in a framework's worker: trained or evaluated in one launch, or held warm to answer image by image.

A launch answers once, after seconds of importing and building. A warm worker is supervised and checked in the same way,
but its stdin stays open and every line there is one image (worker/__main__.py). A line goes into the pipe a piece at a
time, each when there is room for it, so that a worker that hangs cannot block us: reading and writing have deadlines.
Weights cross as .npz.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import selectors
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

from adapters.declaration import Recipe
from adapters.networks import declared
from adapters.recipes import RECIPES
from adapters.registry import record
from adapters.weights import Weights
from benchmarks import files
from benchmarks.errors import WorkerFailed, WorkerLost
from benchmarks.launch import outcome, process
from benchmarks.launch.outcome import MAX_ANSWER_BYTES, decoded, judge
from benchmarks.launch.process import Place, Report, cell_request
from benchmarks.machine.hardware import kind
from benchmarks.plan.cells import Cell
from benchmarks.plan.data.prepared import Prepared
from benchmarks.worker.inputs import read_weights, write_weights
from benchmarks.worker.protocol import AccuracyRequest, EvaluateRequest, ImageRequest, ServeRequest, checked_image

Array = npt.NDArray[Any]
READY_S = 120.0  # the first import in an environment may compile thousands of files
ANSWER_S = 10.0
LOGITS = 1e-4  # absolute, float32: what outputs may differ by, and how near two logits are when they count as a tie


class Warm:
    """One framework's worker that holds a network; for one thread, at whose end the kernel ends the worker."""

    def __init__(self, framework: str, device: str, recipe: Recipe, weights: Weights, threads: int) -> None:
        """Start it and return at once: several can warm up side by side. EnvironmentMissing, WorkerLost.

        It may run on all cores that this process may use: no time measured here is published.
        """
        self.framework, self.recipe = framework, recipe
        self.about: dict[str, Any] = {}  # once it is ready: `mode` and `version`
        self.lost: WorkerLost | None = None
        self.received, self.printed = bytearray(), bytearray()
        place = Place.of_framework(framework, device, threads).on_all_cores()
        with contextlib.ExitStack() as undo:
            self.watch = undo.enter_context(place.memory.watch())
            folder = undo.enter_context(files.scratch())
            write_weights(folder / "weights.npz", weights)
            self.selector = undo.enter_context(selectors.DefaultSelector())
            request = ServeRequest(
                task="serve",
                adapter=record(framework).adapter,
                device=kind(device),
                network=declared(recipe),
                weights=str(folder / "weights.npz"),
                threads=threads,
            )
            try:
                self.process, self.reader = process.start(place, request, self.watch)
            except OSError as error:
                raise WorkerLost(f"{framework}: the worker could not be started: {error.strerror}") from None
            undo.callback(os.close, self.reader)
            undo.callback(process.stop, self.process)
            self.exited = os.pidfd_open(self.process.pid)
            undo.callback(os.close, self.exited)
            for descriptor in (self.reader, cast(IO[bytes], self.process.stdout).fileno(), self.exited):
                self.selector.register(descriptor, selectors.EVENT_READ)
            self.undo = undo.pop_all()

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ready(self) -> None:
        """Return when it is warm; WorkerLost says why it will not be."""
        if not self.about:
            self.about = self._answer("serving", READY_S)

    def outputs(self, images: Array) -> tuple[Array, Array]:
        """Return the network's outputs (N, K) for images uint8 (N, C, H, W), and the seconds of each, (N,).

        Outputs are what the last layer gives: logits in most recipes. WorkerLost, now and ever after, when the worker
        has ended, does not answer within ANSWER_S or answers nonsense.
        """
        shape = self.recipe.model.input_shape
        if images.dtype != np.uint8 or images.shape[1:] != shape:
            raise ValueError(f"images: expected uint8 (N, *{shape}), found {images.dtype} {images.shape}")
        self.ready()
        found = [self._ask(image) for image in images]
        outputs = np.array([each["outputs"] for each in found], np.float64)
        return outputs.reshape(len(images), -1), np.array([each["seconds"] for each in found])

    def check(self) -> None:
        """Raise WorkerLost if it has ended unasked; never waits."""
        if self.lost is None and self.process.poll() is not None:
            self._end()
        if self.lost is not None:
            raise self.lost

    def stop(self) -> None:
        """Order it to end, from any thread; its own then finds it lost."""
        self.process.terminate()

    def close(self) -> None:
        """End it; nothing is left of it afterwards."""
        self.lost = self.lost or WorkerLost(f"{self.framework}: its worker was closed")
        self.undo.close()

    def _ask(self, image: Array) -> dict[str, Any]:
        """Return the worker's answer to one image."""
        self._send(ImageRequest(image=base64.b64encode(image.tobytes()).decode()))
        answer = self._answer("served", ANSWER_S)
        if len(answer["outputs"]) != self.recipe.model.outputs:
            raise self._loss(f"answered {len(answer['outputs'])} outputs in place of {self.recipe.model.outputs}")
        return answer

    def _send(self, message: ImageRequest) -> None:
        """Write one line; a worker that has ended is noticed where its answer is awaited."""
        self.check()
        descriptor = cast(IO[bytes], self.process.stdin).fileno()
        room = select.poll()
        room.register(descriptor, select.POLLOUT)
        line, deadline = memoryview(json.dumps(checked_image(message)).encode() + b"\n"), time.monotonic() + ANSWER_S
        with contextlib.suppress(BrokenPipeError):
            while line:
                if not room.poll(1000 * max(0.0, deadline - time.monotonic())):
                    raise self._loss(f"took no image within {ANSWER_S:g} s")
                line = line[os.write(descriptor, line[: select.PIPE_BUF]) :]  # so much has room: pipe(7)

    def _answer(self, kind: str, seconds: float) -> dict[str, Any]:
        """Return the worker's next answer, checked."""
        self.check()
        deadline = time.monotonic() + seconds
        while b"\n" not in self.received:
            left = deadline - time.monotonic()
            ready = self.selector.select(left) if left > 0 else []  # one that prints without end is always ready
            if not ready:
                raise self._loss(f"no answer after {seconds:g} s")
            descriptors = {key.fd for key, _ in ready}
            self._receive(descriptors)
            if self.exited in descriptors and b"\n" not in self.received:
                raise self._end()
            if len(self.received) > MAX_ANSWER_BYTES:
                raise self._loss(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
        line, _, rest = bytes(self.received).partition(b"\n")
        self.received[:] = rest
        try:
            return outcome.read(line, kind)
        except outcome.AnswerInvalid as error:
            raise self._loss(f"its answer {error}") from None

    def _receive(self, descriptors: set[int]) -> None:
        """Read what has come, all of it when the worker has ended."""
        drain = self.exited in descriptors
        for key in list(self.selector.get_map().values()):
            if key.fd != self.exited and (drain or key.fd in descriptors):
                kept = self.received if key.fd == self.reader else self.printed
                if not process.receive(key.fd, kept, drain):
                    self.selector.unregister(key.fd)

    def _end(self) -> WorkerLost:
        """Return the error that says how the worker ended."""
        self._receive({self.exited})
        ended = judge(self.process.wait(), bytes(self.received), decoded(self.printed), "serve").explained(self.watch)
        return self._loss(ended.reason or "its worker ended unasked")

    def _loss(self, reason: str) -> WorkerLost:
        """End the worker and return the error to raise, now and at every later call."""
        self.lost = WorkerLost(f"{self.framework}: {reason}")
        self.undo.close()
        return self.lost


def probabilities(outputs: Array) -> Array:
    """Return the softmax over the last axis, in float64: what recipes with cross-entropy learn from."""
    shifted = np.exp(outputs.astype(np.float64) - outputs.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True))


Answer = dict[str, Any]
Outputs = npt.NDArray[np.floating]
TIMEOUT_S = 24 * 3600.0  # of a training, which shows its progress and can be ended; no recipe here takes an hour
EVALUATE_S = 1800.0


def _ask(
    cell: Cell, request: AccuracyRequest | EvaluateRequest, timeout_s: float, progress: Report | None = None
) -> Answer:
    """Return a worker's answer to a task; WorkerFailed where its status is not ok."""
    place = Place.of_framework(cell.framework, cell.device, cell.threads, cell.revision)
    found = process.launch(place, request, timeout_s, progress)
    if found.answer is None or found.status != "ok":
        raise WorkerFailed(f"{cell.framework} {cell.recipe} {request['task']} ended {found.status}: {found.reason}")
    return found.answer


def train(
    cell: Cell, data: Prepared, inputs: Path, epochs: int, progress: Report | None = None
) -> tuple[Weights, Answer]:
    """Train a cell's recipe; return its weights and the worker's answer. prepare_inputs() has filled `inputs`."""
    kept = inputs / f"{cell.framework}.npz"
    request: AccuracyRequest = {
        **cell_request(cell, data, inputs),
        "task": "accuracy",
        "epochs": epochs,
        "evidence": None,
        "save": str(kept),
        "progress": progress is not None,
    }
    answer = _ask(cell, request, TIMEOUT_S, progress)
    return read_weights(kept), answer


def outputs(cell: Cell, data: Prepared, inputs: Path, weights: Mapping[str, Weights]) -> dict[str, Outputs]:
    """Return a cell's outputs on all test images at each of some weights, finite and (images, outputs).

    Weights are rounded to float32, as a checkpoint has them. prepare_inputs() has filled `inputs`.
    """
    kept = {name: inputs / f"{name}-for-{cell.framework}.npz" for name in weights}
    for name, path in kept.items():
        write_weights(path, {key: array.astype(np.float32) for key, array in weights[name].items()})
    made = {name: inputs / f"{name}-in-{cell.framework}.npy" for name in weights}
    request: EvaluateRequest = {
        **cell_request(cell, data, inputs),
        "task": "evaluate",
        "weights": {name: str(path) for name, path in kept.items()},
        "outputs": {name: str(path) for name, path in made.items()},
    }
    _ask(cell, request, EVALUATE_S)
    found = {name: np.load(path, allow_pickle=False) for name, path in made.items()}
    expected = (data.test_size, RECIPES[cell.recipe].model.outputs)
    for name, array in found.items():
        if array.shape != expected or not np.isfinite(array).all():
            wrong = f"finite outputs of shape {expected}, found {array.shape} or what is not finite"
            raise WorkerFailed(f"{cell.framework} {cell.recipe} evaluate at the weights of {name}: expected {wrong}")
    return found


def largest_deviation(found: Array, expected: Array) -> float:
    """Return the largest difference; infinite if anything is not finite or missing."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found.astype(np.float64) - expected).max())
