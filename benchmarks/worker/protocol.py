"""What the harness and a worker send each other: a type for every message, which both sides check.

A message is a JSON object of exactly the fields of its type; what a type cannot say stands beside it as a check
(Annotated). The bounds of a row's columns are in record/schema.py. Needs the standard library alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired, TypedDict, cast, get_args, get_type_hints

from benchmarks.worker.validate import mistake, positive, shown

Count = Annotated[int, positive]
Rate = Annotated[float, positive]
Device = Annotated[str, lambda value: value in ("cpu", "gpu")]  # a worker sees one card at most
Network = dict[str, object]  # a recipe as networks.declared has it, whole: a worker looks no name up


class CellAxes(TypedDict):
    """A cell of the plan (plan/cells.py)."""

    framework: str
    recipe: str
    dataset: str
    device: Device
    batch_size: Count
    mode: str
    dtype: str
    threads: Count
    input: str
    revision: str


class Plan(TypedDict):
    """What a cell's first launch found and its later launches keep to."""

    chunk_steps: Count
    warm_up_chunks: int
    eval_passes: Count


class _Request(TypedDict):
    adapter: str  # MODULE:CLASS


class CellRequest(_Request):
    """What every task on a cell needs."""

    cell: CellAxes
    network: Network
    data: str  # a folder of prepared arrays
    inputs: str  # a folder that inputs.write_inputs filled


class ProbeRequest(_Request):
    """What can the environment do on a device? `networks` are those of the user's own, whose modes are asked for."""

    task: Literal["probe"]
    device: Device
    networks: list[Network]


class ToProve(TypedDict):
    """A cell to put through the gate; what the reference network finds is kept beside its inputs."""

    cell: CellAxes
    network: Network
    data: str
    inputs: str
    steps: Count


class ProveRequest(_Request):
    """Do cells compute what is declared? They differ in no more than recipe, data, mode and batch size."""

    task: Literal["prove"]
    proofs: list[ToProve]


class SpeedRequest(CellRequest):
    """How fast is a cell? `chunk_s`: how long a timed chunk lasts at least.

    `evidence`: a file (.npz) for what so many of the timed steps started from and led to (replay.py).
    """

    task: Literal["speed"]
    plan: Plan | None
    chunk_s: Rate
    judged_steps: Count
    evidence: str | None


class AccuracyRequest(CellRequest):
    """What does a cell learn? `save`: a file for the weights (.npz); `progress`: a line an epoch before the answer."""

    task: Literal["accuracy"]
    epochs: Count
    evidence: str | None
    save: str | None
    progress: bool


class EvaluateRequest(CellRequest):
    """What are a cell's outputs at each of some weights (.npz)? `outputs`: a file (.npy) for each."""

    task: Literal["evaluate"]
    weights: dict[str, str]
    outputs: dict[str, str]


class ServeRequest(_Request):
    """Hold a network and answer image by image."""

    task: Literal["serve"]
    device: Device
    network: Network
    weights: str
    threads: Count


class _RatesRequest(_Request):
    device: Device
    dtype: str
    threads: Count


class ProductsRequest(_RatesRequest):
    """How fast are products of square matrices of these sizes?"""

    task: Literal["products"]
    sizes: list[Count]


class CopiesRequest(_RatesRequest):
    """How fast are copies in sets of so many bytes?"""

    task: Literal["copies"]
    sets_bytes: list[Count]


class BandwidthRequest(_Request):
    """How fast is NumPy's triad on sets of so many bytes?"""

    task: Literal["bandwidth"]
    threads: Count
    sets_bytes: list[Count]


Request = (
    ProbeRequest
    | ProveRequest
    | SpeedRequest
    | AccuracyRequest
    | EvaluateRequest
    | ServeRequest
    | ProductsRequest
    | CopiesRequest
    | BandwidthRequest
)


class ImageRequest(TypedDict):
    """One image for a worker that serves: base64 of a byte for each pixel, in the order (C, H, W)."""

    image: str


class _Answer(TypedDict):
    status: str
    reason: str
    start_s: NotRequired[float]  # from the start of the process to the worker's first own work
    worker_s: NotRequired[float]  # from there to this answer, by the clock that times


class Libraries(TypedDict):
    """What a framework computes with (libraries.py)."""

    numeric_libraries: list[str]
    openblas_cores: dict[str, str]
    kernels: str
    allocator: str
    denormals: str
    settings: dict[str, str]


class _NoLibraries(TypedDict):
    pass


class ProbeAnswer(_Answer):
    """Versions by package, device names by kind, why `mode dtype input` cannot run, modes by input and model."""

    versions: dict[str, str]
    devices: dict[str, str]
    libraries: Libraries | _NoLibraries
    unsupported: dict[str, str | None]
    recommended: dict[str, dict[str, str]]


class Verdict(TypedDict):
    """What the gate says of one cell (worker/lockstep/prove.py)."""

    lockstep: Literal["pass", "float32 only", "fail"]
    why: str
    steps: Count
    float64_deviation: float | None
    by_step: dict[str, float]
    deviations: dict[str, float | None]
    oracle_sha256: str


class ProveAnswer(_Answer):
    """The verdicts in the order of the request's proofs."""

    verdicts: list[Verdict]


class _CellAnswer(_Answer):
    framework_version: str
    flags: list[str]
    import_s: NotRequired[float]
    build_s: NotRequired[float]
    cpu_s: NotRequired[float]
    peak_rss_bytes: NotRequired[int]


class SpeedAnswer(_CellAnswer):
    """A row's measured columns; record/schema.py has their units and bounds."""

    chunk_steps: int
    warm_up_chunks: int
    eval_passes: int
    train_samples_per_s: float
    eval_samples_per_s: float
    train_chunk_s: NotRequired[list[float]]
    train_chunk_device_s: NotRequired[list[float] | None]
    train_timed_between_s: NotRequired[list[float]]
    step_latency_p50_s: NotRequired[float | None]
    step_latency_p95_s: NotRequired[float | None]
    step_latency_p99_s: NotRequired[float | None]
    latency_steps: NotRequired[int]
    dispatch_s: NotRequired[float]
    placing_s: NotRequired[float]
    first_step_s: NotRequired[float]
    first_eval_s: NotRequired[float]
    warm_up_s: NotRequired[float]
    timed_s: NotRequired[float]
    cpu_per_wall: NotRequired[float]
    threads_computing: NotRequired[int]
    stolen_share: NotRequired[float]
    foreign_share: NotRequired[float]
    cpu_throttled_s: NotRequired[float | None]
    train_chunk_cpu_s: NotRequired[list[float]]
    train_chunk_stolen_s: NotRequired[list[float]]
    train_chunk_pressure_s: NotRequired[list[float] | None]
    train_chunk_switches: NotRequired[list[float]]


class AccuracyAnswer(_CellAnswer):
    """A row's columns on accuracy and loss; record/schema.py has their units and bounds."""

    accuracy: float
    epochs: int
    loss: NotRequired[float]
    train_accuracy: NotRequired[float]
    confusion: NotRequired[list[int]]
    mistakes: NotRequired[list[int]]
    mistakes_read_as: NotRequired[list[int]]
    accuracy_by_epoch: NotRequired[list[float]]
    loss_by_epoch: NotRequired[list[float]]
    train_loss_by_epoch: NotRequired[list[float]]
    seconds_by_epoch: NotRequired[list[float]]
    accuracy_target: NotRequired[float | None]
    time_to_accuracy_s: NotRequired[float | None]
    placing_s: NotRequired[float]


class ServingAnswer(_Answer):
    """The line that says that a worker is warm: its mode, its framework's version."""

    mode: str
    version: str


class ServedAnswer(_Answer):
    """The line about one image: the network's outputs, (K,), and the seconds that they took."""

    outputs: list[float]
    seconds: Rate


class Product(TypedDict):
    """Products of one size, or why it was skipped."""

    size: Count
    skipped: NotRequired[str]
    flops_per_s: NotRequired[Rate]
    median_flops_per_s: NotRequired[Rate]
    repeats: NotRequired[Count]
    chunk_products: NotRequired[Count]
    cpu_per_wall: NotRequired[float]


class SetRate(TypedDict):
    """The bytes of one working set, and how many are moved in a second."""

    set_bytes: Count
    bytes_per_s: Rate


class ProductsAnswer(_Answer):
    """The products in the order of the request's sizes."""

    framework_version: str
    flags: list[str]
    sizes: Annotated[list[Product], bool]  # at least one


class CopiesAnswer(_Answer):
    """The copies in the order of the request's sets."""

    framework_version: str
    flags: list[str]
    sets: Annotated[list[SetRate], bool]


class BandwidthAnswer(_Answer):
    """The triads in the order of the request's sets."""

    sets: Annotated[list[SetRate], bool]


class Progress(TypedDict):
    """A line before an accuracy launch's answer: the epoch's number from 1, its figures, the seconds so far."""

    epoch: Count
    train_loss: float
    accuracy: float
    loss: float
    seconds: float


REQUESTS: dict[str, type] = {get_args(get_type_hints(kind)["task"])[0]: kind for kind in get_args(Request)}
ANSWERS: dict[str, type] = {  # by task; `serving` and `served` are lines before the answer to `serve`
    "probe": ProbeAnswer,
    "prove": ProveAnswer,
    "speed": SpeedAnswer,
    "accuracy": AccuracyAnswer,
    "evaluate": _CellAnswer,
    "serve": _Answer,
    "serving": ServingAnswer,
    "served": ServedAnswer,
    "products": ProductsAnswer,
    "copies": CopiesAnswer,
    "bandwidth": BandwidthAnswer,
}


class MessageInvalid(ValueError):
    """A message is not of its type; the text names the field."""


def checked_request(request: object) -> Request:
    """Return a request that is of its task's type; MessageInvalid, a whole sentence, for any other."""
    task = request.get("task") if isinstance(request, Mapping) else None
    if not isinstance(task, str) or task not in REQUESTS:
        raise MessageInvalid(f"the request has no valid 'task': {shown(task)}")
    if wrong := mistake(REQUESTS[task], request):
        raise MessageInvalid(f"the request {wrong}")
    return cast(Request, request)


def checked_image(line: object) -> ImageRequest:
    """Return a line to a worker that serves; MessageInvalid, a whole sentence, for any other value."""
    if wrong := mistake(ImageRequest, line):
        raise MessageInvalid(f"the line {wrong}")
    return cast(ImageRequest, line)
