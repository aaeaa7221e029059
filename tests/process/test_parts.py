"""What `tox -e test` does with parts that fail."""

from __future__ import annotations

import pytest

from tests import parts

PROGRAMS = {
    "good": "echo 'a line'; echo \"$OPENBLAS_NUM_THREADS $OMP_WAIT_POLICY\"; echo '== 3 passed, 1 skipped in 1.00s =='",
    "bad": "echo why; echo '1 failed'; exit 3",
}


@pytest.fixture
def part(monkeypatch, tmp_path):
    """Return a part of pytest's that is one of the programs above."""
    folder = tmp_path / "some" / "bin"
    folder.mkdir(parents=True)
    for name, text in PROGRAMS.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setattr(parts, "ENVIRONMENTS", tmp_path)
    return lambda name: parts.Part(name, "some", (name, "pytest"))


def test_all_parts_run_though_one_fails_and_the_exit_code_says_so(monkeypatch, capsys, part):
    bad, *good = part("bad"), *(part("good")._replace(name=f"good{number}") for number in range(3))
    monkeypatch.setattr(parts, "STAGES", ((bad, good[0], good[1]), (good[2],)))
    assert parts.main([]) == 1
    said = capsys.readouterr().out.splitlines()
    assert {f"######## {each.name} begins" for each in (bad, *good)} <= set(said)
    assert sum(line.startswith("######## good") and "3 passed" in line for line in said) == 3
    assert said.count("why") == 1  # what it printed before it failed
    assert "a line" not in said
    assert "a line" in (parts.ENVIRONMENTS / "parts" / "good2.txt").read_text()
    assert [line.split()[:2] for line in said[-5:-1]] == [["bad", "failed"], *([each.name, "passed"] for each in good)]
    assert said[-1].startswith("==== 1 failed, 9 passed, 3 skipped in ")
    monkeypatch.setattr(parts, "STAGES", ((good[0],),))
    assert parts.main([]) == 0


def test_threads_of_a_part_do_not_spin(monkeypatch, part):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "7")
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setattr(parts, "STAGES", ((part("good"), part("good")._replace(name="torch")),))
    assert parts.main([]) == 0
    assert "\n1 \n" in (parts.ENVIRONMENTS / "parts" / "good.txt").read_text()
    assert "\n7 PASSIVE\n" in (parts.ENVIRONMENTS / "parts" / "torch.txt").read_text()
