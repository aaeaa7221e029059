"""torch: functions, autograd and the fused optimisers of PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from adapters.contract import NARROW, Adapter, Array, DeviceTimer, Feed, Preloaded, chain
from adapters.declaration import LSTM, SGD, Adam, Model, Parameter
from adapters.torch.feed import endless
from adapters.torch.graphs import InPlace, Loop, Loops, compiled, missing_compiler
from adapters.torch.heap import keep_heap
from adapters.torch.layers import channels_last, layer_of, turned
from adapters.weights import Arrays, Weights


class TorchAdapter(Adapter):
    """Eager autograd; one step through torch.compile, with plain SGD the update too; steps replayed as CUDA graphs."""

    framework = "torch"
    version = torch.__version__

    # What there is

    @classmethod
    def card(cls) -> str | None:
        return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None

    @classmethod
    def kernels(cls) -> str:
        said = getattr(torch.backends, "cpu", None)  # before 2.1 it does not say
        return str(said.get_cpu_capability()) if said else ""

    @classmethod
    def set_threads(cls, threads: int) -> int:
        torch.set_num_threads(threads)
        return torch.get_num_threads()

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        if mode == "fused" and device == "cpu":
            return "torch has no loop of training steps in one call on a CPU; CUDA graphs need a GPU"
        if mode == "compiled" and (reason := missing_compiler(device)):
            return reason
        if mode == "fused" and input == "host":
            return "a CUDA graph reads its batches where they lie on the card; use preloaded data"
        return None

    @classmethod
    def recommended_mode(cls, model: Model, device: str, input: str = "preloaded") -> str:
        # On a card launches bind small networks, and a graph has none; fed from the host there is the compiler's alone.
        wanted = "eager" if device == "cpu" else "compiled" if input == "host" else "fused"
        return "eager" if cls.unsupported(device, wanted, "float32", input) else wanted

    # The network

    def build(self) -> None:
        keep_heap()
        self.place = torch.device("cuda:0" if self.device == "gpu" else "cpu")
        self.type = getattr(torch, self.dtype)
        # Same arithmetic in every framework: TF32 is off unless a cell asks for it; in tensorflow it is on by default.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.precision == "tf32"
        self.type_of_operands = getattr(torch, self.operands)
        # No cache of narrow weights: each is used once a step. float32 is spared the cost of entering and leaving.
        narrow = partial(torch.autocast, self.place.type, self.type_of_operands, cache_enabled=False)
        self.autocast = narrow if self.precision in NARROW else nullcontext
        self.layers = [layer_of(layer) for layer in self.recipe.model.layers]
        # oneDNN and cuDNN are faster so: lenet, batch 100, 2 CPU threads: 9,300 samples/s against 7,000.
        self.arrays = [channels_last(self.empty(parameter)) for parameter in self.recipe.model.parameters()]
        self.parameters = [nn.Parameter(array) for array in self.arrays]  # the same memory, seen by autograd
        self.statistics = [self.empty(parameter) for parameter in self.recipe.model.statistics()]
        self.kept = self.recipe.model.momenta()
        # A number would be compiled in, and a graph reads only what lies on the card.
        self.rate_array = torch.tensor(self.rate, dtype=self.type, device=self.place)
        self.in_place = InPlace(self.recipe.optimiser, self.arrays, self.rate_array)
        self.optimiser = self.make_optimiser()
        self.forward: Callable[..., Any] = self.scaled_loss
        self.slopes, self.whole = self.differentiate, None
        self.infer: Callable[..., Any] = self.inferred
        if self.mode == "compiled":
            kept = [*self.arrays, *self.statistics, self.rate_array]
            self.infer = compiled(self.infer, kept)
            if self.device == "cpu" and any(isinstance(place.layer, LSTM) for place in self.recipe.model.places()):
                self.forward = compiled(self.forward, kept)  # around a call that torch.func cannot differentiate
            else:
                self.slopes = compiled(self.trace, kept)
                self.whole = compiled(self.trace_step, kept) if self.optimiser is None else None

    def set_weights(self, weights: Weights) -> None:
        with torch.no_grad():
            targets = [*self.parameters, *self.statistics]
            for parameter, target in zip(self.recipe.model.arrays(), targets, strict=True):
                array = torch.from_numpy(np.array(weights[parameter.name], self.dtype))
                target.copy_(array.T if turned(parameter) else array)
        for state in self.optimiser.state.values() if self.optimiser else []:
            for tensor in state.values():
                tensor.zero_()
        self.in_place.forget()

    def get_weights(self) -> Weights:
        return self.canonical([*self.arrays, *self.statistics])

    def snapshot(self) -> Callable[[], Weights]:
        copies = [array.clone() for array in (*self.arrays, *self.statistics)]
        return lambda: self.canonical(copies)

    def set_rate(self, rate: float) -> None:
        super().set_rate(rate)
        self.rate_array.fill_(rate)
        for group in self.optimiser.param_groups if self.optimiser else []:
            group["lr"] = rate

    # The work

    def put(self, images: Array, labels: Array) -> Preloaded:
        digits = torch.from_numpy(np.ascontiguousarray(labels)).to(self.place)
        if self.mode == "fused":
            stack = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 1, 3, 4, 2))).to(self.place)
            batches = list(stack.permute(0, 1, 4, 2, 3).unbind(0))
            return Preloaded(batches, digits, len(labels), self.loops(stack, digits))
        batches = [channels_last(torch.from_numpy(np.ascontiguousarray(batch)).to(self.place)) for batch in images]
        return Preloaded(batches, list(digits.unbind(0)), len(labels))

    def train(self, preloaded: Preloaded, first: int, count: int) -> None:
        if self.mode == "fused":
            preloaded.losses.train.run(first, count)
        else:
            super().train(preloaded, first, count)

    def feed(self, images: Array, labels: Array, order: Array) -> Feed:
        return Feed(endless(images, labels, order, self.place), len(order))

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.whole:
            return self.whole(images, labels)
        gradients, loss, found = self.slopes(images, labels)
        self.keep(found)
        if self.optimiser is None:
            torch._foreach_add_(self.arrays, gradients, alpha=-self.rate)
            return loss
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.optimiser.step()
        return loss

    def losses(self, batches: Preloaded | Feed) -> npt.NDArray[np.float64]:
        if isinstance(batches.losses, Loops):
            return np.asarray(batches.losses.train.found.cpu().numpy(), np.float64)
        return super().losses(batches)

    def gradients(self, preloaded: Preloaded, index: int) -> Weights:
        return self.canonical(self.slopes(preloaded.images[index], preloaded.labels[index])[0])

    def evaluate(self, preloaded: Preloaded, first: int, count: int) -> Any:
        if self.mode == "fused":
            preloaded.losses.infer.run(first, count)
            return [preloaded.losses.infer.found[first : first + count].flatten(0, 1).clone()]
        # What is made in inference mode cannot be written outside of it, and a compiled graph keeps its buffers.
        with torch.no_grad() if self.device == "gpu" else torch.inference_mode():
            return [self.infer(preloaded.images[index]) for index in range(first, first + count)]

    def fetch(self, outputs: Any) -> Array:
        return np.asarray(torch.cat(outputs).to(self.type).cpu().numpy())

    def products(self, left: Array, right: Array) -> Callable[[int], Any]:
        first, factor = (torch.from_numpy(array).to(self.place, self.type_of_operands) for array in (left, right))
        targets = torch.empty_like(first), torch.empty_like(first)
        return chain(lambda last, target: torch.mm(last, factor, out=target), first, targets)

    def copies(self, array: Array) -> Callable[[int], Any]:
        first = torch.from_numpy(array).to(self.place)
        targets = torch.empty_like(first), torch.empty_like(first)
        return chain(lambda last, target: torch.neg(last, out=target), first, targets)

    def timer(self) -> DeviceTimer | None:
        return DeviceTimer(partial(torch.cuda.Event, enable_timing=True)) if self.device == "gpu" else None

    def synchronise(self, pending: Any = None) -> None:
        if self.device == "gpu":
            torch.cuda.synchronize()

    def placement(self) -> str:
        kinds = {parameter.device.type for parameter in self.parameters}
        return "gpu" if kinds == {"cuda"} else "+".join(sorted(kinds))

    # Own helpers

    def canonical(self, tensors: list[torch.Tensor]) -> Weights:
        arrays = (tensor.cpu().contiguous().numpy() for tensor in tensors)
        pairs = zip(self.recipe.model.arrays(), arrays, strict=False)  # gradients are of the parameters alone
        return self.named(array.T if turned(parameter) else array for parameter, array in pairs)

    def empty(self, parameter: Parameter) -> torch.Tensor:
        shape = parameter.shape[::-1] if turned(parameter) else parameter.shape
        return torch.zeros(shape, dtype=self.type, device=self.place)

    def keep(self, found: list[torch.Tensor]) -> None:
        """Move the statistics by what a batch's were."""
        if found:
            torch._foreach_mul_(self.statistics, self.kept)
            torch._foreach_add_(self.statistics, torch._foreach_mul(found, [1 - kept for kept in self.kept]))

    def network(self, arrays: Arrays, x: torch.Tensor) -> torch.Tensor:  # (B, C, H, W) -> (B, outputs)
        with self.autocast():
            for layer in self.layers:
                x = layer(x, arrays)
        return x.to(self.type)

    def inferred(self, images: torch.Tensor) -> torch.Tensor:
        return self.network(Arrays(self.arrays, self.statistics), images)

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if self.recipe.loss == "cross_entropy":
            return functional.cross_entropy(outputs, labels, label_smoothing=self.recipe.label_smoothing)
        return functional.mse_loss(outputs[:, 0], labels.to(outputs.dtype))

    def scaled_loss(
        self, parameters: list[torch.Tensor], images: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the loss and the batch's statistics."""
        arrays = Arrays(parameters, None)
        loss = self.loss(self.network(arrays, images), labels)
        return loss if self.loss_scale == 1 else loss * self.loss_scale, arrays.found

    def unscaled(self, gradients: Any, loss: torch.Tensor) -> tuple[Any, torch.Tensor]:
        if self.loss_scale == 1:
            return gradients, loss
        return torch._foreach_div(gradients, self.loss_scale), loss / self.loss_scale

    def loops(self, images: torch.Tensor, labels: torch.Tensor) -> Loops:
        """Return what trains on stacks (S, B, H, W, C) and (S, B), and what evaluates the images."""
        losses = torch.full((len(labels),), math.nan, dtype=self.type, device=self.place)
        outputs = torch.empty((*labels.shape, self.recipe.model.outputs), dtype=self.type, device=self.place)
        evaluating = Loop(self.graphed_infer, [images], outputs, [])
        changed = [*self.in_place.changed, *self.statistics]
        return Loops(Loop(self.graphed_step, [images, labels], losses, changed), evaluating)

    def graphed_infer(self, images: torch.Tensor) -> torch.Tensor:  # (B, H, W, C) -> (B, outputs)
        return self.inferred(images.permute(0, 3, 1, 2))

    def graphed_step(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        gradients, loss, found = self.differentiate(images.permute(0, 3, 1, 2), labels)
        self.keep(found)
        self.in_place.update(gradients)
        return loss

    def differentiate(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[Any, torch.Tensor, list[torch.Tensor]]:
        """Return gradients, loss, and the statistics of the batch."""
        loss, found = self.forward(self.parameters, images, labels)
        return *self.unscaled(torch.autograd.grad(loss, self.parameters), loss.detach()), found

    def trace(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[Any, torch.Tensor, list[torch.Tensor]]:
        """Differentiate inside what torch.compile traces: one graph, where autograd outside of it makes two."""
        differentiated = torch.func.grad_and_value(self.scaled_loss, has_aux=True)
        gradients, (loss, found) = differentiated(self.arrays, images, labels)
        return *self.unscaled(gradients, loss), found

    def trace_step(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        gradients, loss, found = self.trace(images, labels)
        self.keep(found)
        for array, gradient in zip(self.arrays, gradients, strict=True):
            array.sub_(self.rate_array * gradient)
        return loss

    def make_optimiser(self) -> torch.optim.Optimizer | None:
        match self.recipe.optimiser:
            case SGD(momentum=0.0):
                return None  # one call does it, see step
            case SGD(_, momentum, nesterov):
                return torch.optim.SGD(self.parameters, self.rate, momentum=momentum, nesterov=nesterov, fused=True)
            case Adam(_, beta1, beta2, epsilon, 0.0):
                return torch.optim.Adam(self.parameters, self.rate, (beta1, beta2), epsilon, fused=True)
            case Adam(_, beta1, beta2, epsilon, decay):
                return torch.optim.AdamW(self.parameters, self.rate, (beta1, beta2), epsilon, decay, fused=True)
