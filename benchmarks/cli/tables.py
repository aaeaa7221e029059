"""Tables of all commands, as wide as the terminal and never cut, and digits drawn in characters."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from adapters.flops import COUNTS
from benchmarks.checks.selfcheck import Check
from benchmarks.cli import answer
from benchmarks.cli.answer import Section
from benchmarks.errors import plain, threads
from benchmarks.launch.proof import Proof
from benchmarks.models.evaluate import Agreement, Evaluation, Pair
from benchmarks.plan.cells import Cell
from benchmarks.record.summary import MANY, SHOWN, comparisons
from benchmarks.worker.lockstep.bounds import ONLY

DIFFERENCES = 50  # shown of the images that frameworks read differently; --json has all


def titled(title: str, *headings: str | Column) -> Table:
    """Return an empty table under a title of any text; what is too wide for the terminal is folded, not cut."""
    columns = [Column(heading) if isinstance(heading, str) else heading for heading in headings]
    for column in columns:
        column.overflow = "fold"
    return _slim(Table(*columns, title=Text(plain(title)) if title else None, title_justify="left"))


def _slim(table: Table) -> Table:
    """Return the table without what takes width from its words."""
    table.box, table.pad_edge, table.show_edge, table.collapse_padding = SIMPLE_HEAD, False, False, True
    return table


def right(*headings: str) -> list[Column]:
    """Return columns of figures."""
    return [Column(heading, justify="right") for heading in headings]


def sweep_tables(rows: Sequence[Mapping[str, Any]], width: int) -> Iterator[Table]:
    """Yield the tables of rows of one machine, however many launches there are, for a terminal of this width.

    Rows have the columns of the ledger's TABLE_COLUMNS. A comparison without the launches for a verdict says in its
    title that it is provisional; of many comparisons only some are shown (summary.MANY).
    """
    found = comparisons(rows)
    for one in found if len(found) <= MANY else found[:SHOWN]:
        for section in answer.sections(one):
            yield fitted(section, answer.RIGHT, width, answer.first(section))


def fitted(section: Section, right: Collection[str], width: int | None, first: Collection[str] = ()) -> Table:
    """Return a section as a table with as many columns as the width has room for; all of them where it is None.

    The columns `first` are always there, the others in their order. Where even the first are too wide, text is folded:
    no name and no number is cut.
    """
    named, headings, lines = section
    limit = math.inf if width is None else width
    chosen = [name for name in headings if name in first]
    for name in headings:
        wider = [known for known in headings if known in chosen or known == name]
        if _width(_with_columns(named, headings, lines, wider, right)) > limit:
            break
        chosen = wider
    made = _with_columns(named, headings, lines, chosen, right)
    if _width(made) <= limit:
        made.width = _width(made)
    return made


def _width(table: Table) -> int:
    """Return how many characters wide a table is where nothing is folded; its title may be."""
    return Measurement.get(ANY_WIDTH, ANY_WIDTH.options, table).maximum


ANY_WIDTH = Console(width=10_000, color_system=None)


def _with_columns(
    named: str,
    headings: Mapping[str, str],
    lines: Sequence[Mapping[str, str]],
    chosen: Sequence[str],
    right: Collection[str],
) -> Table:
    """Return a table of these columns."""
    made = _slim(Table(title=Text(plain(named))))
    for name in chosen:
        is_word = not any(" " in cells[name] for cells in lines)
        made.add_column(
            escape(headings[name]),
            justify="right" if name in right else "left",
            no_wrap=is_word or name in right,
            overflow="fold",
        )
    for cells in lines:
        made.add_row(*(escape(plain(cells[name])) for name in chosen))
    return made


GATED = {  # columns of the gate's answers after the four that tell them apart and `verdict`
    "float64": "float64 losses",
    "loss": "loss", "gradient": "gradient", "weights": "weights", "outputs": "outputs",
}  # fmt: skip
TOLD_APART = ("recipe", "framework", "mode", "dtype", "input")


def deviations(found: Sequence[tuple[Cell, Proof]], width: int | None) -> Iterator[Table | str]:
    """Yield the gate's answers, largest relative deviations, then why each that is no `pass` is none.

    A terminal without the room lacks the last columns: the float64 losses up to step N.
    """
    milestones = sorted({int(step) for _, proof in found for step in proof.verdict.get("by_step", {})})
    alike = {name for name in ("dtype", "input") if len({getattr(cell, name) for cell, _ in found}) == 1}
    steps = {f"to {step}": f"to {step}" for step in milestones}
    named = [name for name in TOLD_APART if name not in alike]
    same = "".join(f", {getattr(found[0][0], name)}" for name in TOLD_APART if name in alike)
    title = f"Largest relative deviation from the reference{same}"
    headings = {**dict(zip(named, named, strict=True)), "verdict": "verdict", **GATED, **steps}
    lines = [dict.fromkeys(headings, "") | _gated(*one) for one in found]
    section = title, headings, lines
    yield fitted(section, {*GATED, *steps}, width, (*named, "verdict", "float64"))
    yield "float64 losses: of all steps, `to N` up to step N; the others: of single steps in the dtype"
    if any(proof.lockstep == ONLY for _, proof in found):
        yield f"{ONLY}: no float64 to show every difference; `to N` is of float32 losses, held to wider bounds"
    for cell, proof in found:
        if proof.lockstep != "pass":
            yield plain(f"{' '.join(getattr(cell, name) for name in TOLD_APART)}: {proof.lockstep}, {proof.reason}")


def _gated(cell: Cell, proof: Proof) -> dict[str, str]:
    """Return the gate's answer on a cell as text by column."""
    by_step = {f"to {step}": value for step, value in proof.verdict.get("by_step", {}).items()}
    figures = {"float64": proof.verdict.get("float64_deviation"), **proof.verdict.get("deviations", {}), **by_step}
    texts = {name: "" if value is None else f"{value:.1e}" for name, value in figures.items()}
    return {**{name: getattr(cell, name) for name in TOLD_APART}, "verdict": proof.lockstep, **texts}


def checked(checks: Sequence[Check]) -> Table:
    """Return the answers of the checks on ourselves."""
    table = titled("", "check", "what", "found", "bound", "")
    for check in checks:
        words = (check.name, check.what, check.found, check.bound, "pass" if check.passed else "FAIL")
        table.add_row(*(escape(plain(text)) for text in words))
    return table


MOST_FIGURES = 6  # beside each other in 80 characters


def exchanged(pairs: Sequence[Pair]) -> Iterator[Table]:
    """Yield per recipe a table or more: a line for each framework that trained, a column for each that evaluated."""
    for recipe in dict.fromkeys(pair.recipe for pair in pairs):
        mine = [pair for pair in pairs if pair.recipe == recipe]
        title = (
            f"{recipe}, evaluated in each: largest difference of a logit from the one where the weights were trained"
        )
        evaluators = list(dict.fromkeys(pair.evaluated_in for pair in mine))
        columns = math.ceil(len(evaluators) / math.ceil(len(evaluators) / MOST_FIGURES))
        for some in (evaluators[first : first + columns] for first in range(0, len(evaluators), columns)):
            table = titled(title, "trained in", *right("accuracy", *some))
            for trainer in dict.fromkeys(pair.trained_in for pair in mine):
                line = [pair for pair in mine if pair.trained_in == trainer and pair.evaluated_in in some]
                table.add_row(trainer, f"{line[0].accuracy:.4f}", *(f"{pair.deviation:.1e}" for pair in line))
            yield table


def evaluated(found: Evaluation) -> Iterator[Table | str]:
    """Yield a line for each framework, then one for each image that is read differently, and their number."""
    agreed = found.agreement
    title = (
        f"{found.recipe} on the {agreed.images:,} test images of {found.dataset}, trained in {found.trained_in or '?'}"
    )
    own_files = ["its own files, loaded: deviation"] if found.native else []
    table = titled(title, "framework", *right("right", "accuracy", "deviation"), *own_files)
    for name, correct in agreed.correct.items():
        own = ", ".join(f"{form} {deviation:.1e}" for form, deviation in found.native.get(name, {}).items())
        figures = (f"{correct:,}", f"{100 * correct / agreed.images:.2f} %", f"{agreed.deviation[name]:.1e}")
        table.add_row(name, *figures, *([escape(plain(own))] if found.native else []))
    yield table
    yield f"deviation: the largest of an output, from {next(iter(agreed.correct))}'s; of its own files, from its own"
    if agreed.differences:
        yield _different(agreed)
    alike = agreed.images - len(agreed.differences)
    no_ties = sum(not difference.tie for difference in agreed.differences)
    yield f"{alike:,} images read alike, {len(agreed.differences) - no_ties} differently in a tie, {no_ties} otherwise"


def _different(agreed: Agreement) -> Table:
    """Return a line for each of the first images that frameworks read differently."""
    table = titled("Read differently", "image", "label", *agreed.correct, "gap of the two best", "")
    for difference in agreed.differences[:DIFFERENCES]:
        verdict = "tie" if difference.tie else "DISAGREEMENT"
        read_as = (str(answer) for answer in difference.read_as.values())
        table.add_row(str(difference.index), str(difference.label), *read_as, f"{difference.gap:.1e}", verdict)
    return table


def peaks(found: Sequence[Mapping[str, Any]], bandwidths: Sequence[Mapping[str, Any]]) -> Iterator[Table]:
    """Yield a table per peak, a line per framework and a column per size, and one of memory's bandwidth by set."""
    for peak in found:
        title = f"{peak['dtype']}, {peak['device']}, {threads(peak['threads'])}: GFLOP/s of products of N x N matrices"
        if peak["flops_per_s"]:
            title += f"; peak {peak['flops_per_s'] / 1e9:,.1f} ({peak['framework']}, {peak['size']})"
        measured = {name: _sizes(answer) for name, answer in peak["frameworks"].items()}
        edges = list(dict.fromkeys(size for line in measured.values() for size in line))
        table = titled(title, "framework", *right(*map(str, edges)), "not ok, or skipped")
        for name, found_by in peak["frameworks"].items():
            table.add_row(name, *(measured[name].get(size, "") for size in edges), escape(plain(_remarks(found_by))))
        yield table
    if bandwidths:
        places = (f"{found.get('device', 'cpu')}, {threads(found['threads'])}" for found in bandwidths)
        title = "Memory and caches, GB/s: triad on a CPU, copies on a GPU"
        table = titled(title, *right("working set", *places))
        lines = [{part["set_bytes"]: part["bytes_per_s"] for part in b.get("sets", [])} for b in bandwidths]
        for size in sorted({size for line in lines for size in line}):
            figures = (f"{line[size] / 1e9:,.1f}" if size in line else "" for line in lines)
            table.add_row(f"{size / 2**10:,.0f} KiB", *figures)
        yield table


def _sizes(answer: Mapping[str, Any]) -> dict[int, str]:
    """Return GFLOP/s by size, a dash for a size that was skipped."""
    return {
        item["size"]: f"{item['flops_per_s'] / 1e9:,.1f}" if "flops_per_s" in item else "-"
        for item in answer.get("sizes", [])
    }


def _remarks(answer: Mapping[str, Any]) -> str:
    """Return why a framework does not count for the peak, and why sizes were skipped."""
    skipped = [f"{item['size']}: {item['skipped']}" for item in answer.get("sizes", []) if "skipped" in item]
    wrong = [] if answer["status"] == "ok" else [f"{answer['status']}: {answer['reason']}"]
    return "; ".join([*wrong, *answer.get("flags", []), *skipped])


Grey = npt.NDArray[np.uint8]
RAMP = " .:-=+*#%@"
GAP = "   "


def blocks(images: Sequence[Grey]) -> Text:
    """Return images of equal, even height side by side: a character's upper half is one row, its lower the next."""
    text = Text(no_wrap=True)
    for row in range(0, len(images[0]), 2):
        for index, image in enumerate(images):
            text.append(GAP if index else "")
            for upper, lower in zip(image[row].tolist(), image[row + 1].tolist(), strict=True):
                text.append("▀", f"rgb({upper},{upper},{upper}) on rgb({lower},{lower},{lower})")
        text.append("\n")
    return text


def ascii_art(images: Sequence[Grey]) -> Text:
    """Return images of equal, even height side by side in plain characters, each the mean of two pixels."""
    text = Text(no_wrap=True)
    for row in range(0, len(images[0]), 2):
        means = [image[row : row + 2].mean(0) for image in images]
        text.append(GAP.join("".join(RAMP[int(mean * (len(RAMP) - 1) / 255)] for mean in line) for line in means))
        text.append("\n")
    return text


LAYER = {
    "layer": "layer", "weight_shape": "weight shape", "parameters": "parameters", "output_shape": "output shape",
    "forward_flops": "forward FLOP", "training_flops": "training FLOP",
    "all_forward_flops": "all forward FLOP", "all_training_flops": "all training FLOP",
}  # fmt: skip
LAYER_FIRST = ("layer", "weight_shape", "parameters", "output_shape", "training_flops")


def as_table(described: dict[str, Any], width: int | None) -> Table:
    """Return what flops.describe() says of a network as a table; the last lines are the loss's and the totals."""
    shape = "x".join(map(str, described["input_shape"]))
    lines = [_layer(layer) for layer in described["layers"]]
    known = sum(layer["all_training_flops"] for layer in described["layers"])
    rest = {"layer": "loss and optimiser", "all_training_flops": f"{described['all_training_flops'] - known:,}"}
    total = {"layer": "total", **{name: f"{described[name]:,}" for name in ("parameters", *COUNTS)}}
    lines += [dict.fromkeys(LAYER, "") | line for line in (rest, total)]
    title = f"{described['model']}, input {shape}, batch of {described['batch_size']}"
    return fitted((title, LAYER, lines), {"parameters", *COUNTS}, width, LAYER_FIRST)


def _brief(value: object) -> str:
    """Return a setting as it was written, not as float32 holds it."""
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _layer(layer: Mapping[str, Any]) -> dict[str, str]:
    """Return what flops.describe() says of a layer as text by column."""
    settings = " ".join(f"{name}={_brief(value)}" for name, value in layer["settings"].items())
    shapes = {name: "x".join(map(str, layer[name] or [])) for name in ("weight_shape", "output_shape")}
    figures = {name: f"{layer[name]:,}" for name in ("parameters", *COUNTS)}
    return {"layer": f"{layer['at']} {layer['layer']} {settings}".strip(), **shapes, **figures}
