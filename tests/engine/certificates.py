"""Certificates for tests, made by the very commands of docs/engine.md, so that the document is what is tested."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "engine.md"
BLOCK = re.compile(r"(?:^ {4}.*\n)+", re.MULTILINE)
AUTHORITY, MACHINE, VARIABLES, SETTINGS = "openssl req -x509", "openssl x509 -req", "export DASK_", "distributed:\n"
NAME = "name=m01\n"  # the machine in the document


def block(mark: str) -> str:
    """Return the one indented block of the document's TLS section that has this text; LookupError otherwise."""
    section = re.search(r"^## TLS\n(.*?)(?=^## |\Z)", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    blocks = BLOCK.findall(section[1]) if section else []
    found = [text for text in blocks if mark in text]
    if len(found) != 1:
        raise LookupError(f"expected one block with {mark!r} under ## TLS of {DOCUMENT.name}, found {len(found)}")
    return textwrap.dedent(found[0])


def run(commands: str, folder: Path) -> str:
    """Run commands in a folder as a shell does that nobody has configured; return what they print."""
    shell, variables = ["sh", "-eu", "-c", commands], {"PATH": os.environ["PATH"]}
    done = subprocess.run(shell, cwd=folder, env=variables, capture_output=True, check=False)
    printed, error = (channel.decode(errors="replace") for channel in (done.stdout, done.stderr))
    if done.returncode:
        raise RuntimeError(f"the commands of {DOCUMENT.name} ended with {done.returncode}: {error}\n{commands}")
    return printed


def named(commands: str, name: str) -> str:
    """Return commands for a machine of this name; LookupError where they do not begin by saying theirs."""
    if NAME not in commands:
        raise LookupError(f"expected {NAME!r} in the commands of {DOCUMENT.name}, found:\n{commands}")
    return commands.replace(NAME, f"name={name}\n")


def authority(folder: Path) -> None:
    """Make a certificate authority in a folder: ca.pem and ca.key."""
    run(block(AUTHORITY), folder)


def machine(folder: Path, name: str = "m01") -> dict[str, str]:
    """Make a machine's certificate beside its authority; return the variables that Dask is to have there."""
    run(named(block(MACHINE), name), folder)
    printed = run(named(block(VARIABLES), name) + "env -0", folder)
    return dict(line.split("=", 1) for line in printed.split("\0") if line.startswith("DASK_"))


def make(folder: Path, name: str = "m01") -> dict[str, str]:
    """Make an authority and one machine's certificate in an empty folder; return the variables for Dask."""
    authority(folder)
    return machine(folder, name)
