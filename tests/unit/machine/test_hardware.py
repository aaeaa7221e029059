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
