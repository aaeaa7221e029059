"""What the lines of a results file hold: the one table of a row's columns, and a small table for each other kind.

The tables validate what is written, type what is read, and document both: results/README.md's list of columns is made
from here (`python -m report columns`). A checksum proves that a line is as it was written, not that its writer meant
well: these tables let readers rely on what a record says. Fields that no table has may come from a newer program and
are not an error.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from adapters.contract import INPUTS
from adapters.declaration import DeclarationError
from adapters.networks import recipe_of
from benchmarks.errors import SchemaError
from benchmarks.machine import hardware
from benchmarks.plan.cells import APART, SHARED
from benchmarks.plan.data import MAX_CLASSES
from benchmarks.worker.validate import Check, fraction, mistake, positive

SCHEMA_VERSION = 5
TASKS = ("speed", "accuracy")
STATUSES = (
    "ok", "unsupported", "skipped", "failed", "timeout", "oom", "crashed", "nan", "invalid", "impossible",
    "interrupted",
)  # fmt: skip
FLAGS = {
    "noisy": "others took CPU time, or the machine changed speed, swapped, slowed down for heat or was suspended",
    "drifting": "speed still drifted",
    "thread_mismatch": "other threads than asked",
    "throttled": "a quota of CPU time held the process back, or the card its clock for power or heat",
}
VERIFIED = ("pass", "float32 only")
VERDICTS = (*VERIFIED, "fail", "unproven")
KINDS: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "strings": list[str],
    "ints": list[int],
    "floats": list[float],
    "floatss": list[list[float]],
    "object": dict,
    "objects": list[dict[str, object]],
}


@dataclass(frozen=True)
class Column:
    """One column: `kind` is one of KINDS, of a row's the first six; `required` columns are never null.

    What a worker fills in has a type in worker/protocol.py, too.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    required: bool = False
    check: Check = lambda value: True


def _at_least_zero(value: float) -> bool:
    return value >= 0


def _is_device(name: str) -> bool:
    return hardware.NAMES.fullmatch(name) is not None


def _typed(kind: Any) -> Check:
    """Return a check for values of a type."""
    return lambda value: not mistake(kind, value)


COLUMNS = (
    Column("schema_version", "int", "", "version of this table", True, lambda value: value == SCHEMA_VERSION),
    Column("sweep", "str", "", "the sweep this row belongs to; also its file's name", True),
    Column("cell", "str", "", "hash of all that decides what is measured: axes, code, lock, machine, kernels", True),
    Column("started_at", "str", "UTC", "when the launch began; for people, never used to measure", True),
    Column("framework", "str", "", "import name of the framework", True),
    Column("framework_version", "str", "", "its version, as it says itself"),
    Column("model", "str", "", "declared network", True),
    Column("recipe", "str", "", "declared settings it is trained with", True),
    Column("dataset", "str", "", "data set", True),
    Column("device", "str", "", "as asked: cpu, gpu (the first card), gpu:N", True, _is_device),
    Column("device_name", "str", "", "model name of the processor or card", True),
    Column("batch_size", "int", "samples", "samples in a step", True, positive),
    Column("mode", "str", "", "eager, compiled or fused", True),
    Column("dtype", "str", "", "float32, float64, or what products multiply: tf32, bfloat16, float16", True),
    Column(
        "input",
        "str",
        "",
        "preloaded: the batches lie on the device beforehand; host: gathered from host memory and fed while training",
        True,
        lambda value: value in INPUTS,
    ),
    Column("threads", "int", "", "CPU threads asked for, and CPUs in the affinity mask", True, positive),
    Column("revision", "str", "", "git revision whose adapters this launch used; null: the checkout's own"),
    Column("task", "str", "", "speed: timed; accuracy: trained as the recipe says", True, lambda task: task in TASKS),
    Column("round", "int", "", "number of this cell's launch of this task, from 0", True, _at_least_zero),
    Column("seed", "int", "", "seed of initial weights and batch order; each accuracy launch has its own", True),
    Column("attempt", "int", "", "over several machines: 2 and more began again, a machine was lost", False, positive),
    Column("status", "str", "", "how the launch ended: " + ", ".join(STATUSES), True, lambda value: value in STATUSES),
    Column("reason", "str", "", "why the status is not ok, or lockstep is not pass"),
    Column("flags", "strings", "", "; ".join(f"{flag}: {meaning}" for flag, meaning in FLAGS.items())),
    Column("lockstep", "str", "", "the gate's verdict: " + ", ".join(VERDICTS), True, lambda value: value in VERDICTS),
    Column("lockstep_max_deviation", "float", "", "largest deviation of a loss from the reference network's"),
    Column("lockstep_float64_deviation", "float", "", "the same in float64, of all steps; null: float32 only"),
    Column("lockstep_steps", "int", "steps", "steps in one go, in float64 or else float32", False, positive),
    Column("oracle_sha256", "str", "", "hash of the reference network's losses that this was compared with"),
    Column("train_samples_per_s", "float", "samples/s", "training: median over the timed chunks", False, positive),
    Column("replayed_steps", "int", "steps", "timed steps that the reference network took again", False, positive),
    Column("replay_deviation", "float", "", "of what they moved all weights, from the reference network's"),
    Column("replay_scale_deviation", "float", "", "likewise, of how far: along the reference network's way"),
    Column("replay_parameter_deviation", "float", "", "likewise, of what they moved one parameter: largest"),
    Column("eval_deviation", "float", "", "of outputs from the reference network's at the same weights"),
    Column("replay_s", "float", "s", "what taking steps again and evaluating took, in the harness, after the launch"),
    Column("train_chunk_s", "floats", "s", "wall time of each timed chunk"),
    Column("train_chunk_device_s", "floats", "s", "on a GPU: between events on its queue at each chunk's edges"),
    Column("train_timed_between_s", "floats", "s", "begin and end of the timed training, on the monotonic clock"),
    Column("chunk_steps", "int", "steps", "optimiser steps in one chunk, fixed by the first launch", False, positive),
    Column("warm_up_chunks", "int", "", "chunks of 100 ms before the timed ones, fixed by the first launch"),
    Column("eval_passes", "int", "", "passes over the test images in one chunk of evaluation", False, positive),
    Column("eval_samples_per_s", "float", "samples/s", "evaluation: median over the timed chunks", False, positive),
    Column("step_latency_p50_s", "float", "s", "a training step that is waited for: median", False, positive),
    Column("step_latency_p95_s", "float", "s", "the same: 95 % take no longer", False, positive),
    Column("step_latency_p99_s", "float", "s", "the same: 99 % take no longer", False, positive),
    Column("latency_steps", "int", "steps", "steps that were waited for one by one", False, positive),
    Column("dispatch_s", "float", "s", "median of an almost empty step; first launches only", False, positive),
    Column("start_s", "float", "s", "from the start of the process to the worker's first own work"),
    Column("worker_s", "float", "s", "from there to its answer, by the clock that times chunks", False, positive),
    Column("import_s", "float", "s", "import of the framework (NumPy is loaded before)", False, positive),
    Column("build_s", "float", "s", "building the network and setting its weights", False, positive),
    Column("placing_s", "float", "s", "gathering batches and placing them on the device; not in seconds_by_epoch"),
    Column("first_step_s", "float", "s", "first training call, compilation included", False, positive),
    Column("first_eval_s", "float", "s", "first pass over the test images, compilation included", False, positive),
    Column("warm_up_s", "float", "s", "finding the plan, or following it, before the timed chunks", False, positive),
    Column("timed_s", "float", "s", "inside the timed chunks of training and evaluation", False, positive),
    Column("cpu_s", "float", "s", "CPU time of the whole worker", False, positive),
    Column("cpu_per_wall", "float", "", "CPU seconds per wall second of the timed training chunks"),
    Column("threads_computing", "int", "", "threads that took part in a product of matrices", False, positive),
    Column("stolen_share", "float", "", "of the CPUs' time while training was timed: taken by the hypervisor"),
    Column("foreign_share", "float", "", "likewise: taken by other processes"),
    Column("cpu_throttled_s", "float", "s", "while training was timed: what quotas of CPU time held back, over CPUs"),
    Column("train_chunk_cpu_s", "floats", "s", "CPU time of the worker in each timed chunk"),
    Column("train_chunk_stolen_s", "floats", "s", "time the hypervisor took from the CPUs in each timed chunk"),
    Column("train_chunk_pressure_s", "floats", "s", "time in which a task of the machine waited for a CPU (PSI)"),
    Column("train_chunk_switches", "floats", "", "involuntary context switches of the worker in each timed chunk"),
    Column("canary_before_s", "floats", "s", "a fixed piece of work on each CPU, all at once, before the launch"),
    Column("canary_after_s", "floats", "s", "the same after it; see the flag noisy"),
    Column("peak_rss_bytes", "int", "bytes", "largest resident memory of the worker", False, positive),
    Column("gpu_memory_peak_bytes", "int", "bytes", "of the card: most in use, less what was before the launch"),
    Column("gpu_busy_share", "float", "", "of the time training was timed: a kernel ran, as the driver samples it"),
    Column("gpu_sm_clock_mhz", "float", "MHz", "clock of the card's multiprocessors while training was timed: median"),
    Column("gpu_temperature_c", "float", "°C", "of the card while training was timed: highest"),
    Column("gpu_power_w", "float", "W", "of the card while training was timed: mean"),
    Column("gpu_energy_j_per_sample", "float", "J/sample", "gpu_power_w times the timed seconds, by training sample"),
    Column("gpu_throttles", "strings", "", "what held the card's clock back while training was timed"),
    Column("gpu_other_processes", "int", "", "processes on the card before or after the launch; never ended"),
    Column("train_flops_per_sample", "int", "FLOP", "theoretical, forward and backward (flops.py)", True, positive),
    Column("train_all_flops_per_sample", "float", "FLOP", "the same with pooling, loss and update", True, positive),
    Column("flops_per_s", "float", "FLOP/s", "train_samples_per_s * train_flops_per_sample", False, positive),
    Column("peak_flops_per_s", "float", "FLOP/s", "the machine's peak in this dtype, all frameworks", False, positive),
    Column("mfu", "float", "", "flops_per_s / peak_flops_per_s; above 1 the row is impossible", False, positive),
    Column("roofline_flops_per_s", "float", "FLOP/s", "what peak and bandwidth allow a step", False, positive),
    Column("roofline_share", "float", "", "flops_per_s / roofline_flops_per_s; above 1: impossible", False, positive),
    Column("accuracy", "float", "", "on the test images after the last epoch", False, fraction),
    Column("loss", "float", "", "on the test images after the last epoch"),
    Column("train_accuracy", "float", "", "on the training images after the last epoch", False, fraction),
    Column("confusion", "ints", "", "test images by label (row) and class read (column), row by row; up to 20 classes"),
    Column("mistakes", "ints", "", "indices of the misread test images with the largest losses, largest first"),
    Column("mistakes_read_as", "ints", "", "what each of them was read as"),
    Column("epochs", "int", "", "epochs trained for the accuracy, fewer where the recipe stops early", False, positive),
    Column("accuracy_by_epoch", "floats", "", "on the test images, after each epoch"),
    Column("loss_by_epoch", "floats", "", "on the test images, after each epoch"),
    Column("train_loss_by_epoch", "floats", "", "mean over the epoch's batches, each before its update"),
    Column("seconds_by_epoch", "floats", "s", "training and evaluation up to the end of each epoch, set-up apart"),
    Column("accuracy_target", "float", "", "whose first reaching is timed; null without one", False, fraction),
    Column("time_to_accuracy_s", "float", "s", "seconds_by_epoch at the first epoch with the target", False, positive),
    Column("duration_s", "float", "s", "the whole launch, as the parent saw it"),
)  # fmt: skip
BY_NAME = {column.name: column for column in COLUMNS}


def names(*chosen: str) -> tuple[str, ...]:
    """Return these names of columns, each once; KeyError for an unknown one."""
    return tuple(dict.fromkeys(BY_NAME[name].name for name in chosen))


def validate(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row with every column, in the table's order, null where absent; SchemaError names what is wrong."""
    if unknown := sorted(set(row) - set(BY_NAME)):
        raise SchemaError(f"row has unknown columns: {', '.join(unknown)}")
    return _checked(COLUMNS, row, "row")


def _checked(columns: Sequence[Column], record: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return these columns of a record, null where absent; SchemaError says of `what` which column is not valid."""
    complete = {column.name: record.get(column.name) for column in columns}
    for column in columns:
        value = complete[column.name]
        if value is None:
            if column.required:
                raise SchemaError(f"{what} lacks required column {column.name!r}")
        elif mistake(KINDS[column.kind], value) or not column.check(value):
            short = reprlib.repr(value)  # a line may hold a megabyte of it
            raise SchemaError(f"{what} column {column.name!r}: {short} is not a valid {column.kind} ({column.meaning})")
    return complete


DEEPEST = 6  # objects and lists inside of each other; ours have 3
LARGEST_STEP = 10**9  # of a proof


def valid(kind: str, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a line that is not a row; SchemaError for an unknown kind and for a value that is not valid.

    Fields that are null are left out, and unknown ones that nest too deep or hold a number that is not finite. Half of
    a surrogate pair, which no file can hold, is written as an escape.
    """
    if kind not in LINES:
        raise SchemaError(f"unknown kind {kind[:40]!r}")
    known = _checked(LINES[kind], record, kind)
    others = {name: value for name, value in record.items() if name not in known and _is_shallow_json(value)}
    printable: dict[str, Any] = _printable({name: v for name, v in (known | others).items() if v is not None})
    return printable


def _is_shallow_json(value: Any, deepest: int = DEEPEST) -> bool:
    """Return whether a JSON value is not nested too deep and every number in it is finite."""
    match value:
        case None | str() | bool():
            return True
        case int() | float():
            return not mistake(type(value), value)
        case list() if deepest:
            return all(_is_shallow_json(item, deepest - 1) for item in value)
        case dict() if deepest:
            return all(_is_shallow_json(item, deepest - 1) for item in value.values())
    return False


def _printable(value: Any) -> Any:
    """Return a JSON value whose texts and names can be written as UTF-8."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case list():
            return [_printable(item) for item in value]
        case dict():
            return {_printable(name): _printable(item) for name, item in value.items()}
    return value


def _shaped(columns: Sequence[Column]) -> Check:
    """Return a check for objects whose fields match a table and whose other fields are shallow JSON."""

    def check(found: Any) -> bool:
        try:
            return isinstance(found, dict) and bool(_checked(columns, found, "part")) and _is_shallow_json(found)
        except SchemaError:
            return False

    return check


def _pairs(found: Any) -> bool:
    """Return whether every list has two numbers above zero."""
    return all(len(pair) == 2 and min(pair) > 0 for pair in found)


def _is_counts(found: Any) -> bool:
    """Return whether there is a number of images for each of the classes that a data set may have."""
    return 2 <= len(found) <= MAX_CLASSES and all(0 <= count < 2**31 for count in found)


def _is_step(name: str) -> bool:
    """Return whether a text is a number of steps."""
    return name.isascii() and name.isdigit() and len(name) < 12 and 0 < int(name) <= LARGEST_STEP


def _is_network(found: Any) -> bool:
    """Return whether an object declares a network."""
    try:
        return bool(recipe_of(found))
    except DeclarationError:
        return False


BY_STEP = Annotated[dict[str, Annotated[float, _at_least_zero]], lambda found: all(map(_is_step, found))]
ENVIRONMENT = (
    Column("lock", "str", "", "hash of the pinned requirements"),
    Column("versions", "object", "", "version of Python, NumPy and the framework", check=_typed(dict[str, str])),
    Column("packages", "object", "", "version of every package there", check=_typed(dict[str, str])),
    Column(
        "system_packages", "object", "", "what those of the system say as their version", check=_typed(dict[str, str])
    ),
    Column("numeric_libraries", "strings", "", "shared libraries that compute"),
    Column("kernels", "str", "", "which kernels the libraries chose, as they say"),
    Column("denormals", "str", "", "kept or flushed"),
)
CEILING = (
    Column("device", "str", "", "cpu or gpu", True),
    Column("dtype", "str", "", "type of the operands", True),
    Column("threads", "int", "", "CPU threads", True, positive),
    Column("peak_flops_per_s", "float", "FLOP/s", "of products of matrices", check=positive),
    Column("bandwidths", "floatss", "bytes/s", "pairs of a working set in bytes and its speed", check=_pairs),
)
VERDICT = (
    Column("steps", "int", "steps", "steps in one go, in float64 or else float32"),
    Column("float64_deviation", "float", "", "largest of a float64 loss"),
    Column("by_step", "object", "", "the same up to a step", check=_typed(BY_STEP)),
    Column("deviations", "object", "", "of single steps, by kind", check=_typed(dict[str, float | None])),
    Column("oracle_sha256", "str", "", "hash of the reference network's losses"),
)
FRAMEWORKS = dict[str, Annotated[object, _shaped(ENVIRONMENT)]]
CEILINGS = list[Annotated[object, _shaped(CEILING)]]
ENGINE = (Column("name", "str", "", "what spreads a sweep over machines", True),)
CELL = tuple(BY_NAME[name] for name in SHARED)
LINES: dict[str, tuple[Column, ...]] = {
    "run": (
        Column("sweep", "str", "", "the sweep's name"),
        Column("machine", "object", "", "facts about the machine", check=_is_shallow_json),
        Column("machine_kind", "str", "", "hash that machines of one kind share"),
        Column("code", "str", "", "hash of the code that measured"),
        Column("commit", "str", "", "git commit of the checkout"),
        Column("python", "str", "", "version of the harness's Python"),
        Column("frameworks", "object", "", "environments by name", check=_typed(FRAMEWORKS)),
        Column("data", "object", "", "SHA-256 by data set", check=_typed(dict[str, str])),
        Column("ceilings", "objects", "", "peak and bandwidths", check=_typed(CEILINGS)),
        Column("worker_variables", "object", "", "what workers were given", check=_typed(dict[str, str])),
        Column("openblas_coretype", "str", "", "kernels that OpenBLAS was told to use"),
        Column("preset", "object", "", "how much was measured", check=_is_shallow_json),
        Column("seed", "int", "", "the first seed"),
        Column("resumes", "strings", "", "sweeps that this one went on with"),
        Column("requested", "object", "", "cells and launches that were asked for", check=_is_shallow_json),
        Column("part_of", "str", "", "the sweep over several machines that a member's own belongs to"),
        Column("engine", "object", "", "what spread it over machines, and over which", check=_shaped(ENGINE)),
    ),
    "end": (
        Column("wall_s", "object", "s", "where the time went", check=_typed(dict[str, float])),
    ),
    "stop": (
        *CELL,
        Column("rounds", "int", "", "rounds that were measured", True, _at_least_zero),
        Column("reason", "str", "", "why no more", True),
        Column("half_width", "float", "", "of the widest ratio's interval", check=_at_least_zero),
    ),
    "proof": (
        *CELL,
        *(BY_NAME[name] for name in APART),
        BY_NAME["lockstep"],
        Column("reason", "str", "", "why it does not pass"),
        Column("verdict", "object", "", "the gate's whole answer", check=_shaped(VERDICT)),
    ),
    "dataset": (
        Column("name", "str", "", "data set", True),
        Column("sha256", "str", "", "of its arrays", True),
        Column("train_counts", "ints", "images", "to train on, by class", True, _is_counts),
        Column("test_counts", "ints", "images", "to test on, by class", True, _is_counts),
        Column("class_names", "strings", "", "what classes are called, where that is known"),
        Column("channels", "int", "", "of an image; absent: 1", check=positive),
        Column("height", "int", "pixels", "of an image", True, positive),
        Column("width", "int", "pixels", "of an image", True, positive),
        Column("samples", "strings", "", "an image of each class that there is, of the first 20, base64: (C, H, W)"),
    ),
    "network": (
        Column("name", "str", "", "recipe of the user's own", True),
        Column("declaration", "object", "", "as networks.declared has it", True, _is_network),
    ),
    "image": (
        Column("dataset", "str", "", "data set", True),
        Column("sha256", "str", "", "of its arrays"),
        Column("index", "int", "", "place among the test images", True, _at_least_zero),
        Column("label", "int", "", "the right class", True, lambda value: 0 <= value < MAX_CLASSES),
        Column("pixels", "str", "", "base64: (C, H, W)", True),
    ),
}  # fmt: skip
