"""What every adapter must do, so that one harness can drive, prove and time all of them.

Adapters compute; only the harness times. A timed call (`train`, `train_fed`, `evaluate`, the work of `products` and
`copies`) does no I/O, no logging and no conversion of layouts. What an adapter cannot do it answers with a reason
(`unsupported`). A first adapter, for a CPU and the mode eager, is its names and seven methods: build, set_weights,
get_weights, put, step, gradients and evaluate. All others have a default that is right and takes its time; override
one, at the place that it has here, where the framework differs or is faster by it.

A worker's variables are those of benchmarks/machine/environments.py: PATH, HOME, TMPDIR and the like from outside, a
fixed PYTHONPATH and PYTHONHASHSEED, the CUDA_VISIBLE_DEVICES of its device, and OMP_NUM_THREADS,
OPENBLAS_NUM_THREADS, MKL_NUM_THREADS and NUMEXPR_NUM_THREADS, all of them the threads of its cell; then what records
in registry.py add (`variables`, `thread_variables`). None of its user's other settings gets there. What a framework
reads when it is imported its module sets before, by os.environ.setdefault. In a timed launch TMPDIR and XDG_CACHE_HOME
are an empty folder, so that no kernel that an earlier launch compiled is found again: an adapter turns on no cache
anywhere else.

Needs the standard library and NumPy alone, because workers import it.
"""

from __future__ import annotations

import itertools
import math
import operator
import os
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from adapters.declaration import Model, Recipe
from adapters.weights import Weights

Array = npt.NDArray[Any]
# Goes up when adapters of before cannot be driven any more: a module moved, a method changed. `run --against` asks.
CONTRACT_VERSION = 5
MODES = ("eager", "compiled", "fused")
DTYPES = ("float32", "float64", "tf32", "bfloat16", "float16")
NARROW = ("bfloat16", "float16")  # mixed precision: matrix products and convolutions have operands of this type
INPUTS = ("preloaded", "host")
# float16 ends at 6e-8, and a gradient of the mean over a batch is far smaller than 1. A power of two is exact; this
# one leaves a factor of 64 above gradients of 1 and reaches what is 6e-11. Gradients are unscaled before the update.
LOSS_SCALE = 2.0**10


def storage(dtype: str) -> str:
    """Return the type of all arrays of a cell: weights, optimiser's state, batches, losses and outputs."""
    return "float64" if dtype == "float64" else "float32"


class ContractError(RuntimeError):
    """An adapter built something other than what was declared; the message names both."""


class Unsupported(ValueError):
    """A network, loss or optimiser that an adapter has no way to build, though others have; the message says what."""


@dataclass
class Preloaded:
    """Batches that lie on the device in order, in whatever layout the adapter finds fastest.

    `images` and `labels` are the adapter's own (a list of batches, or one stacked array). `losses` holds the
    loss last seen on each batch, NaN where there was none yet: a list, or what the adapter keeps instead.
    """

    images: Any
    labels: Any
    steps: int
    losses: Any = None

    def __post_init__(self) -> None:
        if self.losses is None:
            self.losses = [math.nan] * self.steps


@dataclass
class Feed:
    """An endless stream of an adapter's own batches, gathered from host memory while training goes on.

    `batches` iterates over them; batch `taken % steps` comes next. `losses` holds the loss last seen on each of the
    `steps` batches, as in Preloaded.
    """

    batches: Any
    steps: int
    losses: Any = None
    taken: int = 0

    def __post_init__(self) -> None:
        if self.losses is None:
            self.losses = [math.nan] * self.steps

    def close(self) -> None:
        """End whatever gathers in the background, which ends with its iterator; the feed is of no use afterwards."""
        self.batches = None


class DeviceTimer:
    """The device's own clock, read by two events that lie in its queue as work does.

    `event` makes one: it has `record()`, and `elapsed_time(later)` in milliseconds, as CUDA's have.
    """

    def __init__(self, event: Callable[[], Any]) -> None:
        self.begin, self.end = event(), event()

    def start(self) -> None:
        """Note in the queue that what follows begins."""
        self.begin.record()

    def stop(self) -> None:
        """Note in the queue that what went before is all."""
        self.end.record()

    def seconds(self) -> float:
        """Return the seconds between both notes; only after a synchronisation."""
        return float(self.begin.elapsed_time(self.end)) / 1e3


def _processor() -> str:
    """Return the name of what frameworks call their CPU device."""
    return platform.processor() or platform.machine()


def _leaves(tree: Any) -> Iterator[Any]:
    """Yield the arrays in lists and tuples; None is no array."""
    if isinstance(tree, list | tuple):
        for branch in tree:
            yield from _leaves(branch)
    elif tree is not None:
        yield tree


def chain(
    operation: Callable[[Any, Any], Any], first: Any, others: Sequence[Any] = (None, None)
) -> Callable[[int], list[Any]]:
    """Return work(count), as Adapter.products wants it: `count` times operation(result before, other).

    The operation returns its result; the two others take turns. So it may write its result into the other.
    """

    def work(count: int) -> list[Any]:
        result = first
        for index in range(count):
            result = operation(result, others[index % 2])
        return [result]

    return work


class Adapter(ABC):
    """One declared recipe, built by one framework on one device in one mode and dtype.

    `precision` is the dtype asked for, `dtype` the type of all arrays (storage), `operands` that of what products
    multiply. TF32 is allowed in the precision tf32 and nowhere else. In a narrow one products of matrices and
    convolutions round their operands and may round their result; weights, optimiser's state, loss and update do not.
    """

    framework: ClassVar[str]
    version: ClassVar[str]
    calls_are_whole: ClassVar[bool] = False  # a call of train costs something besides its steps: a chunk is one call

    def __init__(self, recipe: Recipe, device: str = "cpu", mode: str = "eager", dtype: str = "float32") -> None:
        """Build the network; ContractError if it is not the declared one, Unsupported or ValueError if it cannot be."""
        reason = self.unsupported(device, mode, dtype)
        if reason:
            raise ValueError(f"{self.framework} cannot run {mode} {dtype} on {device}: {reason}")
        self.recipe, self.device, self.mode = recipe, device, mode
        self.precision, self.dtype = dtype, storage(dtype)
        self.operands = dtype if dtype in NARROW else self.dtype
        self.loss_scale = LOSS_SCALE if dtype == "float16" else 1.0
        self.rate = recipe.schedule.rate(recipe.optimiser, 0)
        self.step_count = 0  # optimiser steps since set_weights, for adapters that count: Adam's t is this plus one
        self.build()
        self.check_shapes()

    def check_shapes(self) -> None:
        """Compare what the framework built with the declaration: names, order, shapes, count."""
        declared = {parameter.name: parameter.shape for parameter in self.recipe.model.arrays()}
        built = {name: tuple(array.shape) for name, array in self.get_weights().items()}
        if list(built.items()) != list(declared.items()):
            raise ContractError(f"{self.framework} built {built}, model {self.recipe.model.name!r} declares {declared}")

    def named(self, arrays: Iterable[Array]) -> Weights:
        """Return copies by name: of the parameters' arrays or their gradients', in the declaration's order.

        After the parameters the model's statistics may follow, where it has some.
        """
        given = list(arrays)
        learnt, all_arrays = self.recipe.model.parameters(), self.recipe.model.arrays()
        pairs = zip(learnt if len(given) == len(learnt) else all_arrays, given, strict=True)
        return {parameter.name: np.array(array, order="C") for parameter, array in pairs}

    # What there is

    @classmethod
    def versions(cls) -> dict[str, str]:
        """Return versions by package; the framework's own name is among them."""
        return {cls.framework: cls.version, "numpy": np.__version__, "python": platform.python_version()}

    @classmethod
    def devices(cls) -> dict[str, str]:
        """Return what this framework sees here: `cpu`, `gpu` to the device's name."""
        card = cls.card()
        return {"cpu": _processor()} | ({"gpu": card} if card else {})

    @classmethod
    def card(cls) -> str | None:
        """Return the name of the GPU that this framework sees here, None where it sees none."""
        return None

    @classmethod
    def kernels(cls) -> str:
        """Return which kernels it chose for the processor, in its own words; empty where it does not say."""
        return ""

    @classmethod
    def set_threads(cls, threads: int) -> int:
        """Ask the framework for `threads` threads, before its first computation; return how many it computes with.

        That is what it says, or what is known of it, and not what was asked for: where a framework cannot obey, return
        what it takes instead (1 where it has one thread), and the row gets the flag thread_mismatch. The default is
        that of a framework whose libraries read the worker's variables when they are loaded.
        """
        return int(os.environ.get("OMP_NUM_THREADS", threads))

    @classmethod
    def unsupported(cls, device: str, mode: str, dtype: str, input: str = "preloaded") -> str | None:
        """Return why this combination cannot run, or None if it can; where host cannot, preloaded may."""
        if dtype == "tf32" and device == "cpu":
            return "TF32 is a number format of NVIDIA's tensor cores, a CPU has none"
        return cls.missing(device, mode, dtype, input)

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        """Return why this framework cannot run a combination, or None if it can; TF32 on a CPU never comes here.

        Eager on a CPU in float32 is there in every framework: what is asked about a framework, not about a mode, is
        asked of eager: a step as the user has it who asks for no compiler. So is float64, which the proof needs. Where
        a framework computes some of it in float32, say so here: it is then verified in float32 only.
        """
        if device != "cpu":
            return f"the adapter of {cls.framework} computes on a CPU alone"
        if dtype in NARROW:
            return f"the adapter of {cls.framework} has no products of {dtype}"
        return None if mode == "eager" else f"the adapter of {cls.framework} has no mode {mode}"

    @classmethod
    def recommended_mode(cls, model: Model, device: str, input: str = "preloaded") -> str:
        """Return the mode an expert would use for this model on this device, its batches coming by this input."""
        return "eager"

    # The network

    @abstractmethod
    def build(self) -> None:
        """Make the declared layers, loss and optimiser; leave the weights to set_weights.

        get_weights answers from here on: the constructor compares its shapes with the declaration.
        """

    @abstractmethod
    def set_weights(self, weights: Weights) -> None:
        """Copy canonical arrays (by name: parameters and statistics) to the device and forget the optimiser's state.

        They may be of another float type than self.dtype. It is called between timed chunks: nothing is compiled anew.
        """

    @abstractmethod
    def get_weights(self) -> Weights:
        """Return canonical copies by name, in the order of Model.arrays(): parameters, then statistics."""

    def snapshot(self) -> Callable[[], Weights]:
        """Copy the weights on the device, after the work asked for so far; return what fetches them as get_weights.

        Stands inside timed work: it waits for nothing and copies nothing to the host, where the framework can do
        without. The default does both.
        """
        copies = self.get_weights()
        return lambda: copies

    def set_rate(self, rate: float) -> None:
        """Use this learning rate from the next step on."""
        self.rate = rate

    # The work

    @abstractmethod
    def put(self, images: Array, labels: Array) -> Preloaded:
        """Place batches on the device: images (S, B, C, H, W) in self.dtype, labels (S, B) int64.

        Of any S, B, C, H and W: the last batch of an epoch is smaller. Both arrays are the adapter's to keep; others
        may hold them, too, so that it writes to neither.
        """

    def train(self, preloaded: Preloaded, first: int, count: int) -> None:
        """Take `count` optimiser steps on batches first, first+1, ..., wrapping round; may return early."""
        for index in range(first, first + count):
            index %= preloaded.steps
            preloaded.losses[index] = self.step(preloaded.images[index], preloaded.labels[index])

    def feed(self, images: Array, labels: Array, order: Array) -> Feed:
        """Stream batches from host memory: images (N, C, H, W) in self.dtype, labels (N,) int64, order (S, B) int64.

        Batch i, from 0 without end, holds the samples order[i % S]. The first may be prepared at once. ValueError
        where this mode cannot be fed. The default gathers and puts each batch when its step is to be taken.
        """
        if reason := self.unsupported(self.device, self.mode, self.precision, "host"):
            raise ValueError(reason)
        one_by_one = (self.put(images[rows][None], labels[rows][None]) for rows in itertools.cycle(order))
        return Feed(((placed.images[0], placed.labels[0]) for placed in one_by_one), len(order))

    def train_fed(self, feed: Feed, count: int) -> None:
        """Take `count` optimiser steps on the feed's next batches; may return early."""
        for images, labels in itertools.islice(feed.batches, count):
            feed.losses[feed.taken % feed.steps] = self.step(images, labels)
            feed.taken += 1

    @abstractmethod
    def step(self, images: Any, labels: Any) -> Any:
        """Take one optimiser step on one of put's or the feed's batches; return its loss before the update.

        It moves the statistics, too: only a step does.

        train and train_fed loop over it, except where an adapter's mode has a loop of its own. float() of the loss
        may wait for the device; step may return early. The loss is read after later steps: none of them writes to it.
        """

    def losses(self, batches: Preloaded | Feed) -> npt.NDArray[np.float64]:
        """Return the loss last seen on each batch, (S,), before that step's update; waits for the device."""
        return np.array([float(loss) for loss in batches.losses])

    @abstractmethod
    def gradients(self, preloaded: Preloaded, index: int) -> Weights:
        """Return canonical gradients of batch `index` at the present weights, which stay; never timed.

        Nor do the optimiser's state and the statistics change. They are computed by the very function that training
        differentiates with in this mode. Where training is compiled, with the update, into one program that shows no
        gradients, they come from the same function of loss compiled in the same way without the update; never from
        another mode.
        """

    @abstractmethod
    def evaluate(self, preloaded: Preloaded, first: int, count: int) -> Any:
        """Compute the outputs of batches first .. first+count-1, no wrapping, left on the device; may return early.

        They are the last layer's, at the weights and statistics that the work asked for so far leads to, by the running
        mean and variance of a BatchNorm. They are good as long as
        somebody holds them, whatever is asked for meanwhile: several calls' may be pending at once, and the last one's
        are fetched after more work. Where the framework writes to the same memory again, copy.
        """

    def fetch(self, outputs: Any) -> Array:
        """Copy what evaluate returned to the host, (count * B, outputs), a product or a copy, in self.dtype.

        A list of arrays on the device, joined along their first axis; by default each as NumPy converts it.
        """
        return np.concatenate([np.asarray(output) for output in outputs]).astype(self.dtype, copy=False)

    def products(self, left: Array, right: Array) -> Callable[[int], Any]:
        """Place two square arrays (N, N) on the device; return work(count): `count` products, one after another.

        It computes left @ right, that @ right, and so on, so that no product can be left out, moved out of a loop or
        overlap the next. It may return early; what it returns goes to synchronise and fetch, holds the last product
        alone, and is good until work is called again. Operands and products are of the type self.operands, and TF32
        is what it is in train. The default is for frameworks whose arrays know `@`, and below `-`.
        """
        factor = self.placed(right)
        return chain(operator.matmul, self.placed(left), (factor, factor))

    def copies(self, array: Array) -> Callable[[int], Any]:
        """Place an array (N,) on the device; return work(count): `count` copies, each the negative of the one before.

        So none can be left out or overlap the next. A copy reads N elements and writes N. As products otherwise.
        """
        return chain(lambda last, _: -last, self.placed(array))

    def placed(self, array: Array) -> Any:
        """Return an array on the device by way of put, as a batch of rows; only the defaults of both above need it."""
        rows = array.reshape(1, len(array), 1, 1, -1)
        return self.put(rows, np.zeros(rows.shape[:2], np.int64)).images[0].reshape(array.shape)

    def timer(self) -> DeviceTimer | None:
        """Return what reads the device's own clock; None on a CPU, and where the framework shows no events."""
        return None

    def synchronise(self, pending: Any = None) -> None:
        """Return when all that was asked for is computed: the last update and `pending`, if given.

        `pending` is what evaluate, products or copies returned, or put's images and labels, or a list of them. The
        default copies everything to the host: what is there has been computed. Whoever can wait without copies does.
        """
        self.get_weights()
        for leaf in _leaves(pending):
            self.fetch([leaf])

    def placement(self) -> str:
        """Return where the parameters really are, `cpu` or `gpu`, as the framework itself says."""
        return "cpu"
