from __future__ import annotations

import os
import threading

from benchmarks.worker import interference


def test_threads_that_only_wait_do_not_count():
    assert interference._active({1: 100, 2: 90, 3: 5, 4: 0}) == 2
    assert interference._active({1: 0}) == 0


def test_the_kernel_says_what_each_thread_took():
    before = interference._cpu_ns()
    kernel_ids = []

    def compute():
        kernel_ids.append(threading.get_native_id())
        sum(range(2_000_000))
        done.wait()

    done = threading.Event()
    worker = threading.Thread(target=compute)
    worker.start()
    while not kernel_ids or interference._cpu_ns()[kernel_ids[0]] < 1_000_000:
        pass
    taken = interference._cpu_ns()[kernel_ids[0]] - before.get(kernel_ids[0], 0)
    done.set()
    worker.join()
    assert taken >= 1_000_000
    assert os.getpid() in before
