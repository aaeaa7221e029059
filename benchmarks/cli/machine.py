"""`list` and `describe`: what there is to measure.

Starts micro-benchmarks in a framework's environment; pytest-benchmark keeps what they measure.

`peak`: what the machine can do at most.

`micro`: single calls, timed by pytest-benchmark in each framework's environment.

`check`: what is wrong with this machine and these results, in plain words.

`selfcheck`: known truths put into our own measuring.
"""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from adapters.contract import DTYPES, MODES
from adapters.flops import describe
from adapters.recipes import HEADLINE, MODELS, RECIPES
from adapters.registry import ADAPTERS, CPU_ONLY
from benchmarks import checks, errors
from benchmarks.checks import selfcheck
from benchmarks.checks.finding import LEVELS, Finding
from benchmarks.cli import tables
from benchmarks.cli.tables import as_table
from benchmarks.cli.terminal import Axis, Pythons, Wait, err, out, say
from benchmarks.errors import StorageError, UsageError, plain
from benchmarks.launch import ceilings
from benchmarks.launch.probe import chosen_frameworks, probe_all
from benchmarks.launch.process import on_cpus
from benchmarks.machine import environments, hardware, lock
from benchmarks.machine.hardware import KINDS, Card, can_be_asked, cards, chosen, gpu_name, physical_cpus
from benchmarks.plan.typed import MODE_NAMES, numbers, values


def list_frameworks(python: Pythons = None, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Show frameworks, whether their environments exist, what they see and which modes they have, and the GPUs."""
    environments.override_interpreters(python or [])
    answers = probe_all(list(ADAPTERS), KINDS)
    found = []
    for (name, device), answer in answers.items():
        if name in CPU_ONLY and device == "gpu":
            continue
        reasons: dict[str, Any] = answer.facts.get("unsupported", {})
        modes = [mode for mode in MODES if reasons and reasons[f"{mode} float32 preloaded"] is None]
        found.append(
            {
                "framework": name,
                "device": device,
                "version": answer.version,
                "device_name": answer.facts.get("devices", {}).get(device, ""),
                "modes": modes,
                "recommended": answer.facts.get("recommended", {}).get("preloaded", {}),
                "problem": answer.problem,
            }
        )
    gpus = cards() if can_be_asked() else None
    if as_json:
        known = None if gpus is None else [vars(gpu) for gpu in gpus]
        out.print_json(json.dumps({"frameworks": found, "gpus": known}))
        return
    table = Table("framework", "device", "version", "device name", "modes", "recommended for mlp, lenet", "problem")
    for item in found:
        best = ", ".join(item["recommended"].get(name, "") for name in HEADLINE) if item["recommended"] else ""
        cells = [
            item["framework"],
            item["device"],
            escape(plain(item["version"])),
            escape(plain(item["device_name"])),
            ", ".join(item["modes"]),
            best,
        ]
        table.add_row(*cells, escape(plain(item["problem"])))
    out.print(table)
    if gpus is None:
        out.print("GPUs unknown: this Python has no nvidia-ml-py; rows it measures have no telemetry of a card")
    else:
        out.print(_card_table(gpus) if gpus else "no GPU: NVIDIA's driver shows none here")


def _card_table(gpus: Sequence[Card]) -> Table:
    """Return the GPUs as a table: what to type, and what each is."""
    table = Table("--device", "GPU", "memory GiB", "driver", "compute capability")
    for place, gpu in enumerate(gpus):
        table.add_row(gpu_name(place), gpu.name, f"{gpu.memory_bytes / 2**30:.1f}", gpu.driver, gpu.capability)
    return table


def describe_model(
    model: Annotated[str, typer.Argument(help=", ".join(MODELS))],
    batch_size: Annotated[int, typer.Option(min=1)] = 1,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Show each layer's weight shape, parameters, output shape and FLOPs, and the totals."""
    [name] = values([model], [], list(MODELS), "model")
    described = describe(RECIPES[name], batch_size)
    if as_json:
        print(json.dumps(described, indent=2))  # noqa: T201  # for programs: no wrapping, no colours
    else:
        out.print(as_table(described))


CALL_KINDS = ("step", "evaluate", "put", "dispatch")
MICRO_RESULTS = environments.ROOT / "results" / "micro"
FILE = "benchmarks/worker/micro/test_calls.py"
COLUMNS = "min,median,iqr,outliers,rounds,iterations"


@dataclass(frozen=True)
class Micro:
    """One process to come: `axes` maps options of worker/micro/conftest.py to their values, `max_time_s` of each."""

    framework: str
    device: str
    threads: int
    kinds: Sequence[str]
    axes: Mapping[str, Sequence[object]]
    max_time_s: float
    folder: Path

    def options(self) -> list[str]:
        """Return what pytest is given.

        Files are saved under pytest-benchmark's own numbers, so that `pytest-benchmark compare` finds earlier ones.
        """
        return [
            *("-p", "no:cacheprovider", "--quiet", "--disable-warnings"),  # as in a sweep, whose workers are not heard
            *(f"{FILE}::test_{kind}" for kind in self.kinds),
            *(f"--framework={self.framework}", f"--device={self.device}", f"--threads={self.threads}"),
            *(f"--{name}={','.join(map(str, values))}" for name, values in self.axes.items()),
            *(f"--benchmark-max-time={self.max_time_s:g}", f"--benchmark-columns={COLUMNS}", "--benchmark-sort=name"),
            f"--benchmark-storage=file://{self.folder.resolve()}",
            f"--benchmark-save={self.framework}-{self.device}-{self.threads}",
        ]

    def run(self) -> int:
        """Run it on the CPUs and with the variables that a sweep's worker has; return pytest's exit code.

        What it prints goes where ours goes. StorageError if the folder cannot be made.
        """
        python = environments.interpreter(self.framework, self.device)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot make the results folder {self.folder}: {error.strerror}") from error
        command = [str(python), "-m", "pytest", *self.options()]
        with on_cpus(physical_cpus()[: self.threads]):
            variables = environments.variables(self.threads)
            return subprocess.run(command, env=variables, cwd=environments.ROOT, check=False).returncode


def machine_peak(
    framework: Annotated[list[str] | None, typer.Option(help="default: all; rows take only a peak of all")] = None,
    dtype: Axis = None,
    threads: Annotated[list[str] | None, typer.Option(help="default: all physical cores")] = None,
    device: Axis = None,
    sizes: Annotated[list[str] | None, typer.Option(help="N of N x N; rows take only a peak of the default's")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="measure anew what is kept")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    python: Pythons = None,
    wait: Wait = True,
) -> None:
    """Measure what the machine can do at most: products of matrices in every framework, memory's bandwidth.

    Kept for later runs, whose rows then have an MFU. Exit code 1 when a framework fails, 75 when another process
    measures (with --no-wait).
    """
    environments.override_interpreters(python or [])
    devices, dtypes = chosen(device), values(dtype, ["float32"], DTYPES, "dtype")
    frameworks, cores = chosen_frameworks(framework, devices), len(physical_cpus())
    counts = numbers(threads, [cores], "--threads", cores)
    edges = sorted(numbers(sizes, ceilings.SIZES, "--sizes", 1 << 14))
    points = [ceilings.Point(*axes) for axes in itertools.product(devices, dtypes, counts)]
    memories = [point for point in points if point.dtype == dtypes[0] and ceilings.can_be_measured(point.device)]
    with lock.machine_lock(f"the machine's peak in {', '.join(frameworks)}", wait, say):
        peaks = [ceilings.measured_peak(point, _able(frameworks, point.device), edges, fresh, say) for point in points]
        speeds = [ceilings.measured_bandwidth(point, fresh, say) for point in memories]
    if as_json:
        about = {"machine": hardware.facts(), "machine_kind": hardware.fingerprint()}
        print(json.dumps({**about, "peaks": peaks, "bandwidths": speeds}, indent=1))  # noqa: T201
    else:
        for table in tables.peaks(peaks, speeds):
            out.print(table)
    fine = all(part["complete"] for part in peaks) and all(part["status"] == "ok" for part in speeds)
    raise typer.Exit(0 if fine else 1)


def _able(frameworks: Sequence[str], device: str) -> list[str]:
    """Return those of the frameworks that have an environment for this device."""
    there = ceilings.available_frameworks(device)
    return [name for name in frameworks if name in there]


def micro_benchmarks(
    framework: Axis = None,
    model: Annotated[list[str] | None, typer.Option(help="default: mlp, lenet")] = None,
    batch_size: Annotated[list[str] | None, typer.Option(help="default 100")] = None,
    mode: Annotated[list[str] | None, typer.Option(help="default: each adapter's recommended mode")] = None,
    dtype: Axis = None,
    device: Axis = None,
    threads: Annotated[list[str] | None, typer.Option(help="default: all physical cores")] = None,
    kind: Annotated[list[str] | None, typer.Option(help=f"default: {', '.join(CALL_KINDS)}")] = None,
    max_time: Annotated[float, typer.Option(min=0.01, help="seconds that each benchmark is timed")] = 1.0,
    results: Annotated[Path, typer.Option(help="folder for pytest-benchmark's JSON")] = MICRO_RESULTS,
    wait: Wait = True,
) -> None:
    """Time single calls with pytest-benchmark, one process per framework, device and number of threads.

    Proves nothing, `lockstep` does that. Exit code: 0 all ok, 1 some not, 2 usage, 74 results cannot be written,
    75 another process measures (with --no-wait), 130, 143, 129 interrupted by Ctrl-C, SIGTERM, SIGHUP.
    """
    devices = chosen(device)
    frameworks, cores = chosen_frameworks(framework, devices), len(physical_cpus())
    kinds = values(kind, CALL_KINDS, CALL_KINDS, "kind")
    axes: dict[str, Sequence[object]] = {
        "model": values(model, HEADLINE, list(MODELS), "model"),
        "batch-size": numbers(batch_size, [100], "--batch-size", 1 << 20),
        "mode": values(mode, ["recommended"], MODE_NAMES, "mode"),
        "dtype": values(dtype, ["float32"], DTYPES, "dtype"),
    }
    processes = itertools.product(frameworks, devices, numbers(threads, [cores], "--threads", cores))
    failed = []
    with lock.machine_lock(f"single calls in {', '.join(frameworks)}", wait, say):
        for process in processes:
            if code := Micro(*process, kinds, axes, max_time, results).run():
                failed.append(f"{process[0]} on {process[1]} ({code})")
    if failed:
        err.print(f"pytest did not end well: {', '.join(failed)}", style="red", highlight=False, soft_wrap=True)
    out.print("a table of what is kept: python -m report micro", highlight=False)
    raise typer.Exit(1 if failed else 0)


STYLES = dict(zip(LEVELS, ("green", "cyan", "yellow", "red"), strict=True))
RESULTS = environments.ROOT / "results"


def check_up(
    results: Annotated[Path, typer.Option(help="folder that holds the rows")] = RESULTS,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Say what is wrong with this machine and these results, and what to do; changes nothing, needs no network.

    Exit code: 0 no error, 1 an error, 2 usage.
    """
    if results != RESULTS and not results.is_dir():
        raise UsageError(f"--results {results}: no such folder; leave it out for the checkout's own")
    found = []
    for section, findings in checks.run(results):
        found += [{"section": section, **asdict(finding)} for finding in findings]
        if not as_json:
            _show(section, findings)
    if as_json:
        print(json.dumps(found, indent=1))  # noqa: T201  # for programs: no wrapping, no colours
    else:
        counts = {level: sum(item["level"] == level for item in found) for level in LEVELS}
        out.print(", ".join(f"{count} {level}" for level, count in counts.items()), highlight=False)
    raise typer.Exit(1 if any(item["level"] == "error" for item in found) else 0)


def _show(section: str, findings: list[Finding]) -> None:
    """Print a section: a line a finding, below it what to do next."""
    out.print(f"[bold]{section}[/bold]", highlight=False)
    for finding in findings:
        level = f"[{STYLES[finding.level]}]{finding.level:8}[/]"
        words = escape(errors.plain(f"{finding.what}: {finding.found}"))
        out.print(f"  {level}{words}", highlight=False, soft_wrap=True)
        if finding.advice:
            out.print(f"          → {escape(errors.plain(finding.advice))}", highlight=False, soft_wrap=True)


def check_measuring(
    only: Annotated[list[str] | None, typer.Option(help=", ".join(selfcheck.NAMES))] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
    wait: Wait = True,
) -> None:
    """Put known truths into the measuring and hold what comes out to bounds.

    Exit code 1 when one does not hold, 75 when another process measures (with --no-wait).
    """
    names, found = values(only, selfcheck.NAMES, selfcheck.NAMES, "check"), []
    with lock.machine_lock("its own measuring", wait, say):
        for check in selfcheck.run(names):
            found.append(check)
            say(f"{check.name}: {check.what}: {check.found}")
    if as_json:
        print(json.dumps([vars(check) for check in found], indent=1))  # noqa: T201
    else:
        out.print(tables.checked(found))
    raise typer.Exit(0 if all(check.passed for check in found) else 1)
