"""The misbehaving adapter: NumPy's, and one fault in each subclass, done for real when it is asked to train."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

import numpy as np

from adapters.numpy import NumpyAdapter


class Fake(NumpyAdapter):
    """Behaves: what a sweep of good cells is made of."""

    framework = "fake"

    @classmethod
    def versions(cls):
        return {**super().versions(), "fake": "1.0"}


class Segfault(Fake):
    def train(self, resident, first, count):
        ctypes.string_at(0)


class Killed(Fake):
    """Ended from outside, as by the kernel or an administrator."""

    def train(self, resident, first, count):
        os.kill(os.getpid(), signal.SIGKILL)


class Hang(Fake):
    """Does not end, and does not listen to SIGTERM either."""

    def train(self, resident, first, count):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)


class NotANumber(Fake):
    def losses(self, batches):
        return np.full(batches.steps, np.nan)


class Flood(Fake):
    """Prints without measure, no UTF-8 among it, and then goes on as if nothing had been."""

    def train(self, resident, first, count):
        os.write(1, b"\xff\xfe noise \x1b[31m\n" * 4096)
        print("more", file=sys.stderr)
        super().train(resident, first, count)
