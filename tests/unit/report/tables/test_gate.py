from __future__ import annotations

import pytest

from benchmarks.errors import UsageError
from report.tables.gate import gate_rules, judge
from report.tables.metrics import metric
from tests.unit.report.known import LATER, SLOWER, STEADY

SPEED = metric("train_samples_per_s")


@pytest.fixture
def gate(compare):
    """Judge NEW against BASE by the words of --fail-on."""

    def run(base, new, words, name=SPEED.name):
        asked = metric(name)
        return judge(compare(base, new, name=name), gate_rules(words, asked), asked)

    return run


def test_what_is_slower_fails_with_the_cell_and_its_ratio(gate, launches):
    base = [*launches(*STEADY), *launches(*STEADY, framework="jax")]
    new = [*launches(*SLOWER, **LATER), *launches(*STEADY[::-1], framework="jax", **LATER)]
    found = gate(base, new, "slower")
    [line] = found.regressions
    assert line.startswith("slower: torch mlp, mnist-5k, batch 100, eager, float32, cpu, preloaded, 2 threads: ")
    assert "0.900 of BASE's (0.8" in line
    assert (found.judged, found.unjudged) == (2, [])


@pytest.mark.parametrize(("words", "fails"), [("slower:5%", 1), ("slower:10.5%", 0), ("slower:9.5 %", 1)])
def test_a_share_is_the_least_that_matters(gate, launches, words, fails):
    assert len(gate(launches(*STEADY), launches(*SLOWER, **LATER), words).regressions) == fails


def test_a_busy_machine_is_told_where_a_cell_fails(gate, launches):
    """At different times it looks like a slower adapter."""
    new = launches(*SLOWER, flags=["drifting", "noisy"], **LATER)
    [line] = gate(launches(*STEADY), new, "slower").regressions
    assert line.endswith("; noisy launches: 0 of 6 in BASE, 6 of 6 in NEW")
    [line] = gate(launches(*STEADY), launches(*SLOWER, **LATER), "slower").regressions
    assert "noisy" not in line


def test_of_times_more_is_slower(gate, make):
    base = [make(round=n, import_s=speed / 1000) for n, speed in enumerate(STEADY)]
    new = [row | LATER | {"import_s": 1.08 * row["import_s"]} for row in base]
    assert len(gate(base, new, "slower:7%", "import_s").regressions) == 1
    assert gate(base, new, "slower:9%", "import_s").regressions == []
    assert (
        gate(new, [row | {"sweep": "20260301T000000-cccccc"} for row in base], "slower", "import_s").regressions == []
    )


def test_a_cell_no_longer_valid_fails_every_gate(gate, launches, make):
    broken = [make(status="invalid", reason="loss 1e-3 from the oracle", train_samples_per_s=None, **LATER)]
    for words in ("slower", "only-in-base", "accuracy", "slower:50%"):
        [line] = gate(launches(*STEADY), broken, words).regressions
        assert line.startswith("no longer valid (speed): torch mlp")
        assert "loss 1e-3 from the oracle" in line


def test_only_in_base_is_a_rule_of_its_own(gate, launches):
    base = [*launches(*STEADY), *launches(*STEADY, framework="jax")]
    assert gate(base, launches(*STEADY, **LATER), "slower").regressions == []
    [line] = gate(base, launches(*STEADY, **LATER), "slower,only-in-base").regressions
    assert line.startswith("only in base: jax mlp")


def test_less_accurate_is_a_rule_of_its_own(gate, make):
    def trained(*accuracies, **changes):
        return [
            make(task="accuracy", round=n, seed=n, epochs=5, accuracy=a, **changes) for n, a in enumerate(accuracies)
        ]

    base = trained(0.9, 0.95, 0.97)
    [line] = gate(base, trained(0.88, 0.93, 0.95, **LATER), "accuracy").regressions
    assert line.startswith("less accurate: torch mlp")
    assert line.endswith("-0.0200")
    better = gate(base, trained(0.92, 0.97, 0.99, **LATER), "accuracy")
    assert (better.regressions, better.judged) == ([], 1)
    few = gate(base, trained(0.88, 0.93, **LATER), "accuracy")
    assert (few.regressions, few.judged, len(few.unjudged)) == ([], 0, 1)


def test_what_cannot_be_judged_is_named_and_does_not_pass_for_judged(gate, launches):
    base = [*launches(*STEADY), *launches(*STEADY, framework="jax")]
    new = [*launches(*STEADY[::-1], **LATER), *launches(*SLOWER[:5], framework="jax", **LATER)]
    found = gate(base, new, "slower")
    assert (found.regressions, found.judged) == ([], 1)
    [line] = found.unjudged
    assert line.startswith("jax mlp")
    assert "6 launches in BASE, 5 in NEW; a verdict needs 6" in line


def test_cells_on_one_side_are_not_judged(gate, launches):
    both = launches(*STEADY, framework="jax")
    new = [*launches(*STEADY, dtype="float64", **LATER), *launches(*STEADY, framework="jax", **LATER)]
    found = gate([*launches(*STEADY), *both], new, "slower")
    assert (found.judged, found.unjudged, found.regressions) == (1, [], [])


@pytest.mark.parametrize("words", ["slow", "slower:5", "slower:x%", "accuracy:5%", "slower faster", "", ","])
def test_unknown_words_are_refused_with_the_known_ones(words):
    with pytest.raises(UsageError, match="slower, only-in-base, accuracy"):
        gate_rules(words, SPEED)


@pytest.mark.parametrize("name", ["chunk_steps", "accuracy"])
def test_a_metric_without_slower_is_no_gate(name):
    with pytest.raises(UsageError, match="choose another --metric"):
        gate_rules("slower", metric(name))


def test_text_from_rows_cannot_forge_a_line(gate, launches):
    hostile = {"framework": "torch\nslower: jax\x1b[31m"}
    [line] = gate(launches(*STEADY, **hostile), launches(*SLOWER, **hostile, **LATER), "slower").regressions
    assert "\n" not in line
    assert "\x1b" not in line
