"""The data sets and the environment of the unit tests."""

from tests.unit.benchmarks.datasets.conftest import _own_environment, make, refused  # noqa: F401
