"""A real Slurm on this machine, for as long as a test takes: munge, a controller and two nodes, all in one folder.

Two nodes of one machine are told apart by name and port. Nothing outside the folder is read or written, so that a
Slurm that is installed and configured here is neither used nor touched. Needs Debian's slurm-wlm and munge.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.process.faults.processes import alive, ended, until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "sinfo", "squeue")
WHERE = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/bin"))  # daemons are in no user's PATH
NODES = ("one", "two")
KILL_WAIT_S = 5  # between a job's SIGTERM and its SIGKILL; Slurm's default is 30
# No plug-in that needs root's control groups, a database or a file in /etc.
CONFIGURATION = """\
ClusterName=lockstep
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/%n.pid
SlurmdLogFile={folder}/%n.log
SlurmdSpoolDir={folder}/%n
SlurmdParameters=config_overrides
PlugStackConfig=/dev/null
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
KillWait={kill_wait_s}
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus}
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cpus}
PartitionName=all Nodes=one,two Default=YES State=UP
"""


def missing() -> list[str]:
    """Return which of Slurm's and munge's programs are not installed here."""
    return [name for name in PROGRAMS if not shutil.which(name, path=WHERE)]


@dataclass(frozen=True)
class Slurm:
    """A running Slurm: `environment` is what its commands, and all who call them, must have."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": WHERE, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def ask(self, *command: str) -> list[str]:
        """Run one of Slurm's commands and return the lines that it printed."""
        line = {"env": self.environment, "capture_output": True, "text": True, "timeout": 60}
        done = subprocess.run(command, check=False, **line)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        return done.stdout.splitlines()

    def jobs(self) -> list[str]:
        """Return `ID STATE NODE` of each job that waits, runs or is being ended."""
        return self.ask("squeue", "--noheader", "--format", "%i %T %N")

    def processes(self) -> list[psutil.Process]:
        """Return what lives of it: the daemons and, unless a program emptied its environment, all that jobs started."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("SLURM_CONF") == self.environment["SLURM_CONF"]:
                    found.append(process)
            except psutil.Error:  # it ended meanwhile, or is another user's
                continue
        return [process for process in alive(found) if process.pid != os.getpid()]


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def configure(folder: Path) -> None:
    """Write all that munge and Slurm read; munge wants its key private and its socket within everybody's reach."""
    for path in (folder, folder / "munge", folder / "state"):
        path.mkdir(exist_ok=True)
        path.chmod(0o711)
    key = folder / "munge" / "key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(64))
    about = {"host": socket.gethostname().split(".")[0], "user": pwd.getpwuid(os.geteuid()).pw_name}
    about |= {"folder": str(folder), "kill_wait_s": KILL_WAIT_S, "cpus": os.cpu_count()}
    (folder / "slurm.conf").write_text(CONFIGURATION.format(ports=free_ports(3), **about))


def daemons(munge: Path) -> list[list[str]]:
    """Return the commands of the daemons in the order in which they start, all in the foreground."""
    files = [("key-file", "key"), ("socket", "socket"), ("pid-file", "pid"), ("log-file", "log"), ("seed-file", "seed")]
    first = ["munged", "--foreground", *(f"--{option}={munge / name}" for option, name in files)]
    return [first, ["slurmctld", "-D"], *(["slurmd", "-D", "-N", name] for name in NODES)]


@contextmanager
def daemon(command: list[str], slurm: Slurm) -> Iterator[None]:
    """Run a daemon; it ends with whoever started it, also if that one is killed (then each job's slurmstepd stays)."""
    with (slurm.folder / "daemons.out").open("ab") as out:
        guarded = ["setpriv", "--pdeathsig", "TERM", "--", *command]
        process = subprocess.Popen(guarded, env=slurm.environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            yield
        finally:
            ended(process)


def idle(slurm: Slurm) -> bool:
    """Return whether both nodes wait for a job."""
    try:
        return slurm.ask("sinfo", "--noheader", "--Node", "--format", "%N %T") == [f"{name} idle" for name in NODES]
    except AssertionError:  # the controller does not answer yet
        return False


def wait(slurm: Slurm) -> None:
    """Wait until both nodes are idle; what the daemons printed is told where they do not become so."""
    try:
        until(lambda: idle(slurm), "both nodes idle", 60, 0.2)
    except AssertionError as error:
        printed = (slurm.folder / "daemons.out").read_text(errors="replace")
        raise AssertionError(f"{error}; the daemons printed:\n{printed[-4000:]}") from None


@contextmanager
def slurm() -> Iterator[Slurm]:
    """Run a Slurm of two nodes, shared by jobs that do not ask for a whole one; at its end nothing of it is left."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:  # short: a socket's path has at most 107 bytes
        running = Slurm(Path(folder))
        configure(running.folder)
        try:
            with ExitStack() as stack:
                for command in daemons(running.folder / "munge"):
                    stack.enter_context(daemon(command, running))
                    if command[0] == "munged":
                        until((running.folder / "munge" / "socket").exists, "munged's socket")
                wait(running)
                yield running
                running.ask("scancel", "--partition", "all")
                until(lambda: not running.jobs(), "an empty queue", KILL_WAIT_S + 30, 0.2)
        finally:
            left = running.processes()
            for process in left:
                process.send_signal(signal.SIGKILL)
        assert not left, f"processes outlived Slurm: {left}"
