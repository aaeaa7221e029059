from __future__ import annotations

import io
import json
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from adapters.declaration import Initialiser
from adapters.recipes import MODELS
from adapters.weights import initial_weights
from benchmarks.errors import DataError
from benchmarks.models import checkpoint

MODEL = MODELS["lenet"]


def saved(save, *arrays, **named):
    """Return what one of NumPy's writers makes of some arrays."""
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


def with_header(entries):
    header = json.dumps(entries).encode()
    return len(header).to_bytes(8, "little") + header


@pytest.fixture
def weights():
    return initial_weights(MODEL, Initialiser(), 0)


def test_what_is_written_is_read_in_the_declaration_s_order(tmp_path, weights):
    path = tmp_path / "lenet.safetensors"
    checkpoint.write_weights(path, dict(reversed(weights.items())), recipe="lenet")
    found = checkpoint.read_weights(path, MODEL)
    assert list(found) == [parameter.name for parameter in MODEL.parameters()]
    for name, array in weights.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.float32
    assert [file.name for file in tmp_path.iterdir()] == ["lenet.safetensors"]


def test_transposed_views_are_written_as_they_are_indexed(tmp_path, weights):
    path = tmp_path / "lenet.safetensors"
    weights["dense1.weight"] = np.asfortranarray(weights["dense1.weight"])
    checkpoint.write_weights(path, weights)
    np.testing.assert_array_equal(checkpoint.read_weights(path, MODEL)["dense1.weight"], weights["dense1.weight"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w.pop("conv2.bias"), r"conv2.bias is absent, declared 50 float32"),
        (lambda w: w.update(extra=np.zeros(3)), r"extra is 3 float32, declared absent"),
        (lambda w: w.update({"dense2.weight": np.zeros((10, 500))}), r"is 10x500 float32, declared 500x10 float32"),
        (lambda w: w["conv1.bias"].fill(np.nan), r"conv1.bias holds values that are not finite"),
    ],
)
def test_another_network_s_weights_are_refused_by_name(tmp_path, weights, change, words):
    change(weights)
    checkpoint.write_weights(tmp_path / "w.safetensors", weights)
    with pytest.raises(DataError, match=words):
        checkpoint.read_weights(tmp_path / "w.safetensors", MODEL)


@pytest.mark.parametrize("kept", [0, 7, 100, 5000])
def test_a_torn_file_is_refused(tmp_path, weights, kept):
    path = tmp_path / "w.safetensors"
    checkpoint.write_weights(path, weights)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match="cannot read weights"):
        checkpoint.read_weights(path, MODEL)


def test_a_file_that_is_not_there_and_one_that_is_too_large(tmp_path, weights, monkeypatch):
    with pytest.raises(DataError, match="cannot read weights"):
        checkpoint.read_weights(tmp_path / "absent.safetensors", MODEL)
    checkpoint.write_weights(tmp_path / "w.safetensors", weights)
    monkeypatch.setattr(checkpoint, "MAX_WEIGHTS_BYTES", 1000)
    with pytest.raises(DataError, match="larger than 1000 bytes"):
        checkpoint.read_weights(tmp_path / "w.safetensors", MODEL)


def test_another_dtype_is_refused(tmp_path, weights):
    save_file(weights, tmp_path / "w.safetensors")  # float64
    with pytest.raises(DataError, match=r"conv1\.bias is 20 float64, declared 20 float32"):
        checkpoint.read_weights(tmp_path / "w.safetensors", MODEL)


@given(seed=st.integers(0, 2**32), scale=st.floats(0, 1e30))
@settings(max_examples=10, deadline=None)
def test_any_finite_weights_come_back(tmp_path_factory, seed, scale):
    model = MODELS["linear"]
    generator = np.random.default_rng(seed)
    drawn = {p.name: np.float32(scale * generator.normal(size=p.shape)) for p in model.parameters()}
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    checkpoint.write_weights(path, drawn)
    for name, array in checkpoint.read_weights(path, model).items():
        np.testing.assert_array_equal(array, drawn[name])


class Trap:
    """What a pickle can be: unpickling it calls a function."""

    def __reduce__(self):
        return pytest.fail, ("it was unpickled",)


@pytest.mark.fault(31)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pickle.dumps(Trap()), "found a pickle"),
        (pickle.dumps({}, protocol=2), "found a pickle"),
        (saved(np.savez, a=np.zeros(3)), "found a zip archive"),
        (saved(np.save, np.array([Trap()], object)), "found a .npy file"),
        ((2**60).to_bytes(8, "little") + b"{}", f"found a claim of {2**60} bytes"),
        ((2**64 - 1).to_bytes(8, "little"), f"found a claim of {2**64 - 1} bytes"),
        ((1 << 20).to_bytes(8, "little") + b"{}", f"found a claim of {1 << 20} bytes"),
        (b"<html>Sign in</html>", "a claim of"),
        (with_header({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}), "cannot read weights"),
        (
            with_header({"a": {"dtype": "BF16", "shape": [0], "data_offsets": [0, 0]}}),
            "a is 0 bfloat16, declared absent",
        ),
        (
            with_header({"a\n\x1b[2J": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}),
            r"'a\n\x1b[2J' is 0 float32",
        ),
        (b"\x88\x13" + bytes(6) + b"[" * 5000, "cannot read weights"),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
def test_a_hostile_file_is_refused_by_name(tmp_path, content, words):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        checkpoint.read_weights(path, MODEL)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()
