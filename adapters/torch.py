"""torch: modules, autograd and the fused optimisers of PyTorch."""

from __future__ import annotations

import itertools
import platform
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional
from torch.utils import data

from adapters import declaration as declare
from adapters.contract import Adapter, Array, Feed, Resident
from adapters.declaration import SGD, Model, Shape
from adapters.weights import Weights

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "softmax": lambda: nn.Softmax(dim=-1)}


class TorchAdapter(Adapter):
    """Eager autograd, or the same step with forward and backward through torch.compile."""

    framework = "torch"

    # What there is

    @classmethod
    def versions(cls) -> dict[str, str]:
        return {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()}

    @classmethod
    def devices(cls) -> dict[str, str]:
        found = {"cpu": platform.processor() or platform.machine()}
        if torch.cuda.is_available():
            found["gpu"] = torch.cuda.get_device_name(0)
        return found

    @classmethod
    def set_threads(cls, threads: int) -> int:
        torch.set_num_threads(threads)
        return torch.get_num_threads()

    @classmethod
    def unsupported(cls, device: str, mode: str, dtype: str, pipeline: str = "resident") -> str | None:
        if mode == "fused":
            return "torch has no loop of training steps in one call on a CPU; CUDA graphs are not written yet"
        if mode == "compiled" and device == "cpu" and not shutil.which("g++"):
            return "torch.compile needs a C++ compiler on a CPU; install g++"
        return None

    @classmethod
    def recommended_mode(cls, model: Model, device: str, pipeline: str = "resident") -> str:
        return "eager"

    # The network

    def build(self) -> None:
        self.place = torch.device("cuda:0" if self.device == "gpu" else "cpu")
        self.type = getattr(torch, self.dtype)
        # Same arithmetic in every framework: TF32 is off unless a cell asks for it (measurement.md, 4).
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        shapes = self.recipe.model.shapes()
        modules = [layer_of(layer, shape) for layer, shape in zip(self.recipe.model.layers, shapes, strict=False)]
        self.network = nn.Sequential(*modules).to(self.place, self.type)
        if any(isinstance(module, nn.Conv2d) for module in modules):
            # oneDNN and cuDNN are faster so: lenet, batch 100, 2 CPU threads: 9,300 samples/s against 7,000.
            self.network.to(memory_format=torch.channels_last)
        self.parameters = list(self.network.parameters())
        self.forward = torch.compile(self.loss) if self.mode == "compiled" else self.loss
        self.infer = torch.compile(self.network) if self.mode == "compiled" else self.network
        self.optimiser = self.make_optimiser()

    def set_weights(self, weights: Weights) -> None:
        with torch.no_grad():
            for parameter, target in zip(self.recipe.model.parameters(), self.parameters, strict=True):
                array = torch.from_numpy(np.array(weights[parameter.name], self.dtype))
                target.copy_(array.T if array.ndim == 2 else array)  # nn.Linear keeps (out, in)
        self.optimiser = self.make_optimiser()

    def get_weights(self) -> Weights:
        return self.canonical([parameter.detach() for parameter in self.parameters])

    def set_rate(self, rate: float) -> None:
        self.rate = rate
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    # The work

    def put(self, images: Array, labels: Array) -> Resident:
        batches = [self.image_batch(batch) for batch in images]
        digits = torch.from_numpy(np.ascontiguousarray(labels)).to(self.place)
        return Resident(batches, list(digits.unbind(0)), len(labels), [None] * len(labels))

    def train(self, resident: Resident, first: int, count: int) -> None:
        for index in range(first, first + count):
            index %= resident.steps
            resident.losses[index] = self.step(resident.images[index], resident.labels[index])

    def feed(self, images: Array, labels: Array, order: Array) -> Feed:
        # No workers: 313 kB cost more to pass between processes than to gather (NOTES-host.md).
        # torch takes no arrays with negative strides: a view may have them.
        pixels, digits, rows = (torch.from_numpy(np.ascontiguousarray(array)) for array in (images, labels, order))
        samples, endless = Samples(pixels, digits), itertools.cycle(rows.unbind(0))
        loader = data.DataLoader(samples, batch_size=None, sampler=endless, pin_memory=self.device == "gpu")
        batches = (
            (self.to_device(some).contiguous(memory_format=torch.channels_last), self.to_device(digits))
            for some, digits in loader
        )
        return Feed(batches, len(order), [None] * len(order))

    def train_fed(self, feed: Feed, count: int) -> None:
        for images, labels in itertools.islice(feed.batches, count):
            feed.losses[feed.taken % feed.steps] = self.step(images, labels)
            feed.taken += 1

    def losses(self, batches: Resident | Feed) -> npt.NDArray[np.float64]:
        return np.array([np.nan if loss is None else loss.item() for loss in batches.losses])

    def gradients(self, resident: Resident, index: int) -> Weights:
        self.optimiser.zero_grad(set_to_none=True)
        self.forward(resident.images[index], resident.labels[index]).backward()
        return self.canonical([parameter.grad for parameter in self.parameters])

    def evaluate(self, resident: Resident, first: int, count: int) -> Any:
        with torch.inference_mode():
            return [self.infer(resident.images[index]) for index in range(first, first + count)]

    def fetch(self, outputs: Any) -> Array:
        return np.asarray(torch.cat(outputs).cpu().numpy())

    def products(self, left: Array, right: Array) -> Callable[[int], Any]:
        first, factor = (torch.from_numpy(array).to(self.place) for array in (left, right))
        targets = torch.empty_like(first), torch.empty_like(first)

        def work(count: int) -> Any:
            product = first
            for index in range(count):
                product = torch.mm(product, factor, out=targets[index % 2])
            return [product]

        return work

    def synchronise(self, pending: Any = None) -> None:
        if self.device == "gpu":
            torch.cuda.synchronize()

    def placement(self) -> str:
        kinds = {parameter.device.type for parameter in self.parameters}
        return "gpu" if kinds == {"cuda"} else "+".join(sorted(kinds))

    # Own helpers

    def canonical(self, tensors: list[torch.Tensor]) -> Weights:
        arrays = (tensor.cpu().contiguous().numpy() for tensor in tensors)
        return {
            parameter.name: np.array(array.T if array.ndim == 2 else array, order="C")
            for parameter, array in zip(self.recipe.model.parameters(), arrays, strict=True)
        }

    def loss(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        outputs = self.network(images)
        if self.recipe.loss == "cross_entropy":
            return functional.cross_entropy(outputs, labels)
        return functional.mse_loss(outputs[:, 0], labels.to(outputs.dtype))

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.forward(images, labels)
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def to_device(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self.place, non_blocking=True)

    def image_batch(self, batch: Array) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(batch)).to(self.place)
        return tensor.contiguous(memory_format=torch.channels_last)

    def make_optimiser(self) -> torch.optim.Optimizer:
        match self.recipe.optimiser:
            case SGD(_, momentum, nesterov):
                return torch.optim.SGD(self.parameters, self.rate, momentum=momentum, nesterov=nesterov, fused=True)
            case adam:
                return torch.optim.Adam(self.parameters, self.rate, (adam.beta1, adam.beta2), adam.epsilon, fused=True)


class Samples(data.Dataset):
    """All samples in host memory; an index is a batch's rows, gathered in one call."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        self.images, self.labels = images, labels

    def __getitem__(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.images.index_select(0, rows), self.labels.index_select(0, rows)


def layer_of(layer: declare.Layer, shape: Shape) -> nn.Module:
    """Return the module that a declared layer means for one sample of `shape`."""
    match layer:
        case declare.Conv2D(channels, kernel, stride, padding):
            return nn.Conv2d(shape[0], channels, kernel, stride, padding)
        case declare.Dense(units):
            return nn.Linear(shape[0], units)
        case declare.MaxPool2D(size, stride):
            return nn.MaxPool2d(size, stride)
        case declare.AvgPool2D(size, stride):
            return nn.AvgPool2d(size, stride)
        case declare.Activation(function):
            return ACTIVATIONS[function]()
        case declare.Flatten():
            return nn.Flatten()
