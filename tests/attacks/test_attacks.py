"""Each attack is one real launch in a process of its own, as a sweep makes it; its verdict and the line of it are here.

None of them needs to have failed the gate: what is timed is judged by itself. `python -m pytest tests/attacks -s`
prints the table.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.registry import FRAMEWORKS, Framework
from benchmarks.launch.launcher import Launcher
from benchmarks.launch.probe import Probe
from benchmarks.machine import environments
from benchmarks.plan.cells import Cell, Launch
from benchmarks.plan.data.prepared import prepare
from benchmarks.worker.protocol import Plan

STEPS = "the timed steps are not the declared ones"
OUTPUTS = "the outputs of the last evaluation deviate"
SLOW_PAUSE = "weights are set and read between chunks in"
CPU_TIME = r"[\d.]+ s of CPU time do not fit into"


@dataclass(frozen=True)
class Attack:
    """A class of attacks.py, how the line of its invalid launch begins, and flags of which an `ok` launch has one."""

    name: str
    line: str
    flags: tuple[str, ...] = ()
    task: str = "speed"
    recipe: str = "mlp"


ATTACKS = (
    Attack("HonestUntil", STEPS),
    Attack("OneInTwenty", STEPS),
    Attack("UpdateForgotten", STEPS),
    Attack("BatchTwice", STEPS),
    Attack("FirstBatchOnly", STEPS),
    Attack("HalfOfTheLastBatch", STEPS),
    Attack("RateOff", STEPS),
    Attack("StaleWeights", STEPS),
    Attack("Rounded", f"{STEPS}|{OUTPUTS}"),
    Attack("NarrowConvolution", f"{STEPS}|{OUTPUTS}", recipe="lenet"),
    Attack("NarrowTanh", f"{STEPS}|{OUTPUTS}", recipe="lenet"),
    Attack("SaturatedTanh", f"{STEPS}|{OUTPUTS}", recipe="lenet"),
    Attack("LabelsShifted", STEPS),
    Attack("LabelsZeroed", STEPS),
    Attack("DimmedBatches", STEPS),
    Attack("Momentum", STEPS),
    Attack("Decay", STEPS),
    Attack("Clipped", STEPS),
    Attack("Sparse", STEPS),
    Attack("Idle", STEPS),
    Attack("OracleReused", STEPS),
    Attack("CachedOutputs", OUTPUTS),
    Attack("FirstImages", "the last evaluation left outputs"),
    Attack("Zeros", OUTPUTS),
    Attack("LastBias", OUTPUTS),
    Attack("LabelsLeaked", OUTPUTS),
    Attack("LayerSkipped", OUTPUTS),
    Attack("CapturedWeights", OUTPUTS),
    Attack("Rounded", OUTPUTS, task="accuracy"),
    Attack("AveragedWeights", OUTPUTS, task="accuracy"),
    Attack("LabelsLeaked", OUTPUTS, task="accuracy"),
    Attack("CachedOutputs", OUTPUTS, task="accuracy"),
    Attack("SlowClock", "the worker's clock says"),
    Attack("NeverWaits", SLOW_PAUSE),
    Attack("PutOff", SLOW_PAUSE),
    Attack("Ahead", SLOW_PAUSE),
    Attack("Child", CPU_TIME, ("noisy",)),
    # Alone it gets more CPU time than it was given; beside other busy processes it may not, and they make it noisy.
    Attack("MoreThreads", CPU_TIME, ("thread_mismatch", "noisy")),
)
PLAN = Plan(chunk_steps=40, warm_up_chunks=4, eval_passes=2)


@pytest.fixture
def launched(monkeypatch, tmp_path):
    """Launch a class of attacks.py once on one CPU, and return its row; all steps of a chunk are judged."""
    monkeypatch.setenv("LOCKSTEP_TURN", str(tmp_path / "turn"))
    monkeypatch.setattr(environments, "interpreter", lambda framework, device: Path(sys.executable))
    monkeypatch.setattr(environments, "lock_hash", lambda framework, device: "attack")
    data = prepare("mnist-5k")

    def run(name: str, task: str = "speed", recipe: str = "mlp"):
        monkeypatch.setitem(FRAMEWORKS, "attack", Framework(f"tests.attacks.attacks:{name}"))
        probe = Probe("attack", "cpu", facts={"unsupported": {"eager float32 preloaded": None}})
        launcher = Launcher({("attack", "cpu"): probe}, {data.name: data}, 0.01, 2, timeout_s=600, judged_steps=40)
        planned = Launch(task, 0, 0, Cell("attack", recipe, data.name, "cpu", 100, "eager", "float32", 1))
        plan = PLAN if recipe == "mlp" else Plan(chunk_steps=4, warm_up_chunks=2, eval_passes=1)
        launcher.plans[launcher.identity(planned)] = plan
        return launcher.row(planned, tmp_path, "attacks")

    return run


def test_there_are_thirty_attacks_or_more():
    assert len(ATTACKS) >= 30


@pytest.mark.parametrize(("task", "recipe"), [("speed", "mlp"), ("speed", "lenet"), ("accuracy", "mlp")])
def test_an_honest_launch_is_not_taken_for_one(launched, task, recipe):
    row = launched("Honest", task, recipe)
    assert (row["status"], row["reason"]) == ("ok", "")
    assert (row["replayed_steps"] or 0) >= (40 if task == "speed" else 0)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.name}-{attack.task}")
def test_an_attack_has_no_speed_and_no_accuracy(launched, attack):
    row = launched(attack.name, attack.task, attack.recipe)
    print(f"| {ATTACKS.index(attack) + 1} | {attack.name} | {row['status']} | {row['flags']} | {row['reason']} |")
    if row["status"] == "ok":
        assert set(attack.flags) & set(row["flags"])
    else:
        assert row["status"] == "invalid", row["reason"]
        assert re.match(attack.line, row["reason"])
        assert row["train_samples_per_s"] is row["accuracy"] is None
