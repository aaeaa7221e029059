"""Several machines on one, to cut links and kill members for real: one network namespace each, joined by a bridge.

The bridge lies in a namespace of its own and there is no route out, so nothing of the host's network is touched and no
packet leaves. Needs root and Debian's iproute2. Abstract unix sockets belong to their network namespace (unix(7)), so
the machine-wide measuring lock (machine/lock.py) is one per place: in this too each place is a machine of its own.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psutil

PREFIX = "lockstep"  # names are PREFIX-<pid of the run>-<number>-<place>
SWITCH = "switch"
BRIDGE = "br0"
LINK = "eth0"
DRIVER = "driver"
SCHEDULER = "scheduler"
LONGEST_KILL_S = 10.0
HEARD = (signal.SIGTERM, signal.SIGHUP)
counter = itertools.count()


def missing() -> str:
    """Return why this machine cannot make such a network; empty where it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    return "" if shutil.which("ip") and shutil.which("nsenter") else "no ip or nsenter: apt-get install iproute2"


def ip(*arguments: str) -> str:
    """Run ip(8), deaf to a Ctrl-C that is meant for the tests, and return what it printed."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False, start_new_session=True)
    if done.returncode:
        raise RuntimeError(f"asked: ip {' '.join(arguments)}; found: {done.stderr.strip()}; try it by hand as root")
    return done.stdout


def namespaces() -> list[str]:
    """Return the names of all network namespaces of this kind, of every run."""
    return [line.split()[0] for line in ip("netns", "list").splitlines() if line.startswith(f"{PREFIX}-")]


def pids(namespace: str) -> list[int]:
    """Return the living processes in a namespace; a zombie is in none."""
    return [int(pid) for pid in ip("netns", "pids", namespace).split()]


class Network:
    """Places, each with its own loopback, an address in 10.77.0.0/24 and a link to the bridge.

    A link is cut in one of two ways, and neither side is told in either; what differs is what the machine itself sees.
    "down": its own link goes down, so it has no route and its connects fail at once (a cable that was pulled).
    "silent": its link stays up and every packet is dropped at the bridge (a firewall, a switch that died).
    """

    def __init__(self, name: str, places: Sequence[str]):
        self.name = name
        self.places = list(places)
        self.started: list[subprocess.Popen[Any]] = []

    def namespace(self, place: str) -> str:
        if place not in (*self.places, SWITCH):
            raise ValueError(f"asked for {place}; this network has {', '.join(self.places)}; name one of these")
        return f"{self.name}-{place}"

    def port(self, place: str) -> str:
        """Return the name of a place's port at the bridge."""
        return f"p{self.places.index(place)}"

    def address(self, place: str) -> str:
        """Return a place's IPv4 address."""
        return f"10.77.0.{10 + self.places.index(place)}"

    def make(self) -> None:
        switch = self.namespace(SWITCH)
        ip("netns", "add", switch)
        ip("-n", switch, "link", "add", BRIDGE, "up", "type", "bridge")
        for place in self.places:
            inside, port = self.namespace(place), self.port(place)
            ip("netns", "add", inside)
            ip("-n", switch, "link", "add", port, "type", "veth", "peer", "name", LINK, "netns", inside)
            ip("-n", switch, "link", "set", port, "up", "master", BRIDGE)
            ip("-n", inside, "address", "add", f"{self.address(place)}/24", "dev", LINK)
            ip("-n", inside, "link", "set", "lo", "up")
            ip("-n", inside, "link", "set", LINK, "up")

    def start(
        self, place: str, command: Sequence[str], env: Mapping[str, str] | None = None, **pipes: Any
    ) -> subprocess.Popen[Any]:
        """Start a program in a place; `pipes` go to Popen.

        nsenter becomes the program by exec, so the pid is the program's own and signals reach it. It has a session of
        its own: a Ctrl-C at the terminal is for the tests, which then end it.
        """
        line = ["nsenter", f"--net=/run/netns/{self.namespace(place)}", "--", *command]
        self.started.append(subprocess.Popen(line, env=env, start_new_session=True, **pipes))
        return self.started[-1]

    def cut(self, place: str, how: str = "down") -> None:
        """Cut a place's link, "down" or "silent"."""
        if how == "down":
            ip("-n", self.namespace(place), "link", "set", LINK, "down")
        elif how == "silent":  # not by netem or a packet filter, which not every kernel has: a port of no bridge
            ip("-n", self.namespace(SWITCH), "link", "set", self.port(place), "nomaster")
        else:
            raise ValueError(f"asked to cut a link {how}; there are two ways; say down or silent")

    def mend(self, place: str) -> None:
        """Undo every cut of a place's link."""
        ip("-n", self.namespace(place), "link", "set", LINK, "up")
        ip("-n", self.namespace(SWITCH), "link", "set", self.port(place), "master", BRIDGE)

    def processes(self, place: str) -> list[int]:
        """Return the pids of what lives in a place, whoever started it."""
        return pids(self.namespace(place))

    def end(self) -> None:
        """Kill all processes in all places, then remove the places."""
        remove([name for name in namespaces() if name.startswith(f"{self.name}-")])
        for process in self.started:
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    with suppress(BrokenPipeError):
                        pipe.close()


def remove(names: Sequence[str]) -> None:
    """Kill all processes in these namespaces and remove them; RuntimeError says what could not be killed."""
    deadline = time.monotonic() + LONGEST_KILL_S
    while (living := [pid for name in names for pid in pids(name)]) and time.monotonic() < deadline:
        for pid in living:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    for name in names:
        ip("netns", "delete", name)
    if living:
        raise RuntimeError(f"processes {living} in {', '.join(names)} outlived SIGKILL for {LONGEST_KILL_S} s; see ps")


def remove_orphans() -> None:
    """Remove what runs left behind that were killed and could not tidy up."""
    orphans = [name for name in namespaces() if not psutil.pid_exists(int(name.split("-")[1]))]
    remove(orphans)


@contextmanager
def heard() -> Iterator[None]:
    """Let SIGTERM (timeout(1) sends it) and SIGHUP interrupt as Ctrl-C does, so that what is to be removed is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, _: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = {number: signal.signal(number, interrupt) for number in HEARD}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def network(machines: int) -> Iterator[Network]:
    """Yield a network of `machines` places m1, m2, ..., one for the driver and one for the scheduler.

    At the end, however it comes, every process in it is killed and every namespace removed. Only SIGKILL of the tests
    leaves some; the next network of any run removes those.
    """
    remove_orphans()
    places = [DRIVER, SCHEDULER, *(f"m{number}" for number in range(1, machines + 1))]
    made = Network(f"{PREFIX}-{os.getpid()}-{next(counter)}", places)
    with heard():
        try:
            made.make()
            yield made
        finally:
            made.end()
