"""What tests of several folders share; also loaded in the frameworks' environments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

GIVEN = os.environ.get("LOCKSTEP_DATA")  # read before any test changes it
os.environ["LOCKSTEP_TURN"] = f"lockstep-tests-{os.getpid()}"  # waits for no other measurement of this machine


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder with the four real files; where CI is set their absence is a failure, never a skip."""
    if GIVEN:
        return Path(GIVEN)
    if os.environ.get("CI"):
        pytest.fail("LOCKSTEP_DATA is not set: CI must have the four MNIST files")
    pytest.skip("LOCKSTEP_DATA does not name a folder with the four MNIST files")
