"""Results with something for every section, and their page: built once for all tests that only read them."""

from __future__ import annotations

import pytest

from report.page.document import build
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.results.load import load, records
from tests.browser import synthetic


@pytest.fixture(scope="session")
def full(tmp_path_factory):
    """Return a folder with the whole synthetic sweep."""
    return synthetic.write(tmp_path_factory.mktemp("full"), 2, ["mlp"])


@pytest.fixture(scope="session")
def text(full):
    """Return the page of the whole synthetic sweep."""
    return build(Inputs(load(full, PAGE_COLUMNS), records(full)))
