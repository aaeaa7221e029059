from __future__ import annotations

import pytest

from benchmarks.machine import hardware


@pytest.fixture
def sysfs(tmp_path, monkeypatch):
    """Write caches as the kernel shows them: {cpu: [(level, size, sharers)]}."""

    def write(caches):
        for cpu, levels in caches.items():
            for index, facts in enumerate(levels):
                folder = tmp_path / f"cpu{cpu}" / "cache" / f"index{index}"
                folder.mkdir(parents=True)
                for name, text in zip(("level", "size", "shared_cpu_list"), facts, strict=True):
                    (folder / name).write_text(text + "\n")
        monkeypatch.setattr(hardware, "SYSFS_CPU", tmp_path)

    return write


def test_a_shared_last_level_cache_counts_once(sysfs):
    sysfs(
        {
            0: [("1", "48K", "0"), ("3", "32768K", "0-1")],
            1: [("1", "48K", "1"), ("3", "32768K", "0-1")],
            2: [("1", "48K", "2"), ("3", "32M", "2-3")],
        }
    )
    assert hardware.last_level_cache_bytes([0]) == 32 << 20
    assert hardware.last_level_cache_bytes([0, 1]) == 32 << 20
    assert hardware.last_level_cache_bytes([0, 1, 2]) == 64 << 20
    assert hardware.last_level_cache_bytes([9]) == 0


CPUINFO = """processor	: 0
model name	: A processor
flags		: fpu {flags} hypervisor
microcode	: {microcode}
"""


@pytest.fixture
def kind_of(tmp_path, monkeypatch):
    """Return the kind of a pretended machine: the same but for what is given."""

    def ask(flags="sse2 avx2 fma", l2="1024K", microcode="0x1", release="6.1"):
        cache = tmp_path / l2 / "cpu0" / "cache" / "index0"
        cache.mkdir(parents=True, exist_ok=True)
        for name, text in (("level", "2"), ("type", "Unified"), ("size", l2)):
            (cache / name).write_text(text)
        (tmp_path / "cpuinfo").write_text(CPUINFO.format(flags=flags, microcode=microcode))
        monkeypatch.setattr(hardware, "CPUINFO", tmp_path / "cpuinfo")
        monkeypatch.setattr(hardware, "SYSFS_CPU", tmp_path / l2)
        monkeypatch.setattr("platform.release", lambda: release)
        hardware.fingerprint.cache_clear()
        return hardware.fingerprint(), hardware.facts()

    yield ask
    hardware.fingerprint.cache_clear()


@pytest.mark.fault(43)
def test_instruction_sets_and_caches_are_of_the_kind(kind_of):
    kind, facts = kind_of()
    assert (facts["instructions"], facts["caches"]) == (["avx2", "fma", "sse2"], {"L2 Unified": "1024K"})
    others = {kind_of(flags="sse2 avx2 fma avx512f")[0], kind_of(l2="512K")[0]}
    assert len(others | {kind}) == 3
    assert kind_of()[0] == kind


@pytest.mark.fault(45)
def test_what_updates_change_is_recorded_and_of_no_other_kind(kind_of):
    kind, facts = kind_of()
    updated, new = kind_of(flags="sse2 avx2 fma ibpb md_clear smep sme", microcode="0x2", release="6.2")
    assert updated == kind
    assert [(facts[name], new[name]) for name in ("microcode", "kernel")] == [("0x1", "0x2"), ("6.1", "6.2")]
    assert facts["instructions"] == new["instructions"]
    assert all(facts[name] for name in ("libc", "hypervisor"))
