from __future__ import annotations

import hashlib

import numpy as np
import pytest

from benchmarks.checks import doctor
from benchmarks.plan.data import ARRAY_NAMES, content_sha256
from benchmarks.plan.data.sources import FILES, ORIGINS, Origin


@pytest.fixture
def prepared(tmp_path):
    """Return the folder of a small prepared data set."""
    shapes = ((20, 28, 28), (20,), (10, 28, 28), (10,))
    arrays = tuple(np.full(shape, 3, np.uint8) for shape in shapes)
    folder = tmp_path / "arrays" / content_sha256(arrays)[:16]
    folder.mkdir(parents=True)
    for name, array in zip(ARRAY_NAMES, arrays, strict=True):
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    return folder


def test_a_prepared_set_is_what_its_name_says(prepared):
    assert doctor._prepared(prepared).level == "ok"


@pytest.mark.parametrize("damage", [b"\x04", b""])
def test_a_changed_or_cut_prepared_set_is_found(prepared, damage):
    path = prepared / "test_images.npy"
    path.write_bytes(path.read_bytes()[:-1] + damage)
    finding = doctor._prepared(prepared)
    assert finding.level == "error"
    assert "delete" in finding.advice


@pytest.fixture
def origin(tmp_path, monkeypatch):
    """Pin files of our own as `mnist`, and return the folder that holds them."""
    folder = tmp_path / "files"
    folder.mkdir()
    for file in FILES:
        (folder / file).write_text(file)
    pins = tuple((hashlib.sha256(file.encode()).hexdigest(),) for file in FILES)
    monkeypatch.setitem(ORIGINS, "mnist", Origin(pins, (), (), ""))
    return folder


def test_named_sets_are_looked_for_in_the_folder_and_below_it(origin, tmp_path):
    assert [(f.level, f.what.split()[0]) for f in doctor._named(origin)] == [("ok", "mnist")]
    (tmp_path / "both" / "mnist").mkdir(parents=True)
    for file in FILES:
        (tmp_path / "both" / "mnist" / file).write_text(file)
    (tmp_path / "both" / "mnist" / FILES[3]).write_text("other")
    [finding] = doctor._named(tmp_path / "both")
    assert finding.level == "error"
    assert FILES[3] in finding.found


def test_a_folder_with_other_files_is_an_error(origin):
    (origin / FILES[0]).write_text("other")
    [finding] = doctor._named(origin)
    assert finding.level == "error"
    assert "expected sha256" in finding.found


def test_the_cache_and_the_package_are_looked_at(prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))
    monkeypatch.delenv("LOCKSTEP_DATA", raising=False)
    found = {finding.what: finding.level for finding in doctor.data_findings()}
    assert found["mnist-5k"] == "ok"
    assert found[f"prepared data {prepared.name}"] == "ok"
