"""Equality: how far each framework differs from the float64 reference network, step by step."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.recipes import RECIPES
from benchmarks.worker.lockstep.bounds import BOUNDS, WIDER
from report.page import columns, words
from report.page.drawing import BLACK, Drawing, look
from report.page.inputs import Inputs, Record
from report.page.parts import Cell, Column, Part, Picture, Pictures, Section, Table, Words, facets

CELL = (
    columns.NAMED,
    columns.label("recipe"),
    columns.DEVICE,
    columns.BATCH,
    columns.DTYPE,
    columns.label("input"),
    columns.LOCKSTEP,
)
REASON = Column("reason", cell=lambda proof: Cell(words.short(proof.get("reason") or "", 300)))
LARGEST = (
    *CELL,
    columns.figure("float64, all steps", "lockstep_float64_deviation", ".1e"),
    columns.figure("steps", "lockstep_steps"),
    columns.figure("own precision, one step", "lockstep_max_deviation", ".1e"),
)
KINDS = ("loss", "gradient", "weights", "outputs")
MOST_STEPS = 20  # columns of a table
FLOOR = 1e-17  # where a deviation of nothing is drawn: below float64's epsilon, 2.2e-16
BOUND = BOUNDS["float64"].loss
NOTE = (
    "Before a cell is timed it has to compute what is declared: float64 losses within "
    f"{BOUND:.0e} of the NumPy reference network's over all steps, then single steps in the cell's own precision "
    "within that precision's bounds. What fails has no speed."
)


def section(inputs: Inputs) -> Section:
    """Return the section: curves and deviations of the proofs that the files hold, else the rows' own figures."""
    proofs = [proof for proof in inputs.records("proofs") if _verdict(proof).get("by_step")]
    parts: list[Part] = [Words([NOTE], style="note")]
    if proofs:
        parts += [Pictures(list(_drawn(proofs, inputs.part))), _proven(proofs)]
    else:
        parts.append(Words(["These results do not hold deviations by step; the table has the largest of each cell."]))
        parts.append(_largest(inputs))
    frame = inputs.table
    present = set(zip(frame["framework"], frame["dtype"], strict=True))
    wider = [wider for wider in WIDER if (wider.framework, wider.dtype) in present]
    if wider:
        lines = [
            f"{w.framework}, {w.dtype} {w.kind}: {w.bound:.0e} instead of {getattr(BOUNDS[w.dtype], w.kind):.0e}, "
            f"because of {w.operation}: {w.reason} ({w.link})"
            for w in wider
        ]
        parts.append(Words(["Bounds of the gate that are wider for one framework:"]))
        parts.append(Words(lines, points=True))
    return Section("equality", "Do they compute the same?", parts)


def _verdict(proof: Record) -> Record:
    """Return the gate's whole answer, empty for a cell that it could not judge."""
    found: Record = proof.get("verdict", {})
    return found


def _drawn(proofs: list[Record], part: str) -> Iterator[Picture]:
    """Yield a picture for each recipe and device: of each framework the largest deviation of all its cells by step."""
    groups: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for proof in proofs:
        line = groups.setdefault((proof["recipe"], proof["device"]), {}).setdefault(proof["framework"], {})
        for step, deviation in _verdict(proof)["by_step"].items():
            line[int(step)] = max(line.get(int(step), 0.0), float(deviation))
    for number, (key, frameworks) in enumerate(sorted(groups.items())):
        yield _picture(f"{part}equal{number}", key, frameworks)


def _picture(name: str, key: tuple[str, str], frameworks: dict[str, dict[int, float]]) -> Picture:
    """Draw deviations by step on logarithmic axes below the bound."""
    with Drawing(name, height=225) as drawing:
        axes = drawing.axes
        axes.set(xscale="log", yscale="log", xlabel="steps", ylabel="relative deviation of the loss")
        for framework, line in sorted(frameworks.items()):
            style, steps = look(framework), sorted(line)
            [curve] = axes.plot(
                steps, [max(FLOOR, line[step]) for step in steps], color=style.colour, linestyle=style.line,
                marker=style.marker, label=words.short(framework, 14),
            )  # fmt: skip
            hint = f"{words.short(framework)}: {line[steps[-1]]:.1e} after {steps[-1]} steps"
            drawing.mark(curve, hint, facets({"framework": framework}))
        axes.axhline(BOUND, color=BLACK, linewidth=0.9)
        axes.annotate(f"bound {BOUND:.0e}", (1, BOUND), (0, -11), textcoords="offset points", xycoords=("axes fraction",
                      "data"), ha="right")  # fmt: skip
        axes.set_ylim(FLOOR / 3, BOUND * 10)
        drawing.decades(axes.xaxis)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}")
        drawing.legend()
    most = max(max(line.values()) for line in frameworks.values())
    summary = f"Largest deviation of a float64 loss up to a step; the largest of all is {most:.1e}."
    facet = {"device": words.short(key[1]), "model": _model_of(key[0])}
    return Picture(drawing.svg, f"{words.short(key[0])} on the {words.short(key[1]).upper()}", summary, facet)


def _model_of(recipe: str) -> str:
    """Return the model that the filter knows a recipe by."""
    return RECIPES[recipe].model.name if recipe in RECIPES else words.short(recipe)


def _proven(proofs: list[Record]) -> Table:
    """Return every proof as a table."""
    steps = sorted({int(step) for proof in proofs for step in _verdict(proof)["by_step"]})[:MOST_STEPS]
    proven = [*CELL, *(_deviation(f"loss to {step}, float64", "by_step", str(step)) for step in steps)]
    proven += [*(_deviation(f"{kind}, one step", "deviations", kind) for kind in KINDS), REASON]
    records = [proof | {"model": _model_of(proof["recipe"])} for proof in proofs]
    return columns.folded("Every proof", proven, records)


def _deviation(text: str, part: str, name: str) -> Column:
    """Return a column of one figure in the gate's answers."""
    return Column(text, "", True, lambda proof: columns.quantity((_verdict(proof).get(part) or {}).get(name), ".1e"))


def _largest(inputs: Inputs) -> Table:
    """Return the largest deviations that rows hold, a line a cell."""
    deviations = ["lockstep_float64_deviation", "lockstep_max_deviation"]
    cells = inputs.frame.groupby(["framework", "mode", "model", "recipe", "device", "batch_size", "dtype", "input"])
    found = cells.agg({**dict.fromkeys(deviations, "max"), "lockstep_steps": "max", "lockstep": "last"}).reset_index()
    return columns.folded("Largest relative deviation of a loss", LARGEST, found)
