from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.registry import FRAMEWORKS
from benchmarks.checks import doctor
from benchmarks.launch.probe import Probe, probe
from benchmarks.machine import environments

PINS = """
torch==2.1+cpu \\
    --hash=sha256:00
markupsafe==3.0.4 ; python_version >= '3'
numpy[a]==2.4.6
    # via torch
"""


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Pretend a checkout with an environment for torch on the CPU; install(name, version) puts a package there."""
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    folder = tmp_path / ".tox" / "torch-cpu"
    packages = folder / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python").touch()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "torch-cpu.txt").write_text(PINS)

    def install(name, version):
        about = packages / f"{name}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    for name, version in (("torch", "2.1+cpu"), ("MarkupSafe", "3.0.4"), ("numpy", "2.4.6")):
        install(name, version)
    return packages


def answer(**changes):
    return Probe("torch", "cpu", facts={"versions": {"torch": "2.1+cpu"}}, **changes)


def test_an_environment_as_it_is_pinned_is_ok(environment):
    finding = doctor._judged(answer())
    assert (finding.level, finding.found) == ("ok", "2.1+cpu answers, 3 packages as pinned")


@pytest.mark.fault(21)
def test_a_wrong_version_and_a_missing_package_are_errors_with_the_command(environment):
    (environment / "numpy-2.4.6.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: numpy\nVersion: 1.0\n"
    )
    (environment / "MarkupSafe-3.0.4.dist-info" / "METADATA").unlink()
    (environment / "MarkupSafe-3.0.4.dist-info").rmdir()
    finding = doctor._judged(answer())
    assert finding.level == "error"
    assert finding.found == "not as pinned: markupsafe missing in place of 3.0.4, numpy 1.0 in place of 2.4.6"
    assert finding.advice == "make it again with: tox run --recreate --notest -e torch-cpu"


@pytest.mark.parametrize(("device", "level"), [("cpu", "warning"), ("gpu", "note")])
def test_a_missing_environment_comes_with_the_command_that_makes_it(tmp_path, monkeypatch, device, level):
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    finding = doctor._judged(probe("torch", device))
    assert (finding.level, finding.found) == (level, f"no environment .tox/torch-{device}")
    assert finding.advice == f"make it with: tox run --notest -e torch-{device}"


def test_one_that_no_default_sweep_needs_may_be_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setitem(FRAMEWORKS, "torch", replace(FRAMEWORKS["torch"], in_default=False))
    assert doctor._judged(probe("torch", "cpu")).level == "note"


def test_one_that_does_not_answer_is_an_error_and_one_without_a_card_a_warning(environment):
    silent = Probe("torch", "cpu", "torch on cpu does not answer: worker exited with 1")
    assert doctor._judged(silent).level == "error"
    blind = Probe("torch", "gpu", "torch sees no gpu here", facts={"devices": {}})
    assert doctor._judged(blind).level == "warning"
