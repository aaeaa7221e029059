from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser

import pytest

from benchmarks.errors import UsageError
from benchmarks.machine.environments import ROOT
from benchmarks.record.store import append
from report.cli import page as page_command
from report.page.document import _values, as_markdown, build
from report.page.inputs import PAGE_COLUMNS, Inputs
from report.page.sections import machines as of_machines
from report.results.load import load, records
from tests.browser import synthetic
from tests.hostile import CHECKED, KNOWN, hostile
from tests.unit.known_lines import RECORDS
from tests.unit.report.known import small_sweep, write_small


class Parsed(HTMLParser):
    """Every element's attributes, the text of scripts and style sheets, and the records of charts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.inline, self.open = [], {"script": [], "style": []}, ""
        self.data = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.open = "data" if dict(attributes).get("type") == "application/json" else tag
        if self.open in self.inline:
            self.inline[self.open].append("")

    def handle_endtag(self, tag):
        self.open = ""

    def handle_data(self, data):
        if self.open in self.inline:
            self.inline[self.open][-1] += data
        if self.open == "data":
            self.data.append(json.loads(data))

    def all(self, name):
        return [attributes[name] for _, attributes in self.elements if name in attributes]


def charts_of(text, drawn):
    """Return the records of all charts of a kind."""
    parsed = Parsed(text)
    kinds = [attributes["data-drawn"] for _, attributes in parsed.elements if "data-drawn" in attributes]
    charts = [data for data in parsed.data if isinstance(data, list)]
    return [record for kind, chart in zip(kinds, charts, strict=True) if kind == drawn for record in chart]


def inputs(folder):
    return Inputs(load(folder, PAGE_COLUMNS), records(folder))


def page(folder):
    return build(inputs(folder))


def test_nothing_can_act_but_the_script_and_the_style_sheet_that_the_policy_names(text):
    parsed = Parsed(text)
    assert parsed.all("style") == []
    assert not [name for _, attributes in parsed.elements for name in attributes if name.startswith("on")]
    [policy] = [a["content"] for _, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy"]
    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    for kind, found in parsed.inline.items():
        digests = [base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in found]
        assert allowed.pop(f"{kind}-src") == " ".join(f"'sha256-{digest}'" for digest in digests)
    assert allowed == {
        "default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"
    }  # fmt: skip
    assert all(link.startswith(("#", "data:")) for link in parsed.all("href") + parsed.all("src"))
    assert "unsafe" not in policy


def test_every_id_is_there_once_and_every_reference_leads_to_one(text):
    parsed = Parsed(text)
    assert len(parsed.all("id")) == len(set(parsed.all("id")))
    used = {link[1:] for link in parsed.all("href") if link.startswith("#")}
    used |= set(parsed.all("aria-labelledby"))
    assert len(used) > 5
    assert used <= set(parsed.all("id"))


def test_more_launches_make_no_heavier_page(tmp_path):
    two, many = (page(write_small(tmp_path / str(rounds), rounds, device="cpu")) for rounds in (2, 40))
    assert len(many) < 1.03 * len(two)


def test_what_failed_stands_there_with_its_reason(text):
    assert "asked for 96 GiB, the card has 80" in text
    assert "paddle has no fused mode on the CPU" in text
    assert "precise enough" in text
    assert "1 oom" in text


def test_confusions_mistakes_digits_and_class_balance_are_shown(text):
    assert "Which class is taken for which" in text
    assert text.count('src="data:image/png') == 2 * 6 + 10  # two devices' mistakes, a sample of each digit
    assert "60,000 images to train on" in text


def test_figures_say_in_words_what_they_show_and_what_they_are_filtered_by(text):
    drawings = [attributes for _, attributes in Parsed(text).elements if attributes.get("role") == "img"]
    assert len(drawings) > 10
    assert all(len(drawing["aria-label"]) > 30 for drawing in drawings)
    assert any(record["hint"].startswith("torch, eager, batch 8: ") for record in charts_of(text, "speed"))


def test_one_row_is_a_page(write_set, make):
    text = page(write_set("one", make()))
    assert "torch alone has a speed on mlp" in text
    assert "a line needs two" in text
    assert "The machine&#39;s peak was not measured" in text


def test_all_failed_is_a_page_that_says_why(write_set, make):
    failed = {"status": "crashed", "train_samples_per_s": None, "flops_per_s": None}
    text = page(write_set("bad", make(**failed, reason="SIGSEGV"), make(**failed, round=1, reason="SIGABRT")))
    assert "No speed was measured" in text
    assert "SIGSEGV (and 1 other reason)" in text


def test_results_of_a_slim_sweep_leave_out_parts_and_say_so(tmp_path):
    mixed = write_small(tmp_path / "mixed", device="cpu", task="speed")
    for path in (ROOT / "results/curves").iterdir():
        (mixed / path.name).write_bytes(path.read_bytes())
    assert "tensorflow" in page(mixed)
    slim = page(ROOT / "results/curves")
    assert "These results do not hold deviations by step" in slim
    assert "hold neither confusions nor mistakes" in slim
    assert "hold neither class counts nor samples" in slim


def test_torn_and_damaged_lines_are_named_and_do_no_harm(write_set, make, capsys):
    folder = write_set("torn", make(), make(round=1))
    [path] = folder.iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[2].replace(b"1000.0", b"2000.0"), lines[1][:50]]))
    text = page(folder)
    assert "line 3: checksum does not match" in text
    assert text.count("checksum does not match") == 1
    assert "1 launch from 1 results file" in text


def test_a_file_without_a_record_of_its_run_is_shown(tmp_path, make):
    row = make()
    append(tmp_path / f"{row['sweep']}.jsonl", "row", row)
    assert "nothing is known of its machine" in page(tmp_path)


def test_records_that_hold_nonsense_are_named_and_left_out(tmp_path, make):
    row = make()
    path = tmp_path / "one.jsonl"
    append(path, "run", {"sweep": row["sweep"], "machine": 3, "frameworks": [1], "commit": 5, "ceilings": None})
    append(path, "row", row | {"task": "accuracy", "train_samples_per_s": None, "mistakes": [7], "accuracy": 0.5})
    append(path, "row", row | {"mfu": 0.5, "peak_flops_per_s": 9e9, "roofline_share": 0.5})
    append(path, "dataset", {"name": "mnist-5k", "train_counts": "many", "samples": 4})
    append(path, "image", {"dataset": "mnist-5k", "index": 7, "pixels": "!"})
    for by_step in (None, "text", {"a": 1.0}, {"1": None}):
        append(path, "proof", {**RECORDS["proof"], "verdict": {"by_step": by_step}})
    append(path, "stop", {})
    append(path, "end", {"wall_s": None})
    text = page(tmp_path)
    assert "torch alone has a speed" in text
    assert "one.jsonl, line 1: run column &#39;machine&#39;: 3 is not a valid object" in text
    assert text.count("one.jsonl, line ") == 7  # of ten, two are rows and two hold nothing


def test_the_gate_s_answers_are_drawn_by_step(text):
    assert "Largest deviation of a float64 loss up to a step" in text
    assert "do not hold deviations by step" not in text


def test_another_revision_s_adapters_are_left_to_compare(write_set, make):
    text = page(write_set("two", make(), make(framework="jax", revision="abc", train_samples_per_s=9e9)))
    assert "torch alone has a speed" in text
    assert "1 launch of other revisions&#39; adapters" in text


def test_wider_bounds_are_shown_with_their_reason_where_they_were_used(write_set, make):
    used = page(write_set("used", make(), make(framework="mxnet"), make(framework="mxnet", dtype="float64")))
    assert used.count("because of log_softmax") == 1
    assert "5e-05 instead of" in used
    assert "https://github.com/apache/mxnet/pull/18469" in used
    assert "because of" not in page(write_set("unused", make()))


def test_the_headline_as_markdown_is_one_table_a_comparison(full):
    text = as_markdown(inputs(full))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count(" | ") for line in rows}) == 1
    assert rows[0] == "| framework | mode | samples/s | against the best | accuracy |"
    assert any(line.startswith("| torch | fused | ") for line in rows)
    assert "2026-01-01" in text


def test_hostile_text_ends_no_markdown_cell(write_set, make):
    text = as_markdown(inputs(write_set("hostile", make(framework="a|b\n<script>`"), make())))
    assert "<script" not in text
    assert len({line.count(" | ") for line in text.splitlines() if line.startswith("|")}) == 1


def test_the_command_writes_three_files_and_refuses_a_folder(write_set, make, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.machine.git.web_address", lambda: "https://example.org/one/two")
    results = write_set("one", make())
    page_command(results, tmp_path / "new" / "a.html", None)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.csv", "a.html", "a.md"]
    links = Parsed((tmp_path / "new" / "a.html").read_text()).all("href")
    assert "https://example.org/one/two" in links
    [rows] = [link for link in links if link.endswith(".jsonl")]
    assert (tmp_path / "new" / rows).resolve() == next(results.iterdir())
    with pytest.raises(UsageError, match=r"report\.html"):
        page_command(results, tmp_path, None)


def test_a_filter_s_numbers_are_in_the_order_of_numbers():
    assert _values([8, 1024, 100, "b", "a"]) == ["8", "100", "1024", "a", "b"]


def machines_of(folder, most=3, change=lambda kind, record: record):
    """Write a synthetic sweep over kinds of machine: the second has one thread, the third another name."""
    folder.mkdir()
    for number, (threads, cpu) in enumerate([(2, "A processor"), (1, "A processor"), (8, "Another")][:most], 1):
        name = f"{synthetic.SWEEP}.m{number:02}"
        facts = {"cpu": cpu, "physical_cores": threads, "memory_bytes": 24 << 30}
        with (folder / f"{name}.jsonl").open("wb") as file:
            for kind, record in small_sweep(device="cpu", task="speed"):
                mine = record | ({"sweep": name} if "sweep" in record else {})
                mine |= {"machine": facts, "machine_kind": f"kind {number}"} if kind == "run" else {}
                mine |= {"threads": threads} if "threads" in record else {}
                file.write(synthetic.line(kind, change(kind, mine)))
    return folder


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return machines_of(tmp_path_factory.mktemp("three") / "results")


@pytest.fixture(scope="module")
def over(several):
    return page(several)


def test_every_kind_of_machine_has_a_part_that_the_table_of_machines_leads_to(over):
    parsed = Parsed(over)
    assert "Over 3 kinds of machine" in over
    assert {f"#machine-{number}" for number in (1, 2, 3)} <= set(parsed.all("href"))
    assert {f"m{number}-batches" for number in (1, 2, 3)} <= set(parsed.all("id"))
    assert all(f">{name}</h2>" in over for name in ("A processor, 1 core, 24 GiB", "Another, 8 cores, 24 GiB"))


def test_ids_are_there_once_on_a_page_of_several_machines(over):
    test_every_id_is_there_once_and_every_reference_leads_to_one(over)


def test_a_machine_s_part_is_the_page_that_it_would_have_alone(several, over):
    """Its first line and its headline's speeds, which no other machine has a part in."""
    alone = as_markdown(Inputs(load(path := sorted(several.iterdir())[2], PAGE_COLUMNS), records(path)))
    assert alone.split("\n\n", 1)[1] in as_markdown(inputs(several))


def test_of_many_machines_those_measured_last_have_parts(several, monkeypatch):
    monkeypatch.setattr(of_machines, "MOST", 0)
    found = inputs(several)
    parsed, text = Parsed(build(found)), as_markdown(found)
    assert [link for link in parsed.all("href") if link.startswith("#machine-")] == ["#machine-1"]
    assert "m1-batches" in parsed.all("id")
    assert "m2-batches" not in parsed.all("id")
    left_out = "Of 3 kinds of machine the one measured last has a part below"
    assert left_out in text
    assert left_out in build(found)
    assert text.count("\n### ") == 1


def test_the_csv_has_every_machine(several, tmp_path, monkeypatch):
    monkeypatch.setattr("report.cli.build", lambda *_: "")  # the page itself is built above, once
    page_command(several, tmp_path / "a.html", None)
    text = (tmp_path / "a.csv").read_text()
    assert all(f'"{name}' in text for name in ("A processor, 1 core", "A processor, 2 cores", "Another, 8 cores"))
    assert {line.count(" | ") for line in (tmp_path / "a.md").read_text().splitlines() if line.startswith("|")}


@pytest.mark.fault(29)
def test_hostile_facts_of_machines_stay_text(tmp_path):
    folder = machines_of(tmp_path / "hostile", 2, lambda kind, record: hostile(record, CHECKED | KNOWN | {"sweep"}))
    text = page(folder)
    assert len(Parsed(text).inline["script"]) == 2
    assert text.count("<script") == text.count("</script>") == 2 + len(Parsed(text).data)
    assert "<img src=x" not in text
    assert "&lt;img src=x" in text
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "<img" not in as_markdown(inputs(folder))
