"""Verified: what the gate found before anything was timed, and of how many launches the timed steps were judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adapters.recipes import RECIPES
from benchmarks.errors import count
from benchmarks.record.schema import VERIFIED
from benchmarks.worker.lockstep.bounds import BOUNDS, ONLY, WIDER
from report.page import columns, words
from report.page.inputs import Inputs, Record
from report.page.parts import Cell, Chart, Charts, Column, Part, Section, Table, Words, facets

WHICH = (
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
    *WHICH,
    columns.figure("float64, all steps", "lockstep_float64_deviation", ".1e"),
    columns.figure("steps", "lockstep_steps"),
    columns.figure("own precision, one step", "lockstep_max_deviation", ".1e"),
)
KINDS = ("loss", "gradient", "weights", "outputs")
MOST_STEPS = 20  # columns of a table
FLOOR = 1e-17  # where a deviation of nothing is drawn: below float64's epsilon, 2.2e-16
BOUND = BOUNDS["float64"].loss
NOTE = (
    "Before a configuration is timed it has to compute what is declared: float64 losses within "
    f"{BOUND:.0e} of the NumPy reference network's over all steps, then single steps in its own precision within that "
    "precision's bounds. What fails has no speed. Where a launch was judged, too, the reference network took some of "
    "its timed steps again (docs/method.md)."
)
LESS = (
    "Float32 only: the framework has no float64, in which every difference of arithmetic shows and rounding does not. "
    "It was held to float32's wider bounds alone, and a fault smaller than these is not seen (docs/method.md)."
)


def section(inputs: Inputs) -> Section:
    """Return the section: one line, and folded the proofs that the files hold, else the rows' own figures."""
    proofs = [proof for proof in inputs.records("proofs") if _verdict(proof).get("by_step")]
    table = _proven(proofs) if proofs else _largest(inputs)
    less = [LESS] if any(inputs.table["lockstep"] == ONLY) else []
    parts: list[Part] = [Words([_in_words(inputs), *less]), table]
    return Section("verified", "Verified", parts)


def deviations(inputs: Inputs) -> Section:
    """Return the appendix's section: what the gate asks for, deviations by step, bounds that are wider."""
    proofs = [proof for proof in inputs.records("proofs") if _verdict(proof).get("by_step")]
    parts: list[Part] = [Words([NOTE], style="note")]
    if proofs:
        parts.append(Charts(list(_drawn(proof for proof in proofs if proof["lockstep"] != ONLY))))
    else:
        parts.append(Words(["These results do not hold deviations by step."]))
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
    return Section("deviations", "Deviations from the reference network, step by step", parts)


def _in_words(inputs: Inputs) -> str:
    """Say in one line how many configurations the gate verified, and of how many launches the timed steps, too."""
    cells = inputs.table["lockstep"].dropna()
    counts = cells.value_counts()
    passed, of = int(counts.get("pass", 0)), len(cells)
    told = f"{'All ' if passed == of else f'{passed:,} of '}{count(of, 'configuration')} verified by the gate"
    told_of = {str(verdict): f"{number:,} {words.short(verdict)}" for verdict, number in counts.items()}
    others = [text.replace(ONLY, f"in {ONLY}") for verdict, text in told_of.items() if verdict != "pass"]
    told += f" ({words.listed(others)})" if others else ""
    launches = inputs.speeds
    replayed = launches[(launches["replayed_steps"].fillna(0) > 0) & launches["lockstep"].isin(VERIFIED)]
    if not len(replayed):
        return f"{told}; these rows do not say that timed steps were taken again by the reference network."
    most = replayed["replay_deviation"].max()
    worst = f", largest deviation {most:.1e}" if words.known(most) and most > 0 else ""
    timed = count(len(launches), "timed launch", "timed launches")
    return f"{told}; the timed steps of {len(replayed):,} of {timed} were taken again by the reference network{worst}."


def _verdict(proof: Record) -> Record:
    """Return the gate's whole answer, empty for a cell that it could not judge."""
    found: Record = proof.get("verdict", {})
    return found


def _drawn(proofs: Iterable[Record]) -> Iterator[Chart]:
    """Yield a chart for each recipe and device: a framework's largest float64 deviation by step."""
    groups: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for proof in proofs:
        line = groups.setdefault((proof["recipe"], proof["device"]), {}).setdefault(proof["framework"], {})
        for step, deviation in _verdict(proof)["by_step"].items():
            line[int(step)] = max(line.get(int(step), 0.0), float(deviation))
    for key, frameworks in sorted(groups.items()):
        yield _chart(key, frameworks)


def _chart(key: tuple[str, str], frameworks: dict[str, dict[int, float]]) -> Chart:
    """Return deviations by step below the bound."""
    records = [
        facets({"framework": framework}) | {"step": step, "deviation": max(FLOOR, deviation), "bound": BOUND}
        | {"hint": f"{words.short(framework)}: {deviation:.1e} after {step} steps"}
        for framework, line in sorted(frameworks.items())
        for step, deviation in sorted(line.items()) if step > 0
    ]  # fmt: skip
    most = max(max(line.values()) for line in frameworks.values())
    summary = f"Largest deviation of a float64 loss up to a step; the largest of all is {most:.1e}."
    facet = {"device": words.short(key[1]), "model": _model_of(key[0])}
    caption = f"{words.short(key[0])} on the {words.short(key[1]).upper()}, bound {BOUND:.0e}"
    return Chart("deviation", records, caption, summary, facet)


def _model_of(recipe: str) -> str:
    """Return the model that the filter knows a recipe by."""
    return RECIPES[recipe].model.name if recipe in RECIPES else words.short(recipe)


def _proven(proofs: list[Record]) -> Table:
    """Return every proof as a table."""
    steps = sorted({int(step) for proof in proofs for step in _verdict(proof)["by_step"]})[:MOST_STEPS]
    proven = [*WHICH, *(_deviation(f"loss to {step}, in one go", "by_step", str(step)) for step in steps)]
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
