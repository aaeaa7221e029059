"""Everything that is installed is pinned by version and hash, and tox takes nothing else."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "requirements"
LOCKS = sorted(FOLDER.glob("*.txt"))
PIN = re.compile(r"[A-Za-z0-9._-]+(\[[a-z0-9,]+\])?==[^\s;]+( ;[^\\]+)?( --hash=sha256:[0-9a-f]{64})+")


def pins(lock):
    """Return the requirements of a lock, each as one line without comments."""
    text = re.sub(r"^\s*#.*\n", "", lock.read_text(), flags=re.MULTILINE)
    return [re.sub(r"\s+", " ", line).strip() for line in re.sub(r"\\\n", " ", text).splitlines()]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_requirement_has_a_version_and_hashes_and_nothing_else_is_there(lock):
    found = pins(lock)
    assert found
    assert [pin for pin in found if not PIN.fullmatch(pin)] == []
    assert "NOT LOCKED" not in lock.read_text()


def test_every_wish_has_its_lock():
    assert {path.stem for path in FOLDER.glob("*.in")} == {lock.stem for lock in LOCKS}


def tox_ini():
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini")
    return parser


def test_tox_installs_locks_alone_and_requires_their_hashes():
    parser = tox_ini()
    assert "UV_REQUIRE_HASHES = 1" in parser["testenv"]["set_env"].splitlines()
    environments = [name for name in parser.sections() if name.startswith("testenv:")]
    assert [name for name in environments if "set_env" in parser[name]] == []  # it would take the place of the above
    wanted = [line for name in environments for line in parser[name].get("deps", "").splitlines() if line.strip()]
    assert len(wanted) >= len(environments) - 2
    for line in wanted:
        assert re.fullmatch(r"([{}a-z,-]+: )?-r \{tox_root\}/requirements/(\{env_name\}|[a-z-]+)\.txt", line), line
