"""Results, and a cache of them, as the unit tests write them."""

from tests.unit.conftest import healthy, write  # noqa: F401
from tests.unit.report.results.conftest import cache_folder, results  # noqa: F401
