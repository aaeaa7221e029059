"""Finds Chromium, or installs Debian's where that is possible: tests in a browser fail without one, they never skip."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PACKAGE = "chromium"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip


class NoChromium(RuntimeError):
    """There is no Chromium; the message says in one line what to type."""


def executable() -> str:
    """Return the path of a Chromium, installing Debian's package if this is root on Debian; NoChromium otherwise."""
    found = installed()
    if found is None and os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get"):
        install()
        found = installed()
    if found is None:
        raise NoChromium(
            f"no Chromium ({', '.join(NAMES)}); type: sudo apt-get install --no-install-recommends {PACKAGE}"
        )
    return found


def installed() -> str | None:
    """Return the path of the first Chromium that is there."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install() -> None:
    """Install Debian's package; NoChromium with apt-get's own words if that fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for line in (["update"], ["install", "-y", "--no-install-recommends", PACKAGE]):
        done = subprocess.run(["apt-get", "-q", *line], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split())[-300:]
            raise NoChromium(f"apt-get {' '.join(line)} failed: {said}")


if __name__ == "__main__":
    print(executable())
