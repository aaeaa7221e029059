"""What hashes of code cover: all that a program loads, found from its imports, and nothing else."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from adapters.registry import FRAMEWORKS, WRAPPERS
from benchmarks.launch import ceilings, proof
from benchmarks.machine import environments, imports
from benchmarks.machine.imports import ROOT, _modules, code_hash

ADAPTERS = {record.adapter.partition(":")[0] for record in (*FRAMEWORKS.values(), *WRAPPERS.values())}
GATE = ("lockstep.bounds", "lockstep.diagnose", "inputs", "train", "lockstep.prove")
FILES = {
    "benchmarks/__init__.py": "",
    "benchmarks/start/__init__.py": "from . import near",
    "benchmarks/start/__main__.py": "WORKER = 'benchmarks.worker'",
    "benchmarks/start/near.py": "from .deep.inner import name\nfrom ..above import name",
    "benchmarks/start/deep/__init__.py": "",
    "benchmarks/start/deep/inner.py": "import numpy, benchmarks.whole.part",
    "benchmarks/above.py": "name = 1",
    "benchmarks/whole/__init__.py": "",
    "benchmarks/whole/part.py": "from benchmarks import whole, within, nothing",
    "benchmarks/within/__init__.py": "",
    "benchmarks/worker/__init__.py": "",
    "benchmarks/worker/__main__.py": "def main():\n    from adapters.registry import load",
    "adapters/__init__.py": "",
    "adapters/registry.py": "TABLE = {'a': 'adapters.a:A'}",
    "adapters/a/__init__.py": "from adapters.a.layers import name",
    "adapters/a/layers.py": "import elsewhere.load",
}
APART = {
    "benchmarks/tables.py": "from benchmarks.start import near",
    "benchmarks/whole/other.py": "'''benchmarks.tables is no import in a sentence'''",
    "adapters/b/__init__.py": "",
    "adapters/a/__main__.py": "",
    "elsewhere/load.py": "",
}


@pytest.fixture
def forgetful():
    """Let nothing be kept of how files were before a test changes them."""
    yield (clear := lambda: [cached.cache_clear() for cached in (code_hash, imports._imported)])
    clear()


@pytest.fixture
def checkout(tmp_path, forgetful):
    """Return a function that writes into a copy of this checkout and returns the worker's hash there."""
    for folder in imports.OURS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))

    def path_of(name):
        found = [*tmp_path.glob(f"benchmarks/worker/{name}.py"), *tmp_path.glob(f"**/{name}.py")]
        return found[0] if found else tmp_path / "benchmarks" / f"{name}.py"

    def hashed(entries=(environments.PROGRAM,), **contents):
        for name, content in contents.items():
            path_of(name).write_text(content)
        forgetful()
        return code_hash(*entries, folders=(tmp_path,))

    hashed.read = lambda name: path_of(name).read_text()
    return hashed


def test_the_hash_covers_exactly_what_a_fresh_worker_loads():
    program = f"import sys, runpy, {environments.PROGRAM}, benchmarks.worker.__main__; print(*sys.modules)"
    line = [sys.executable, "-c", program]
    loaded = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.partition(".")[0] in imports.OURS}
    found = set(_modules(environments.PROGRAM))
    others = {name for adapter in ADAPTERS for name in _modules(adapter)}
    assert "benchmarks.worker.timing" in ours <= found
    assert found == ours | others  # adapters are loaded when they are asked for


def test_imports_are_followed_wherever_they_stand(tmp_path):
    for name, content in {**FILES, **APART}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    found = _modules("benchmarks.start", folders=(tmp_path,))
    assert sorted(str(path.relative_to(tmp_path)) for path in found.values()) == sorted(FILES)
    assert found["benchmarks.start.near"] == tmp_path / "benchmarks/start/near.py"


def test_the_first_folder_that_has_a_package_has_all_of_it(tmp_path):
    (tmp_path / "adapters").mkdir()
    (tmp_path / "adapters" / "registry.py").write_text("")
    found = _modules(environments.PROGRAM, folders=(tmp_path, ROOT))
    assert found["adapters.registry"] == tmp_path / "adapters" / "registry.py"
    assert "adapters.contract" not in found
    assert found["benchmarks.worker.__main__"] == ROOT / "benchmarks" / "worker" / "__main__.py"


def test_a_copy_of_the_checkout_has_its_hash_until_a_worker_would_load_something_else(checkout):
    here = code_hash(environments.PROGRAM)
    assert checkout() == here
    assert checkout(tables=checkout.read("tables") + "# a table's word\n") == here
    assert checkout(unheard="import benchmarks.cli.tables") == here
    bounds, timing = checkout.read("bounds"), checkout.read("timing")
    assert checkout(bounds=timing, timing=bounds) != here
    assert checkout(bounds=bounds, timing=timing) == here
    assert checkout(timing=f"{timing}import benchmarks.unheard\n") != here


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        (proof.CODE, {f"benchmarks.worker.{name}" for name in GATE}),
        (ceilings.CODE, {"benchmarks.worker.peak", "benchmarks.worker.timing"}),
        (ceilings.TRIAD_CODE, {"benchmarks.worker.peak", "benchmarks.worker.timing"}),
    ],
)  # fmt: skip
def test_what_is_kept_depends_on_the_code_that_made_it(checkout, code, loaded):
    found = _modules(*code)
    assert loaded | (ADAPTERS if code != ceilings.TRIAD_CODE else set()) <= found.keys()
    assert not found.keys() & {"benchmarks.worker.__main__", "benchmarks.cli.tables", "benchmarks.cli.terminal"}
    hashes = [checkout(code, supervisor=checkout.read("supervisor") + "# changed\n")]
    assert hashes == [code_hash(*code)]
    for name in (name.rpartition(".")[2] for name in loaded):
        hashes.append(checkout(code, **{name: checkout.read(name) + "# changed\n"}))
    assert len(set(hashes)) == 1 + len(loaded)


def test_the_same_words_under_another_name_are_other_code(tmp_path, forgetful):
    (tmp_path / "benchmarks").mkdir()
    for name in ("one", "two"):
        (tmp_path / "benchmarks" / f"{name}.py").write_text("")
    assert code_hash("benchmarks.one", folders=(tmp_path,)) != code_hash("benchmarks.two", folders=(tmp_path,))


@pytest.mark.parametrize("entries", [(), ("benchmarks.gone",), ("benchmarks.worker", "adapters.gone"), ("elsewhere",)])
def test_a_hash_of_nothing_is_an_error(entries):
    with pytest.raises(ModuleNotFoundError, match="no module"):
        code_hash(*entries)


def test_threads_parse_one_after_another(forgetful, monkeypatch):
    """Python 3.11.7 ends with a SystemError where two parse at once, and results are read by several threads."""
    parsing, parser, together = threading.Lock(), threading.Lock(), threading.Event()

    def parse(source):
        alone = parsing.acquire(blocking=False)
        if alone:
            together.wait(0.01)  # for another thread that comes in
            parsing.release()
        else:
            together.set()
        with parser:
            return ast.parse(source)

    monkeypatch.setattr(imports, "ast", SimpleNamespace(**{**vars(ast), "parse": parse}))
    with ThreadPoolExecutor(2) as pool:
        hashes = set(pool.map(lambda _: code_hash(environments.PROGRAM), range(2)))
    assert len(hashes) == 1
    assert not together.is_set()
