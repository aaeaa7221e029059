"""The data sets and the environment of the unit tests."""

from tests.unit.plan.data.conftest import _own_environment, make, refused, small  # noqa: F401
