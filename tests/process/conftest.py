"""Results as the unit tests write them."""

from tests.unit.conftest import healthy, write  # noqa: F401
