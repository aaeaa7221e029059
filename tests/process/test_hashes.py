"""uv, told as tox tells it, refuses what has no hash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_requirement_without_a_hash_is_refused(tmp_path):
    wish = tmp_path / "wish.txt"
    wish.write_text("no-such-package==1.0\n")
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "pip", "install", "--dry-run", "--offline", "--python", sys.executable, "--requirement", wish]
    environment = {**os.environ, "UV_REQUIRE_HASHES": "1", "UV_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "all requirements must have a hash" in done.stderr
