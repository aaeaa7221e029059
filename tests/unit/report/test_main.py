from __future__ import annotations

import importlib
import sys

import pytest

from benchmarks.errors import LockstepError


def test_without_pyarrow_one_line_says_what_is_needed(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] in ("report", "pyarrow")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(LockstepError, match="pyarrow"):
        importlib.import_module("report.__main__")._commands()
