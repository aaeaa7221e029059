"""Ask a vulnerability service about every pin, an environment at a time; `tox -e audit -- -s osv` asks another one.

A pin that the service does not know, and a service that does not answer, fail as a finding does.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
OPTIONS = ["--strict", "--require-hashes", "--disable-pip", "--progress-spinner=off"]
# What was found and is lived with, by its identifier, with the reason; everything else fails. docs/security.md says
# what each environment is exposed to.
ACCEPTED: dict[str, str] = {}


def audit(lock: Path) -> bool:
    """Ask about one environment; return whether nothing was found that is not accepted."""
    sys.stdout.write(f"{lock.stem}:\n")
    sys.stdout.flush()
    ignored = [f"--ignore-vuln={identifier}" for identifier in ACCEPTED]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.write(lock.read_text().replace("+cpu ", " "))  # torch's CPU build is known by its version alone
        pins.flush()
        command = ["pip-audit", f"--requirement={pins.name}", *OPTIONS, *ignored, *sys.argv[1:]]
        return subprocess.run(command, check=False).returncode == 0


found = [audit(lock) for lock in sorted(FOLDER.glob("*.txt"))]
sys.exit(0 if all(found) else 1)
