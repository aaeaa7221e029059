"""Write a bill of materials (CycloneDX) of each environment into a folder, from its pins and their hashes.

The same pins give the same bytes; nothing is installed, and nothing is asked of a network.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# What stands in the locks and nothing of this machine; the public index, whatever mirror the machine uses.
OPTIONS = ["--output-reproducible", "--of=JSON", "--index-url=https://pypi.org/simple"]

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for lock in sorted(HERE.glob("*.txt")):
    made = folder / f"{lock.stem}.cdx.json"
    subprocess.run(["cyclonedx-py", "requirements", *OPTIONS, f"--output-file={made}", str(lock)], check=True)
