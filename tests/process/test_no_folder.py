"""A name that is no folder is asked of git."""

from __future__ import annotations

import pytest

from benchmarks.errors import UsageError
from report.results.load import load


def test_an_empty_folder_is_an_empty_frame_and_no_folder_is_an_error(tmp_path):
    assert load(tmp_path).empty
    with pytest.raises(UsageError, match=r"no results folder.*or name another folder, file or revision"):
        load(tmp_path / "absent")
