"""One record a framework: what all others of ours must know of it, so that nothing else names it.

Lists of frameworks, colours, patterns and packages derive from these records, and tests name a line that another file
is missing. Nothing is imported until it is asked for: a worker of one framework's environment can import no other, and
any Python reads this file, since it needs no more than the standard library.

An arm is a framework as it is measured beside itself: another release, such as `jax@0.7.2`, or a wrapper around it,
such as `jax@keras-fit`. It is named wherever a framework is.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the contract needs NumPy
    from adapters.contract import Adapter


@dataclass(frozen=True)
class Look:
    """How a framework is drawn: a colour (sRGB), a marker and a dash in Vega's notation, the marker as a character.

    Each of the four differs from every other framework's.
    """

    colour: str
    shape: str
    dash: tuple[float, ...]
    sign: str


STAR = "M0-1L.24-.32.95-.31.38.12.59.81 0 .4-.59.81-.38.12-.95-.31-.24-.32Z"  # a path, as Vega takes, too
BLACK = "currentColor"  # the page's own text colour: one drawing serves light and dark
OTHER = Look("#56B4E9", "triangle-left", (), "◀")  # of a framework that no record names


@dataclass(frozen=True)
class SystemPackage:
    """What a framework needs of the system: Debian's name of a package, and a program by which it is found."""

    name: str
    program: str


@dataclass(frozen=True)
class Framework:
    """What is known of a framework without importing it; a field that is left out holds for most."""

    adapter: str  # module:Class
    look: Look = OTHER
    devices: tuple[str, ...] = ("cpu", "gpu")  # kinds that there is a build for at all
    distributions: tuple[str, ...] = ()  # its names on the package index, where they are not its import name
    out_of_memory: tuple[str, ...] = ()  # how it says so, where it raises no MemoryError: regular expressions
    system_packages: tuple[SystemPackage, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)  # that its workers have besides
    thread_variables: tuple[str, ...] = ()  # that get the number of threads besides those of every worker
    max_threads: int | None = None  # that it can compute with; None: no bound
    in_default: bool = True  # whether it is measured where no framework is named


FRAMEWORKS = {
    "torch": Framework(
        "adapters.torch:TorchAdapter",
        Look("#D55E00", "circle", (), "●"),
        out_of_memory=(
            r"CUDA out of memory\.",  # https://docs.pytorch.org/docs/stable/notes/faq.html
            r"DefaultCPUAllocator: (can't allocate|not enough) memory",  # https://github.com/pytorch/pytorch/pull/20618
            r"CUDA error: out of memory",
        ),
    ),
    "tensorflow": Framework(
        "adapters.tensorflow:TensorflowAdapter",
        Look("#E69F00", "square", (8, 2), "■"),
        distributions=("tensorflow", "tensorflow-cpu"),
        out_of_memory=(
            r"OOM when allocating tensor",  # tf.errors.ResourceExhaustedError; tensorflow/core/framework/op_kernel.cc
            r"RESOURCE_EXHAUSTED: (Out of memory|Failed to allocate)",  # from XLA, as in jax
        ),
        variables={"TF_CPP_MIN_LOG_LEVEL": "2"},
    ),
    "paddle": Framework(
        "adapters.paddle:PaddleAdapter",
        Look("#0072B2", "triangle-up", (6, 2, 2, 2), "▲"),
        distributions=("paddlepaddle", "paddlepaddle-gpu"),
        out_of_memory=(
            r"Out of memory error on GPU",  # https://github.com/PaddlePaddle/Paddle/pull/19779
            r"Fail to alloc memory of \d+ size",  # https://github.com/PaddlePaddle/PaddleOCR/issues/2656
        ),
        variables={"GLOG_minloglevel": "2"},  # it announces its executor otherwise
    ),
    "mxnet": Framework(
        "adapters.mxnet:MxnetAdapter",
        Look("#009E73", "diamond", (3, 2), "◆"),
        distributions=("mxnet", "mxnet-cu112"),
        out_of_memory=(
            r"cudaMalloc (retry )?failed: out of memory",  # https://github.com/apache/mxnet/issues/16803
            r"Failed to allocate CPU Memory",  # src/storage/cpu_device_storage.h
        ),
    ),
    "jax": Framework(
        "adapters.jax:JaxAdapter",
        Look("#CC79A7", "triangle-down", (11, 2, 2, 2), "▼"),
        out_of_memory=(
            r"RESOURCE_EXHAUSTED: (Out of memory|Failed to allocate)",  # https://github.com/jax-ml/jax/issues/13428
        ),
    ),
    "numpy": Framework("adapters.numpy:NumpyAdapter", Look(BLACK, "cross", (1.5, 2), "✚"), devices=("cpu",)),
    "tinygrad": Framework(
        "adapters.tinygrad:TinygradAdapter",
        Look("#8C6D31", STAR, (2, 4), "★"),
        devices=("cpu",),
        out_of_memory=(r"\[Errno 12\] Cannot allocate memory",),  # of mmap, by which its CPU device allocates
        system_packages=(SystemPackage("clang", "clang"),),
        max_threads=1,
        in_default=False,
    ),
    "mlx": Framework(
        "adapters.mlx:MlxAdapter",
        Look("#8055B0", "triangle-right", (2, 2, 8, 2), "▶"),
        devices=("cpu",),  # mlx-cpu; for Metal and CUDA there are others
        distributions=("mlx", "mlx-cpu"),
        system_packages=(SystemPackage("g++", "g++"),),  # mx.compile
        max_threads=1,
        in_default=False,
    ),
}


@dataclass(frozen=True)
class Wrapper:
    """What trains by a framework in place of a loop of one's own, and has its cost: a trainer, a `fit`."""

    adapter: str  # module:Class
    packages: tuple[str, ...] = ()  # pinned, besides the framework's; where there are none its environment serves


WRAPPERS = {  # by arm
    "torch@keras-fit": Wrapper("adapters.wrappers.keras_torch:KerasOnTorch", ("keras==3.15.1",)),
    "torch@lightning": Wrapper("adapters.wrappers.lightning:LightningFit", ("pytorch-lightning==2.6.6",)),
    "tensorflow@keras-fit": Wrapper("adapters.wrappers.keras_tensorflow:KerasOnTensorflow"),
    "paddle@model-fit": Wrapper("adapters.wrappers.paddle:ModelFit"),
    "mxnet@trainer": Wrapper("adapters.wrappers.gluon:GluonTrainer"),
    "jax@keras-fit": Wrapper("adapters.wrappers.keras_jax:KerasOnJax", ("keras==3.15.1",)),
}


_UNKNOWN = Framework("")
LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,19}")  # of an arm: its environment's folder is called so


def framework_of(arm: str) -> str:
    """Return the framework that an arm is of: jax of `jax@0.7.2`, of `jax@keras-fit`, and of `jax`."""
    return arm.partition("@")[0]


def is_arm(name: str) -> bool:
    """Return whether a name is FRAMEWORK@LABEL, of a framework that there is a record of."""
    framework, at, label = name.partition("@")
    return framework in FRAMEWORKS and bool(at) and LABEL.fullmatch(label) is not None


def record(arm: str) -> Framework:
    """Return what is known of a framework, or of an arm's; of an unknown one what holds for most."""
    found = FRAMEWORKS.get(framework_of(arm), _UNKNOWN)
    return replace(found, adapter=WRAPPERS[arm].adapter, devices=("cpu",)) if arm in WRAPPERS else found


def environment_of(arm: str) -> str:
    """Return the framework or arm whose environment serves an arm: its own, or its framework's where that has all."""
    return framework_of(arm) if arm in WRAPPERS and not WRAPPERS[arm].packages else arm


def default_frameworks() -> list[str]:
    """Return the frameworks that are measured where none is named."""
    return [name for name, framework in FRAMEWORKS.items() if framework.in_default]


def distributions(package: str) -> tuple[str, ...]:
    """Return the names under which a lock may pin a package that is known by its import name."""
    return record(package).distributions or (package,)


def load(target: str) -> type[Adapter]:
    """Import and return the adapter class that `module:Class` names; ImportError where it cannot."""
    module, _, name = target.partition(":")
    found: type[Adapter] = getattr(importlib.import_module(module), name)
    return found
