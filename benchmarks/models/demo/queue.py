"""One framework's worker and the drawings that wait for it, in the thread that the worker belongs to.

A worker answers one drawing at a time. Each page has at most one that waits: a newer one takes its place, so that
someone who draws fast neither fills the queue nor comes before anybody else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy.typing as npt

from benchmarks.errors import LockstepError, plain
from benchmarks.models.remote import Warm, probabilities

Answer = dict[str, Any]
Job = tuple[npt.NDArray[Any], Future[Answer]]
WAITING = 64  # pages; a hundredth of a second each


class WorkerQueue:
    """A framework at work; `ask` and `restart` may be called from any thread, `close` once."""

    def __init__(self, framework: str, start: Callable[[], Warm]) -> None:
        """Start its thread, and in that thread the worker that `start` returns."""
        self.framework, self._start = framework, start
        self._state, self._reason = "starting", ""
        self._worker: Warm | None = None
        self._closing = False
        self._waiting: dict[str, Job] = {}  # by page; in the order in which the pages came
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"queue of {framework}")
        self._thread.start()

    def state(self) -> Answer:
        """Return what the page shows of it: `starting`, `ready` or `lost` with its reason; version and mode."""
        with self._changed:
            if self._state == "ready" and self._worker is not None and self._worker.process.poll() is not None:
                self._changed.notify()  # the thread finds out why
            about = self._worker.about if self._worker else {}
            found = {"framework": self.framework, "state": self._state, "reason": self._reason}
            return found | {name: plain(about.get(name, "")) for name in ("version", "mode")}

    def ask(self, page: str, image: npt.NDArray[Any]) -> Future[Answer]:
        """Let a page's drawing, uint8 (28, 28), wait; the future's answer holds `probabilities` and `seconds`.

        Or `superseded` by a newer one of the same page, or the `state` that it cannot be answered in.
        """
        future: Future[Answer] = Future()
        with self._changed:
            if self._state != "ready":
                future.set_result({"state": self._state, "reason": self._reason})
            elif page not in self._waiting and len(self._waiting) >= WAITING:
                future.set_result({"state": "busy", "reason": f"{WAITING} pages wait for it already"})
            else:
                if page in self._waiting:
                    _settle(self._waiting[page][1], {"superseded": True})
                self._waiting[page] = (image, future)
                self._changed.notify()
        return future

    def restart(self) -> None:
        """Start a new worker in place of one that is lost; nothing happens otherwise."""
        with self._changed:
            if self._state == "lost":
                self._state, self._reason = "starting", ""
                self._changed.notify()

    def close(self) -> None:
        """End the worker, whatever it is doing, and the thread."""
        with self._changed:
            self._closing = True
            if self._worker is not None:
                self._worker.stop()
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        """Serve with one worker after another."""
        while not self._closing:
            try:
                with self._start() as worker:
                    self._serve(worker)
            except LockstepError as error:
                self._become("lost", plain(str(error)))
            with self._changed:
                self._changed.wait_for(lambda: self._closing or self._state != "lost")

    def _serve(self, worker: Warm) -> None:
        """Answer until the queue closes; WorkerLost."""
        with self._changed:
            self._worker = worker
            if self._closing:
                return
        worker.ready()
        self._become("ready", "")
        while (job := self._next(worker)) is not None:
            image, future = job
            if future.set_running_or_notify_cancel():  # it may have been cancelled: the page is gone
                try:
                    outputs, seconds = worker.outputs(image[None, None])
                except LockstepError as error:
                    future.set_result({"state": "lost", "reason": plain(str(error))})
                    raise
                future.set_result({"probabilities": probabilities(outputs)[0].tolist(), "seconds": float(seconds[0])})

    def _next(self, worker: Warm) -> Job | None:
        """Sleep until a drawing waits; None when the queue closes; WorkerLost when the worker has ended."""
        with self._changed:
            while not self._waiting and not self._closing:
                worker.check()
                self._changed.wait()
            return None if self._closing else self._waiting.pop(next(iter(self._waiting)))

    def _become(self, state: str, reason: str) -> None:
        """Take a state; drawings that wait for a lost worker are answered with it."""
        with self._changed:
            self._state, self._reason = state, reason
            for _, future in self._waiting.values():
                _settle(future, {"state": state, "reason": reason})
            self._waiting.clear()


def _settle(future: Future[Answer], answer: Answer) -> None:
    """Answer without a computation, unless the page has cancelled it."""
    if future.set_running_or_notify_cancel():
        future.set_result(answer)
