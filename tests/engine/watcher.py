"""A client that says what it sees and when: `python -m tests.engine.watcher SCHEDULER SECONDS WORKER...`.

It asks each worker to sleep, pinned there and never again elsewhere, and prints one line of JSON for each thing it
sees: `at_s` on the machine's monotonic clock, which all places share, `what`, and the rest. It ends with its stdin.
"""

from __future__ import annotations

import json
import sys
import threading
import time
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


def watch(client: Client, futures: dict[str, Future], ended: threading.Event) -> None:
    """Say each change of the client's status and of the futures', and of the workers that it believes to be there."""
    last: dict[str, Any] = {}
    while not ended.wait(EVERY_S):
        now = {
            "client": client.status,
            "futures": {worker: future.status for worker, future in futures.items()},
            "workers": sorted(client.scheduler_info(n_workers=-1)["workers"]) if client.status == "running" else None,
        }
        for what, value in now.items():
            if last.get(what) != value:
                say(what, is_now=value)
        last = now


def main(scheduler: str, seconds: float, workers: list[str]) -> None:
    with Client(scheduler, timeout="30s", set_as_default=False) as client:
        client.wait_for_workers(len(workers), timeout=30)
        futures = {}
        for worker in workers:
            pinned: dict[str, Any] = {"workers": [worker], "allow_other_workers": False, "retries": 0, "pure": False}
            futures[worker] = client.submit(time.sleep, seconds, **pinned)
            futures[worker].add_done_callback(lambda future, worker=worker: done(worker, future))
        say("submitted")
        ended = threading.Event()
        threading.Thread(target=watch, args=(client, futures, ended)).start()
        sys.stdin.read()
        ended.set()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
