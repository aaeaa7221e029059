"""A client that says what it sees and when: `python -m tests.engine.watcher SCHEDULER TASK SECONDS WORKER...`.

It gives each worker a task of some seconds, pinned there and never done again, and prints one line of JSON for each
thing it sees: `at_s` on the machine's monotonic clock, which all places share, `what`, and the rest. It ends with its
stdin.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from distributed import Client, Future

EVERY_S = 0.05


def say(what: str, **more: Any) -> None:
    """Print one thing seen, from any thread."""
    sys.stdout.write(json.dumps({"at_s": round(time.monotonic(), 3), "what": what, **more}) + "\n")
    sys.stdout.flush()


def done(worker: str, future: Future) -> None:
    """Say how a future ended; asking a cancelled one for its exception raises."""
    try:
        exception = future.exception(timeout=1)
    except BaseException as error:
        exception = error
    say("done", worker=worker, status=future.status, exception=type(exception).__name__, words=str(exception)[:300])


def burn(seconds: float) -> None:
    """Keep every core busy from child processes, as a measuring member does; its event loop is idle meanwhile."""
    line = [
        sys.executable,
        "-c",
        f"import time; end = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass",
    ]
    for child in [subprocess.Popen(line) for _ in range(os.cpu_count() or 1)]:
        child.wait()


TASKS: dict[str, Callable[[float], None]] = {"sleep": time.sleep, "burn": burn}


def changes(what: str, ask: Callable[[], Any], ended: threading.Event) -> None:
    """Say each new answer to a question."""
    last: Any = None
    while not ended.wait(EVERY_S):
        if (now := ask()) != last:
            say(what, is_now=now)
        last = now


def main(scheduler: str, task: str, seconds: float, workers: list[str]) -> None:
    with Client(scheduler, timeout="30s", set_as_default=False) as client:
        client.wait_for_workers(len(workers), timeout=30)
        futures = {}
        for worker in workers:
            pinned: dict[str, Any] = {"workers": [worker], "allow_other_workers": False, "retries": 0, "pure": False}
            futures[worker] = client.submit(TASKS[task], seconds, **pinned)
            futures[worker].add_done_callback(lambda future, worker=worker: done(worker, future))
        say("submitted")

        def known() -> list[str] | None:
            """Return the scheduler's workers; scheduler_info would do if the client's own timer did not empty it."""
            with suppress(Exception):  # the scheduler does not answer
                names = client.sync(client.scheduler.identity, n_workers=-1)["workers"].values()
                return sorted(worker["name"] for worker in names)
            return None

        questions: dict[str, Callable[[], Any]] = {
            "client": lambda: client.status,
            "futures": lambda: {worker: future.status for worker, future in futures.items()},
            "workers": known,
        }
        ended = threading.Event()
        for what, ask in questions.items():
            threading.Thread(target=changes, args=(what, ask, ended), daemon=True).start()
        sys.stdin.read()
        ended.set()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:])
