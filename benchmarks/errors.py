"""Every error the product raises on purpose, as one tree.

    LockstepError                 something the user can act on; the message is one line
    ├── UsageError                asked for what does not exist or cannot be            exit 2
    ├── DataError                 a data set is missing, corrupt or not what it claims  exit 2
    ├── EnvironmentMissing        a framework's environment does not exist                exit 2
    ├── StorageError              what is there cannot be written or read               exit 74
    │   └── SchemaError           a row is not what the schema table says
    ├── WorkerLost                a warm worker has ended, hangs or answers nonsense    exit 1
    ├── WorkerFailed              a framework could not do what a command needs it for  exit 1
    ├── EngineError               machines or their scheduler cannot be reached         exit 69
    └── Busy                      another process measures on this machine              exit 75

Each message says what was asked, what was found and what to type next. Anything else that escapes is a bug
and shows its traceback. Below the tree is what messages are made of: a missing package, counts, text that is safe to
print. A machine that is lent for its card may have PyTorch, pandas and typer, and no package index: other packages are
imported where they are used, and a missing one is one line.
"""

from __future__ import annotations

import importlib
from pathlib import Path


class LockstepError(Exception):
    """Base of all expected errors; `exit_code` is what the command line ends with."""

    exit_code = 2


class UsageError(LockstepError):
    """Asked for what does not exist or cannot be."""


class DataError(LockstepError):
    """A data set is missing, corrupt or not what it claims to be."""


class EnvironmentMissing(LockstepError):
    """A framework's environment does not exist; the message holds the command that makes it."""


class StorageError(LockstepError):
    """Results or another output cannot be written, or a file that is there cannot be read."""

    exit_code = 74  # EX_IOERR of sysexits.h


class SchemaError(StorageError):
    """A row is not what the schema table says; the message names the column."""


class WorkerLost(LockstepError):
    """A warm worker has ended, does not answer or answers nonsense; the message says which and why."""

    exit_code = 1


class WorkerFailed(LockstepError):
    """A framework could not train, evaluate, write or load; the message says which and why."""

    exit_code = 1


class EngineError(LockstepError):
    """The engine's scheduler, or machines enough for a sweep, cannot be reached or were lost."""

    exit_code = 69  # EX_UNAVAILABLE of sysexits.h


class Busy(LockstepError):
    """Another process measures on this machine, and --no-wait forbids to wait for it."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: the same command may succeed later


DISTRIBUTIONS = {"pynvml": "nvidia-ml-py"}  # where the package index has another name than the import


def require(use: str, *modules: str, instead: str = "make the harness's own environment: tox -e bench") -> None:
    """Raise EnvironmentMissing where a module, or one that it imports, is missing; `instead` is the other remedy."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = (error.name or name).partition(".")[0]
            package = DISTRIBUTIONS.get(missing, missing)
            raise EnvironmentMissing(
                f"{use} needs the package {package}, which this Python lacks: pip install {package}, or {instead}"
            ) from error


def has(module: str) -> bool:
    """Return whether a module can be imported."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError:
        return False
    return True


def count(amount: int, what: str, many: str = "") -> str:
    """Return `1 launch`, `2 launches`."""
    return f"{amount:,} {what if amount == 1 else many or what + 's'}"


def threads(amount: object) -> str:
    """Return `1 thread`, `2 threads`; the amount may be any value that a table holds."""
    return f"{amount} thread{'' if str(amount) == '1' else 's'}"


def plain(text: str) -> str:
    """Return text whose control and bidirectional characters are written out: they could forge a table."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def shown(path: Path | str) -> str:
    """Return the path, or a name from a file, as it stands in a message: quoted where it would break the line."""
    text = str(path)
    return text if text.isprintable() else ascii(text)
