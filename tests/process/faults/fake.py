"""The misbehaving adapter: NumPy's, and one fault in each subclass, done for real when it is asked to train."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from adapters.contract import Unsupported
from adapters.numpy import NumpyAdapter


def note(name: str, text: str) -> None:
    """Add a line to a file where a test looks for it; of our environment a worker sees TMPDIR."""
    with (Path(tempfile.gettempdir()) / name).open("a") as file:
        file.write(f"{text}\n")


class Fake(NumpyAdapter):
    """Behaves: what a sweep of good cells is made of."""

    framework = "fake"

    @classmethod
    def versions(cls):
        return {**super().versions(), "fake": "1.0"}


class Segfault(Fake):
    def train(self, preloaded, first, count):
        ctypes.string_at(0)


class Illegal(Fake):
    """Executes what is no instruction, as code for another processor does."""

    def train(self, preloaded, first, count):
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(b"\x0f\x0b")  # ud2
        ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()


class Killed(Fake):
    """Ended from outside, as by the kernel or an administrator; notes that it was there."""

    def train(self, preloaded, first, count):
        note("starts", self.dtype)
        os.kill(os.getpid(), signal.SIGKILL)


class KilledProbe(Fake):
    @classmethod
    def versions(cls):
        os.kill(os.getpid(), signal.SIGKILL)


class Hang(Fake):
    """Does not end, and does not listen to SIGTERM either; notes its id."""

    def train(self, preloaded, first, count):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note("hanging", str(os.getpid()))
        while True:
            time.sleep(60)


class HangLaunch(Hang):
    """Hangs so where it is launched: a proof takes single steps in float32."""

    def train(self, preloaded, first, count):
        if self.dtype == "float32" and count > 1:
            super().train(preloaded, first, count)
        Fake.train(self, preloaded, first, count)


class HangProbe(Fake):
    """Does not even say what it can; notes that it was asked."""

    @classmethod
    def versions(cls):
        note("probed", "hangs")
        while True:
            time.sleep(60)


def daemon() -> None:
    """Leave a process in a session of its own, with all channels open, that ignores SIGTERM; note its id."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            note("daemons", str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    os.wait()


class Daemon(Fake):
    """Leaves daemons of both kinds: forked, and another program in its own group."""

    def train(self, preloaded, first, count):
        if not self.step_count:
            daemon()
            left = subprocess.Popen(["sleep", "600"], close_fds=False)
            note("daemons", str(left.pid))
        super().train(preloaded, first, count)


class DaemonHang(Hang):
    """Leaves a daemon and hangs: for whoever ends the harness meanwhile."""

    def train(self, preloaded, first, count):
        daemon()
        super().train(preloaded, first, count)


class Devours(Fake):
    """Takes memory and uses it, until the kernel minds; gives up at 512 MiB, where no limit holds."""

    def train(self, preloaded, first, count):
        devour()


class DevoursProbe(Fake):
    """Does so before it says what it can."""

    @classmethod
    def versions(cls):
        devour()


def devour() -> None:
    """Take and use memory."""
    taken = [np.ones(8 << 20) for _ in range(8)]
    raise RuntimeError(f"no limit of memory was met by {len(taken)} arrays")


class NoMemory(Fake):
    """Asks for more than any machine has."""

    def train(self, preloaded, first, count):
        np.ones(1 << 55)


class NoDeviceMemory(Fake):
    framework = "torch"  # its words are looked for in what torch raises

    @classmethod
    def versions(cls):
        return {**super().versions(), "torch": "1.0"}

    def train(self, preloaded, first, count):
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 14 MiB free")


class BadAlloc(Fake):
    """Ends as C++ does when nobody catches std::bad_alloc."""

    def train(self, preloaded, first, count):
        os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n")
        os.abort()


class OnlySays(Fake):
    """Mentions memory in an error that is none of a want of it."""

    def train(self, preloaded, first, count):
        raise RuntimeError("memory format out of range")


class NotANumber(Fake):
    def losses(self, batches):
        return np.full(batches.steps, np.nan)


class Infinite(Fake):
    """Behaves in the gate, and then learns towards infinity."""

    def losses(self, batches):
        found = super().losses(batches)
        return found if self.dtype == "float64" or len(found) <= 10 else found + np.inf


class Flood(Fake):
    """Prints without measure, no UTF-8 among it, also on descriptors that are not its own, and then goes on."""

    def train(self, preloaded, first, count):
        os.write(1, b"\xff\xfe noise \x1b[31m\n" * 4096)
        print('{"status": "ok", "reason": ""}', file=sys.stderr)
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b'{"status": "ok", "reason": "", "accuracy": 1.0}')
            except OSError:
                continue
        super().train(preloaded, first, count)


class ClosesDescriptors(Fake):
    """Closes what it finds open, as what makes itself a daemon does."""

    def train(self, preloaded, first, count):
        os.closerange(3, 64)
        super().train(preloaded, first, count)


class OtherType(Fake):
    """Says its version as no string once it has trained."""

    trained = False

    @classmethod
    def versions(cls):
        return {**super().versions(), **({"fake": ["1", "0"]} if cls.trained else {})}

    def train(self, preloaded, first, count):
        type(self).trained = True
        super().train(preloaded, first, count)


class Lacks(Fake):
    """Has no way to do what others do, and says so once it has the network."""

    def train(self, preloaded, first, count):
        raise Unsupported("fake has no trains")


class Outdated(Fake):
    @classmethod
    def versions(cls):
        return {**super().versions(), "fake": "0.9"}


class Gpu(Fake):
    """Says it sees a card, and computes on the CPU."""

    @classmethod
    def devices(cls):
        return {**super().devices(), "gpu": "a card"}

    @classmethod
    def unsupported(cls, device, mode, dtype, input="preloaded"):
        return super().unsupported("cpu", mode, dtype, input)


class Greedy(Fake):
    """Trains on every CPU there is, whatever it was asked for."""

    def train(self, preloaded, first, count):
        os.sched_setaffinity(0, range(os.cpu_count()))
        with contextlib.suppress(OSError):  # on a busy machine it would not get more; only root can see to it
            os.setpriority(os.PRIO_PROCESS, 0, -20)
            Path("/proc/self/autogroup").write_text("-20")  # sessions share CPUs evenly: sched(7), autogroup
        end = time.perf_counter() + 0.00002 * count
        threads = [threading.Thread(target=burn, args=(end,)) for _ in range(8)]  # that others compute, too
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        super().train(preloaded, first, min(count, 10))


def burn(end: float) -> None:
    """Compute until a moment, outside of Python's lock."""
    array = np.ones(2_000_000)
    while time.perf_counter() < end:
        np.sqrt(array, out=array)


class Lazy(Fake):
    """Multiplies in one thread, however many it was asked for."""

    def products(self, left, right):
        def work(count):
            for _ in range(count):
                product = np.einsum("ij,jk->ik", left[:64], right)
            return [product]

        return work


class NoThreads(Fake):
    """Meets the limit of processes, the kernel's own: RLIMIT_NPROC, which binds everybody but root."""

    def train(self, preloaded, first, count):
        if os.getuid() == 0:
            os.setuid(65534)
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        threading.Thread(target=time.sleep, args=(1,)).start()
