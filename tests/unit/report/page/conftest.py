"""Results with something for every section, and their page: built once for all tests that only read them."""

from __future__ import annotations

import pytest

from report.page.document import build
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.results.load import load, records
from tests.browser import synthetic
from tests.unit.report.known import write_small


@pytest.fixture(scope="session")
def full(tmp_path_factory):
    """Return a folder with a synthetic sweep that has each kind of figure: two devices, all modes, two batch sizes."""
    return write_small(tmp_path_factory.mktemp("full") / "results", modes=synthetic.MODES)


@pytest.fixture(scope="session")
def text(full):
    """Return the page of that sweep."""
    return build(Inputs(load(full, PAGE_COLUMNS), records(full)))
