"""The process in which one framework computes: it reads a request, loads the adapter, answers, ends.

supervisor.py starts it as `python -m benchmarks.worker DESCRIPTOR` in the framework's own environment, with the
request as a line of JSON on stdin (protocol.py has the tasks) and the descriptor to answer on. It imports the standard
library, NumPy and that framework.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import itertools
import json
import os
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from adapters import contract
from adapters.contract import DTYPES, INPUTS, MODES, Adapter, Array, ContractError
from adapters.networks import recipe_of
from adapters.recipes import ACCURACY_TARGETS, MODELS
from adapters.registry import load
from benchmarks.worker import clocks as time
from benchmarks.worker import interference, libraries, peak, protocol, timing
from benchmarks.worker.inputs import WRITTEN_TO, Inputs, copied, pixel_values, read_weights, write_weights
from benchmarks.worker.libraries import is_out_of_memory
from benchmarks.worker.lockstep import prove
from benchmarks.worker.speed import dispatch_s, speeds
from benchmarks.worker.train import learn

Answer = dict[str, Any]  # the harness holds it to its type
Measurement = protocol.SpeedRequest | protocol.AccuracyRequest | protocol.EvaluateRequest


def _seconds_since(start_ns: int) -> float:
    """Return the seconds since a reading of perf_counter_ns."""
    return (time.perf_counter_ns() - start_ns) / 1e9


def _since_start(process: int) -> float:
    """Return the seconds since the kernel started a process, to its tick of 10 ms (proc(5), stat, field 22)."""
    started = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")


def _peak_rss_bytes() -> int:
    """Return the largest resident memory since this program was loaded (proc(5), VmHWM).

    getrusage's ru_maxrss begins with what the parent had when it forked: more than a small framework needs.
    """
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024


def _probe(adapter: type[Adapter], request: protocol.ProbeRequest) -> Answer:
    """Return versions, devices, libraries, why a combination cannot run, and the recommended modes."""
    device = request["device"]
    devices = adapter.devices()
    models = MODELS | {recipe.name: recipe.model for recipe in map(recipe_of, request["networks"])}
    return {
        "versions": adapter.versions(),
        "devices": devices,
        "libraries": libraries.facts(adapter, device) if device in devices else {},
        "unsupported": {
            " ".join(combination): adapter.unsupported(device, *combination)
            for combination in itertools.product(MODES, DTYPES, INPUTS)
        },
        "recommended": {
            input: {name: adapter.recommended_mode(model, device, input) for name, model in models.items()}
            for input in INPUTS
        },
    }


def _speed(adapter: Adapter, inputs: Inputs, request: protocol.SpeedRequest) -> Answer:
    """Time one cell; return the row's measured columns and the plan for later launches.

    The first launch of a cell, which has no plan yet, also finds out what a step costs at least.
    """
    cell, plan = request["cell"], request["plan"]
    judged = request["judged_steps"], _evidence(request)
    columns = speeds(adapter, inputs, cell["batch_size"], plan, cell["input"], request["chunk_s"], *judged)
    if cell["device"] == "cpu":
        columns["threads_computing"] = interference.computing(adapter)
    if plan is None:
        columns["dispatch_s"] = dispatch_s(type(adapter), cell["device"], cell["mode"], cell["dtype"])
    return columns


def _evidence(request: protocol.SpeedRequest | protocol.AccuracyRequest) -> Path | None:
    """Return the file that the harness judges a launch by, None where it does not."""
    return None if request["evidence"] is None else Path(request["evidence"])


def _accuracy(adapter: Adapter, inputs: Inputs, request: protocol.AccuracyRequest, channel: int) -> Answer:
    """Train one cell's recipe and evaluate after each epoch; return the row's columns on accuracy and loss.

    The trained weights go to the request's file `save`; with `progress` each epoch's figures precede the answer.
    """
    cell = request["cell"]
    target = ACCURACY_TARGETS.get((cell["recipe"], cell["dataset"]))
    report = partial(_send_progress, channel) if request["progress"] else lambda figures: None
    settings = request["epochs"], target, cell["input"], report, _evidence(request)
    learnt = learn(adapter, inputs, cell["batch_size"], *settings)
    if request["save"] is not None:
        write_weights(Path(request["save"]), adapter.get_weights())
    return learnt


def _send_progress(channel: int, figures: protocol.Progress) -> None:
    """Write an epoch's figures: a line of less than PIPE_BUF, which a pipe takes whole (pipe(7))."""
    os.write(channel, json.dumps(figures).encode() + b"\n")


def _evaluate(adapter: Adapter, inputs: Inputs, request: protocol.EvaluateRequest) -> Answer:
    """Write the outputs on all test images at each of the given `weights` to its file of `outputs`."""
    for name, path in request["weights"].items():
        adapter.set_weights(read_weights(Path(path)))
        stacks = [adapter.put(images, labels) for images, labels in inputs.test(request["cell"]["batch_size"])]
        outputs = [adapter.fetch(adapter.evaluate(stack, 0, stack.steps)) for stack in stacks]
        np.save(request["outputs"][name], np.concatenate(outputs))
    return {}


def _measured(adapter_class: type[Adapter], request: Measurement, import_s: float, channel: int) -> Answer:
    """Build the cell's adapter, do the task with it, and add what is known of every launch."""
    cell = request["cell"]
    granted = adapter_class.set_threads(cell["threads"])
    recipe = recipe_of(request["network"])
    inputs = Inputs.open(Path(request["data"]), Path(request["inputs"]), recipe.pixels, cell["dtype"])

    before = inputs.sha256()
    start = time.perf_counter_ns()
    adapter = adapter_class(recipe, cell["device"], cell["mode"], cell["dtype"])
    adapter.set_weights(copied(inputs.weights))
    adapter.synchronise()
    answer: Answer = {"import_s": import_s, "build_s": _seconds_since(start)}
    if adapter.placement() != cell["device"]:
        raise RuntimeError(f"asked for {cell['device']}, the parameters are on {adapter.placement()}")

    answer |= {"flags": []} | _work(adapter, inputs, request, channel)
    if _mismatch(cell["threads"], granted, answer):
        answer["flags"].append("thread_mismatch")
    answer["framework_version"] = adapter.versions()[adapter.framework]
    answer["cpu_s"] = time.process_time()
    answer["peak_rss_bytes"] = _peak_rss_bytes()
    return answer if inputs.sha256() == before else {"status": "invalid", "reason": WRITTEN_TO}


def _work(adapter: Adapter, inputs: Inputs, request: Measurement, channel: int) -> Answer:
    match request["task"]:
        case "speed":
            return _speed(adapter, inputs, request)
        case "accuracy":
            return _accuracy(adapter, inputs, request, channel)
        case "evaluate":
            return _evaluate(adapter, inputs, request)


def _mismatch(asked: int, granted: int, answer: Answer) -> bool:
    """Return whether the framework has, or computed with, other threads than it was asked to."""
    more = answer.get("cpu_per_wall", 0.0) > 1.05 * asked
    fewer = answer.get("threads_computing", asked) < asked
    return granted != asked or more or fewer


def _prove(adapter_class: type[Adapter], request: protocol.ProveRequest) -> Answer:
    """Put cells through the lockstep gate, one after another."""
    verdicts = []
    known: prove.FreeRuns = {}
    is_numpy = adapter_class.framework == "numpy"  # what is proven computes on as many threads as were asked for
    with contextlib.nullcontext() if is_numpy else libraries.numpy_on_one_thread():
        for one in request["proofs"]:
            cell = one["cell"]
            adapter_class.set_threads(cell["threads"])
            data, inputs = Path(one["data"]), Path(one["inputs"])
            recipe = recipe_of(one["network"])
            verdicts.append(prove.prove(adapter_class, recipe, cell, data, inputs, one["steps"], known))
    return {"verdicts": verdicts}


UNSUPPORTED = getattr(contract, "Unsupported", ())  # adapters of another revision (run --against) may not know it
WARM_UP = 5  # outputs computed before the first that anyone waits for: what compiles or allocates has done so
NO_LABEL = np.zeros((1, 1), np.int64)


def _serve(adapter_class: type[Adapter], request: protocol.ServeRequest, descriptor: int) -> Answer:
    """Answer each line of stdin, an ImageRequest, on a descriptor; return at the end of stdin: see models/remote.py.

    Always a batch of one: a compiling framework would compile again for every other size while a person waits. The
    first line says that the adapter is warm. MessageInvalid for a line that is no request.
    """
    adapter_class.set_threads(request["threads"])
    recipe = recipe_of(request["network"])
    mode = adapter_class.recommended_mode(recipe.model, request["device"])
    adapter = adapter_class(recipe, request["device"], mode, "float32")
    adapter.set_weights(read_weights(Path(request["weights"])))
    values = pixel_values(recipe.pixels, "float32")
    shape = recipe.model.input_shape
    for _ in range(WARM_UP):
        _outputs(adapter, values, np.zeros(shape, np.uint8))
    with open(descriptor, "w", closefd=False) as channel:
        _send(channel, {"mode": mode, "version": adapter.versions()[adapter.framework]})
        for line in sys.stdin:
            pixels = base64.b64decode(protocol.checked_image(json.loads(line))["image"], validate=True)
            start = time.perf_counter_ns()
            found = _outputs(adapter, values, np.frombuffer(pixels, np.uint8).reshape(shape))
            _send(channel, {"outputs": found.tolist(), "seconds": (time.perf_counter_ns() - start) / 1e9})
    return {}


def _outputs(adapter: Adapter, values: Array, image: Array) -> Array:
    """Return the network's outputs, (K,), for one image uint8 (C, H, W): to the device, through it and back."""
    batch = adapter.put(values[image][None, None], NO_LABEL)  # (S, B, C, H, W), S and B are 1
    found: Array = adapter.fetch(adapter.evaluate(batch, 0, 1))[0]
    return found


def _send(channel: IO[str], answer: Answer) -> None:
    """Write one line; ValueError for what is no JSON, such as NaN."""
    channel.write(json.dumps({"status": "ok", "reason": "", **answer}, allow_nan=False) + "\n")
    channel.flush()


def _answer(adapter: type[Adapter], request: protocol.Request, import_s: float, channel: int) -> Answer:
    """Do the request's task; import_s: the seconds that loading the adapter took."""
    match request["task"]:
        case "probe":
            return _probe(adapter, request)
        case "prove":
            return _prove(adapter, request)
        case "speed" | "accuracy" | "evaluate":
            return _measured(adapter, request, import_s, channel)
        case "serve":
            return _serve(adapter, request, channel)
        case "products":
            return peak.sweep(adapter, request)
        case "copies":
            return peak.sweep_copies(adapter, request)
        case "bandwidth":
            return peak.sweep_memory(request)


def _in_adapter(error: Exception) -> str:
    """Return `, at adapters/NAME/layers.py:47 (step)`, the innermost line of an adapter; empty where it has none.

    Empty, too, where an import fails within what an adapter imports: that is not its line's doing.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        adapters, name, file = ("", "", *Path(frame.filename).parts)[-3:]
        if adapters == "adapters":
            return f", at {adapters}/{name}/{file}:{frame.lineno} ({frame.name})"
        if isinstance(error, ImportError):
            return ""
    return ""


def _perform(line: str, channel: int) -> Answer:
    """Do what a line of JSON asks; an exception becomes a status with its reason."""
    start_s = _since_start(os.getppid())  # the supervisor's: this process was forked from it
    start = time.perf_counter_ns()
    framework = ""
    try:
        request = protocol.checked_request(json.loads(line))
        adapter = load(request["adapter"])
        framework = adapter.framework
        answer = _answer(adapter, request, _seconds_since(start), channel)
    except (ContractError, protocol.MessageInvalid, timing.Inconsistent) as error:
        return {"status": "invalid", "reason": str(error)}
    except UNSUPPORTED as error:
        return {"status": "unsupported", "reason": str(error)}
    except Exception as error:  # whatever a framework raises ends this launch and no other
        memory = is_out_of_memory(error, framework)
        reason = f"{type(error).__name__}: {error}{_in_adapter(error)}"
        return {"status": "oom" if memory else "failed", "reason": reason}
    lasted = {"start_s": start_s, "worker_s": _seconds_since(start)}
    return {"status": "ok", "reason": "", **lasted, **answer}  # a task may return a status of its own


def main() -> None:
    """Answer on the descriptor, where nothing that a framework prints can come between."""
    line, descriptor = sys.stdin.readline(), int(sys.argv[1])
    os.set_inheritable(descriptor, False)  # not for programs that the framework starts
    answer = _perform(line, descriptor)
    with os.fdopen(descriptor, "w") as channel:
        try:
            channel.write(json.dumps(answer, allow_nan=False))
        except (TypeError, ValueError) as error:  # NaN, or what is no JSON at all
            channel.write(json.dumps({"status": "invalid", "reason": f"the answer is no JSON: {error}"}))
    _end()


def _end() -> None:
    """End this process once what asked for it at its exit has had its turn.

    To take a framework down, object by object, takes 0.3 s (paddle) to 0.8 s (tensorflow) of CPU time and helps nobody.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
