from __future__ import annotations

from report.page.parts import facets


def test_facets_are_those_that_a_record_has():
    assert facets({"framework": "torch", "batch_size": 8, "other": 1}) == {"batch": "8", "framework": "torch"}
    assert facets({"framework": "torch", "mode": "eager"}, "mode") == {"mode": "eager"}
