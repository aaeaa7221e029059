"""What was proven or measured once and holds until something it depends on changes.

JSON files in the user's cache, a folder for each kind, named by a hash of everything that decides what is in them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.datasets.prepared import default_cache

Document = dict[str, Any]


def read(kind: str, decisive: Mapping[str, Any]) -> Document | None:
    """Return what is kept for exactly this, or None; a file that a crash or a hand left damaged keeps nothing."""
    try:
        found = json.loads(place(kind, decisive).read_bytes())
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def write(kind: str, decisive: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Keep a document, in one piece: whoever reads meanwhile sees the old one."""
    path = place(kind, decisive)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(document))
    part.rename(path)


def place(kind: str, decisive: Mapping[str, Any]) -> Path:
    """Return the file that is, or would be, kept."""
    return default_cache() / kind / f"{digest(decisive)}.json"


def digest(decisive: Mapping[str, Any]) -> str:
    """Return a short hash of what decides."""
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:24]
