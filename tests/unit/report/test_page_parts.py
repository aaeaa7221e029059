from __future__ import annotations

import base64
import io
import re

import pandas as pd
import pytest
from PIL import Image

from report.page import drawing as drawing_module
from report.page import headline, learning, mistakes, throughput, times, words
from report.page.drawing import Drawing
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.parts import facets
from report.results.load import load, records


@pytest.fixture
def cells(write_set, make):
    """Return the table of speeds given as {(framework, mode, device): {batch size: samples/s}}."""

    def compared(speeds, **changes):
        rows = []
        for (framework, mode, device), by_batch in speeds.items():
            axes = {"framework": framework, "mode": mode, "device": device, **changes}
            rows += [make(batch_size=n, train_samples_per_s=float(value), **axes) for n, value in by_batch.items()]
        return Inputs(load(write_set("cells", *rows), PAGE_COLUMNS), [])

    return compared


def test_a_device_overtakes_where_it_stays_ahead():
    assert throughput._overtakes({1: 1, 8: 9, 64: 90}, {1: 2, 8: 8, 64: 80}) == 8
    assert throughput._overtakes({1: 3, 8: 7, 64: 90}, {1: 2, 8: 8, 64: 80}) == 64
    assert throughput._overtakes({1: 3, 8: 9}, {1: 2, 8: 8, 512: 1}) == 1
    assert throughput._overtakes({1: 3, 8: 7}, {1: 2, 8: 8}) is None


def test_crossovers_are_named_in_words(cells):
    found = cells(
        {
            ("torch", "eager", "cpu"): {8: 100, 64: 200, 512: 300},
            ("torch", "eager", "gpu"): {8: 50, 64: 250, 512: 3000},
            ("jax", "eager", "cpu"): {8: 90, 64: 210, 512: 310},
        }
    )
    said = list(throughput._sentences(found.timed))
    assert said[0].endswith(
        "from batch 64 on the GPU overtakes the CPU, up to 512 (there 10 times its speed) in torch (eager)."
    )
    ahead = "is ahead, with too few rounds for a verdict"
    assert any(f"batch 8: torch {ahead}; batch 64 to 512: jax {ahead}." in sentence for sentence in said)


def test_only_verdicts_make_a_leader(write_set, launches):
    noise = (1.0, 1.1, 0.9, 1.05, 0.95, 1.02)
    speeds = {8: {"torch": 900, "jax": 300}, 64: {"torch": 900, "jax": 310}, 512: {"torch": 1000, "jax": 990}}
    rows = []
    for size, found in speeds.items():
        for name, speed in found.items():
            drift = noise if name == "torch" else noise[::-1]
            rows += launches(*(speed * d for d in drift), framework=name, batch_size=size)
    [said] = throughput._leaders(Inputs(load(write_set("lead", *rows), PAGE_COLUMNS), []).timed)
    assert said.endswith("batch 8 to 64: torch leads; batch 512: torch and jax are not distinguished.")


def test_devices_are_compared_in_the_mode_that_is_best_on_each(cells):
    found = cells(
        {
            ("torch", "eager", "cpu"): {8: 100, 64: 200, 512: 300},
            ("torch", "compiled", "cpu"): {8: 10, 64: 20, 512: 30},
            ("torch", "fused", "gpu"): {8: 50, 64: 250, 512: 3000},
        }
    )
    [said] = throughput._devices(found.timed)
    assert "from batch 64 on the GPU overtakes the CPU" in said
    assert said.endswith("in torch (eager on the CPU, fused on the GPU).")


def test_frameworks_are_named_with_their_modes():
    pairs = {("torch", "eager"), ("jax", "fused"), ("jax", "eager")}
    assert throughput._by_name(pairs) == "jax (eager, fused) and torch (eager)"


def test_dispatch_dominates_up_to_the_largest_batch_whose_step_it_is_half_of(cells):
    found = cells({("torch", "eager", "cpu"): {1: 1000, 64: 40_000, 512: 50_000}}, dispatch_s=0.0009)
    [said] = list(throughput._dispatch(found.timed))  # a step of 64 takes 1.6 ms, of 512 10 ms
    assert "up to batch 64 dispatch dominates a step of torch (eager)" in said
    fused = found.timed.assign(mode="fused")
    assert list(throughput._dispatch(fused)) == []


def test_of_one_batch_size_nothing_but_the_devices_is_said(cells):
    found = cells({("torch", "eager", "cpu"): {8: 100}, ("torch", "eager", "gpu"): {8: 200}}, dispatch_s=0.5)
    [said] = throughput._sentences(found.timed)
    assert "the GPU is ahead of the CPU at batch 8, the only size that both have (there 2 times" in said


def six(write_set, launches, **others):
    rows = [
        *launches(*(1000 + n for n in range(6)), framework="torch"),
        *(row for name, speeds in others.items() for row in launches(*speeds, framework=name)),
    ]
    return Inputs(load(write_set("six", *rows), PAGE_COLUMNS), [])


def test_the_title_says_who_is_fastest_and_whether_that_is_sure(write_set, launches):
    sure = six(write_set, launches, jax=[500 + n for n in range(6)])
    assert headline.title(sure) == "torch is fastest on mlp"
    assert "2.00 times as many as jax" in next(headline.sentences(sure))
    assert headline.title(six(write_set, launches, jax=[900, 400, 1500, 700, 1000, 600])).endswith("not yet surely")


def test_title_sentence_order_and_ratios_agree_on_the_best(write_set, launches):
    """The median of jax is the higher one, its paired ratio to torch is below 1."""
    found = six(write_set, launches, jax=[1100, 1100, 1100, 1100, 500, 500])
    [group] = headline.table(found).groups
    assert [line.cells[0].text for line in group.lines] == ["torch", "jax"]
    assert group.lines[0].cells[3].text == "1.000"
    assert float(group.lines[1].cells[3].text) < 1
    assert headline.title(found) == "torch leads on mlp, not yet surely"
    assert "torch and jax are not told apart" in next(headline.sentences(found))


def test_the_best_is_whom_no_paired_ratio_exceeds_where_launches_are_missing(write_set, launches):
    """The mean of torch is the higher one, as it lacks the round in which jax was slow."""
    [group] = headline.table(six(write_set, launches, jax=[*(1030 + n for n in range(6)), 10])).groups
    assert [line.cells[0].text for line in group.lines] == ["jax", "torch"]
    assert [line.cells[3].text for line in group.lines] == ["1.000", "0.971"]


def test_a_lead_is_not_sure_while_any_other_is_not_told_apart(write_set, launches):
    found = six(write_set, launches, jax=[800 + n for n in range(6)], numpy=[1500, 300, 1400, 350, 1300, 400])
    assert list(found.headline[0]["verdict"])[1:] == ["slower", "not distinguished"]
    assert headline.title(found).endswith("not yet surely")
    assert "torch and numpy are not told apart" in next(headline.sentences(found))


def test_only_of_several_modes_one_is_the_fastest(write_set, launches):
    one, fused = launches(1000.0), launches(1500.0, mode="fused")
    captions = [
        headline.table(Inputs(load(folder, PAGE_COLUMNS), records(folder))).caption
        for folder in (
            write_set("one", *one),
            write_set("several", *one, *fused),
            write_set("asked", *one, requested={"modes": "recommended"}),
        )
    ]
    assert captions == [
        f"Each framework in {mode}" for mode in ("the mode measured", "its fastest mode", "its recommended mode")
    ]


def test_a_tie_is_called_one(write_set, launches):
    assert headline.title(six(write_set, launches, jax=[999 + n for n in range(6)])) == "torch ties for the lead on mlp"


def test_each_framework_is_shown_in_its_fastest_mode_beside_the_mode_most_have(write_set, launches):
    rows = [
        *launches(1000, 1000, framework="torch", mode="eager"),
        *launches(1500, 1500, framework="torch", mode="compiled"),
        *launches(500, 500, framework="jax", mode="compiled"),
        *launches(900, 900, framework="jax", mode="fused"),
    ]
    made = headline.table(Inputs(load(write_set("modes", *rows), PAGE_COLUMNS), []))
    [group] = made.groups
    assert "like for like: compiled" in group.title
    assert [line.cells[1].text for line in group.lines] == ["compiled", "fused"]
    assert [line.cells[5].text for line in group.lines] == ["1,500", "500"]
    assert [line.cells[5].note for line in group.lines] == ["1.000", "0.333"]


def test_host_feeding_is_what_an_epoch_takes_longer(write_set, launches):
    rows = [*launches(1000.0), *launches(800.0, input="host")]
    found = times._spent(Inputs(load(write_set("host", *rows), PAGE_COLUMNS), [])).set_index("input")
    assert found.loc["preloaded", "steps"] == pytest.approx(60)
    assert found.loc["host", "steps"] == pytest.approx(60)
    assert found.loc["host", "host feeding"] == pytest.approx(15)


def test_curves_are_means_over_the_seeds_that_got_so_far():
    lists = {"accuracy_by_epoch": [[0.5, 0.7], [0.7], None], "loss_by_epoch": [[1.0, 0.5], [3.0], [1.0]]}
    found = learning._curves(pd.DataFrame({**lists, "seconds_by_epoch": [[1.0, 2.0], [3.0], [5.0]]}))
    assert found.index.tolist() == [1, 2]
    assert found["accuracy_by_epoch_mean"].tolist() == pytest.approx([0.6, 0.7])
    assert found["accuracy_by_epoch_low"].tolist() == pytest.approx([0.5, 0.7])
    assert found["seconds_by_epoch_high"].tolist() == pytest.approx([3.0, 2.0])
    assert learning._curves(pd.DataFrame({name: [None] for name in learning.BY_EPOCH})).empty


def test_a_learning_rate_is_drawn_where_it_changes():
    [made] = learning._rates(pd.DataFrame({"recipe": ["mlp", "cnn_28_dense"], "epochs": [5, 3]}), "")
    assert made.facets == {"model": "cnn_28_dense"}
    assert made.words == "From 0.001 to 0.00081, times 0.9 after each epoch."


def test_a_confusion_matrix_is_summed_over_seeds_and_counts_what_is_wrong():
    counts = [0] * 100
    counts[11], counts[12] = 90, 10  # 1 taken for 1, for 2
    frame = pd.DataFrame({"framework": "torch", "mode": "eager", "confusion": [counts, counts]})
    made = mistakes._matrix(frame)
    assert made.caption == "torch, eager: 20 of 200 wrong"
    one = made.groups[0].lines[1].cells
    assert (one[2].text, one[2].style) == ("180", "hit")
    assert (one[3].text, one[3].style) == ("20", "heat6")
    assert (one[4].text, one[4].style) == ("", "heat0")


def test_digits_become_images_and_what_is_none_becomes_nothing():
    pixels = bytes(range(12))
    uri = drawing_module.uri(base64.b64encode(pixels).decode(), 3, 4)
    image = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))
    assert (image.size, image.tobytes()) == ((4, 3), pixels)
    for wrong in (("!", 3, 4), (None, 3, 4), ("AAAA", 3, 4), ("", 0, 0), ("AAAA", 3, "1"), ("A" * 400_000, 500, 600)):
        assert drawing_module.uri(*wrong) == ""


def test_a_drawing_has_no_styles_and_draws_black_in_the_colour_of_the_text():
    with Drawing("one") as drawing:
        [line] = drawing.axes.plot([1, 2], [1, 2], color=drawing_module.BLACK, label="$x$ <b>")
        drawing.mark(line, "a <b> & c", {"framework": "numpy"})
        drawing.axes.legend()
    assert "style" not in re.sub(r"font-style", "", drawing.svg)
    assert "#000000" not in drawing.svg
    assert 'fill="currentColor"' in drawing.svg.split(">")[0]
    assert 'data-framework="numpy"' in drawing.svg
    assert "<title>a &lt;b&gt; &amp; c</title>" in drawing.svg
    assert "$x$ &lt;b&gt;" in drawing.svg


def test_drawings_of_one_page_share_no_ids():
    ids = []
    for name in ("one", "two"):
        with Drawing(name) as drawing:
            drawing.axes.plot([1, 2], [1, 2], "o")
        found = re.findall(r' id="([^"]+)"', drawing.svg)
        assert set(re.findall(r'href="#([^"]+)"', drawing.svg)) <= set(found)
        ids += found
    assert ids
    assert len(ids) == len(set(ids))


def test_frameworks_look_different_in_colour_marker_and_line():
    looks = list(drawing_module.LOOKS.values())
    for values in zip(*((look.colour, look.marker, str(look.line), look.sign) for look in looks), strict=True):
        assert len(set(values)) == len(looks) == 6
    assert drawing_module.look("unheard of") == drawing_module.OTHER


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3.2e-5, "32 µs"), (0.0123, "12.3 ms"), (1.5, "1.5 s"), (600, "10.0 min"), (None, "–"), (pd.NA, "–")],
)
def test_durations_have_the_unit_that_suits_them(value, shown):
    assert words.seconds(value) == shown


def test_numbers_keep_sensible_digits():
    assert [words.speed(value) for value in (123456.7, 99.94, 0.5, None)] == ["123,457", "99.9", "0.5", "–"]
    assert words.size(500 << 20) == "500 MiB"
    assert words.between(1, 2) == "1–2"
    assert words.between(-0.1, 0.1, "+.1f") == "-0.1 to +0.1"
    assert words.between(pd.NA, 2) == ""
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_labels_are_short_and_written_out():
    assert words.short("a\x1b[31m" + "b" * 50, 12) == "a\\x1b[31mbb…"


def test_facets_are_those_that_a_record_has():
    assert facets({"framework": "torch", "batch_size": 8, "other": 1}) == {"batch": "8", "framework": "torch"}
    assert facets({"framework": "torch", "mode": "eager"}, "mode") == {"mode": "eager"}
