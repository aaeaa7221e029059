"""Pin and hash every environment, or those that are named: NAME.in becomes NAME.txt, for Python 3.11, Linux x86-64.

A file that cannot be resolved keeps its old pins, if it has any, and says in its header that they are stale.
No index addresses are written: where packages come from is the machine's business.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
OPTIONS = [
    "--generate-hashes", "--python-version=3.11",
    "--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command=tox -e lock", "--quiet",
]  # fmt: skip
PLATFORM = "x86_64-manylinux_2_28"
NEWER = {"mlx-cpu": "x86_64-manylinux_2_35"}  # it has wheels for newer systems alone
STALE = "# NOT LOCKED by the last `tox -e lock`: "


def lock(source: Path, given: list[str]) -> bool:
    """Lock one file with these options of uv; return whether it could be resolved."""
    target = source.with_suffix(".txt")
    uv = [sys.executable, str(FOLDER / "uv_torch_cpu.py")] if source.stem == "torch-cpu" else ["uv"]
    platform = f"--python-platform={NEWER.get(source.stem, PLATFORM)}"
    options = [*OPTIONS, platform, *given, f"--output-file={target.name}"]
    command = [*uv, "pip", "compile", source.name, *options]
    done = subprocess.run(command, cwd=FOLDER, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        return True
    reason = " ".join(done.stderr.split())[:300]
    sys.stderr.write(f"{source.name}: {reason}\n")
    old = target.read_text() if target.exists() else ""
    kept = "".join(line for line in old.splitlines(keepends=True) if not line.startswith(STALE))
    target.write_text(f"{STALE}{reason}\n{kept}")
    return False


sources = {source.stem: source for source in sorted(FOLDER.glob("*.in"))}
named = [name for name in sys.argv[1:] if name in sources]
given = [argument for argument in sys.argv[1:] if argument not in sources]
locked = [lock(sources[name], given) for name in named or sources]
sys.exit(0 if all(locked) else 1)
