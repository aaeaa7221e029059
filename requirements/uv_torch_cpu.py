"""Run uv where it can find torch's CPU build, which the package index does not carry.

The build lies either in a folder pip was told of (PIP_FIND_LINKS, or find-links in pip's configuration;
uv reads neither) or on PyTorch's own CPU index, which uv knows by name. Used by torch-cpu's
install_command and by `tox -e lock`, so that the choice stands in one place.

    python requirements/uv_torch_cpu.py pip install ...
"""

import os
import subprocess
import sys


def pip_find_links() -> list[str]:
    """Return the folders pip searches besides the index; pip separates them by spaces."""
    if "PIP_FIND_LINKS" in os.environ:
        return os.environ["PIP_FIND_LINKS"].split()
    base_python = getattr(sys, "_base_executable", sys.executable)  # the environment itself has no pip
    answer = subprocess.run(
        [base_python, "-m", "pip", "config", "get", "global.find-links"], capture_output=True, text=True, check=False
    )
    return answer.stdout.split() if answer.returncode == 0 else []


def main() -> None:
    """Replace this process with uv; an explicit UV_FIND_LINKS or UV_TORCH_BACKEND is the user's word."""
    if "UV_FIND_LINKS" not in os.environ and "UV_TORCH_BACKEND" not in os.environ:
        if folders := pip_find_links():
            os.environ["UV_FIND_LINKS"] = ",".join(folders)
        else:
            os.environ["UV_TORCH_BACKEND"] = "cpu"
    try:
        os.execvp("uv", ["uv", *sys.argv[1:]])  # noqa: S606  # no shell is wanted
    except FileNotFoundError:
        sys.exit("uv not found on PATH: run this through tox, which brings uv (tox -e torch-cpu)")


main()
