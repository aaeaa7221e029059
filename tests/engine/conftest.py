from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.field import Field


@pytest.fixture
def field(tmp_path) -> Iterator[Field]:
    """Processes of one test; none of them, nor of what they started, may be left at its end."""
    made = Field(tmp_path)
    yield made
    if left := made.close():
        pytest.fail(f"processes were left behind: {left}")
