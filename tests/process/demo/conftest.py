"""The server over workers that are none, which a browser connects to."""

from tests.unit.models.demo.conftest import desk, server  # noqa: F401
