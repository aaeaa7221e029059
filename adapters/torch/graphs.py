"""torch's compiled and fused modes: steps without Python and, on a card, as CUDA graphs without launches of their own.

Fused: a graph replays the same kernels on the same memory. So the next batch is a number on the card, which the graph
itself counts up, and everything that a step changes (weights, the optimiser's arrays, losses) is changed in place.
https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs

Compiled: torch.compile makes C++ around the kernels on a CPU, CUDA graphs of them on a card, where a step of these
networks is bound by launches. mode="reduce-overhead" replays what Inductor generated as one CUDA graph; there weights
may change in place only where their address is promised to stay, a batch is copied to where the graph reads it, and a
replay writes over what the replay before it returned.
https://docs.pytorch.org/docs/stable/torch.compiler_cudagraph_trees.html
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch

from adapters.declaration import SGD, Adam, Optimiser

UNROLLED = 20  # steps in a graph: one replay costs some 10 us, as much as a step of mlp
WARM_UPS = 3  # before a capture: libraries choose kernels and allocate, which a capture cannot

Work = Callable[[], object]
Step = Callable[..., torch.Tensor]


class Loop:
    """One piece of work on each batch of stacks (S, B, ...), in order, wrapping round; found (S, ...) is what came."""

    def __init__(
        self, step: Step, stacks: Sequence[torch.Tensor], found: torch.Tensor, changed: Sequence[torch.Tensor]
    ) -> None:
        """Take what is to be recorded; `changed` are the tensors that a step changes beside what it returns."""
        self.step, self.stacks, self.found = step, stacks, found
        self.position = torch.zeros(1, dtype=torch.int64, device=found.device)
        self.changed = [*changed, found, self.position]

    def advance(self) -> None:
        """Work on the batch that is next."""
        index = self.position % len(self.found)
        result = self.step(*(stack.index_select(0, index)[0] for stack in self.stacks))
        self.found.index_copy_(0, index, result.unsqueeze(0))
        self.position.add_(1)

    def unrolled(self) -> None:
        """Work on as many batches as one graph holds."""
        for _ in range(UNROLLED):
            self.advance()

    @cached_property
    def one(self) -> Work:
        """The graph of one batch, recorded when first used."""
        return _record(self.advance, self.changed, self.advance)

    @cached_property
    def many(self) -> Work:
        """The graph of UNROLLED batches."""
        return _record(self.unrolled, self.changed, self.advance)

    def run(self, first: int, count: int) -> None:
        """Work on `count` batches from `first` on; returns before it is done."""
        self.position.fill_(first)
        for _ in range(count // UNROLLED):
            self.many()
        for _ in range(count % UNROLLED):
            self.one()


class Loops(NamedTuple):
    """Both kinds of work on one stack of batches."""

    train: Loop
    infer: Loop


def _record(work: Work, changed: Sequence[torch.Tensor], warm_up: Work) -> Work:
    """Return what repeats `work` on the card of these tensors, whose values stay; on a processor the work itself."""
    if not changed[0].is_cuda:
        return work
    kept = [tensor.clone() for tensor in changed]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            warm_up()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    for tensor, value in zip(changed, kept, strict=True):
        tensor.copy_(value)
    replay: Work = graph.replay
    return replay


class InPlace:
    """The declared update, every operand of it on the card: torch.optim would take the rate as a number of Python."""

    def __init__(self, optimiser: Optimiser, weights: Sequence[torch.Tensor], rate: torch.Tensor) -> None:
        self.optimiser, self.weights, self.rate = optimiser, list(weights), rate
        arrays = 2 if isinstance(optimiser, Adam) else int(optimiser.momentum != 0.0)
        self.slots = [[torch.zeros_like(weight) for weight in weights] for _ in range(arrays)]
        self.taken = torch.zeros((), dtype=rate.dtype, device=rate.device)

    @property
    def changed(self) -> list[torch.Tensor]:
        """All tensors that an update changes."""
        return [*self.weights, *(array for slot in self.slots for array in slot), self.taken]

    def forget(self) -> None:
        """Forget all earlier steps, as after set_weights."""
        for tensor in self.changed[len(self.weights) :]:
            tensor.zero_()

    def update(self, gradients: Sequence[torch.Tensor]) -> None:
        """Change the weights by these gradients, which are of no use afterwards."""
        steps = list(gradients)
        match self.optimiser:
            case SGD(_, momentum, nesterov) if momentum:
                [velocity] = self.slots
                torch._foreach_mul_(velocity, momentum)
                torch._foreach_add_(velocity, steps)
                if nesterov:
                    torch._foreach_add_(steps, velocity, alpha=momentum)
                else:
                    steps = list(torch._foreach_add(velocity, 0.0))
            case Adam(_, beta1, beta2, epsilon, decay):
                steps = self.adam(steps, beta1, beta2, epsilon)
                if decay:
                    torch._foreach_add_(steps, self.weights, alpha=decay)
        torch._foreach_mul_(steps, self.rate)
        torch._foreach_sub_(self.weights, steps)

    def adam(self, gradients: list[torch.Tensor], beta1: float, beta2: float, epsilon: float) -> list[torch.Tensor]:
        mean, square = self.slots
        self.taken.add_(1)
        torch._foreach_mul_(mean, beta1)
        torch._foreach_add_(mean, gradients, alpha=1 - beta1)
        torch._foreach_mul_(square, beta2)
        torch._foreach_addcmul_(square, gradients, gradients, value=1 - beta2)
        # 1 - beta^t without the cancellation that costs float32 half its digits at small t
        correction1 = -torch.expm1(self.taken * math.log(beta1))
        correction2 = -torch.expm1(self.taken * math.log(beta2))
        roots = torch._foreach_div(square, correction2)
        torch._foreach_sqrt_(roots)
        torch._foreach_add_(roots, epsilon)
        steps = torch._foreach_div(mean, correction1)
        torch._foreach_div_(steps, roots)
        return list(steps)


Function = Callable[..., Any]


def missing_compiler(device: str) -> str | None:
    """Return what torch.compile lacks here, or None: Inductor calls g++, Triton gcc or clang for what launches."""
    if device == "cpu":
        return None if shutil.which("g++") else "torch.compile needs a C++ compiler on a CPU; install g++"
    found = shutil.which("gcc") or shutil.which("clang")
    return None if found else "torch.compile needs a C compiler on a GPU (Triton builds its launchers); install gcc"


def compiled(function: Function, kept: Sequence[torch.Tensor]) -> Function:
    """Return the function compiled; `kept` are the tensors it reads or changes that always stay where they are."""
    if kept[0].is_cuda:
        return _replayed(function, kept)
    for tensor in kept:  # else: where another network was compiled before, sizes of weights are held for dynamic ones
        torch._dynamo.mark_static(tensor)
    # The C++ wrapper spares each call Python's share: mlp, batch 100: 5 % faster.
    wrapped: Function = torch.compile(function, options={"cpp_wrapper": True})
    return wrapped


def _replayed(function: Function, kept: Sequence[torch.Tensor]) -> Function:
    """Return the function as a CUDA graph; the gradients it returns are good until it is called again."""
    for tensor in kept:  # else: "skipping cudagraphs due to mutated inputs" (github.com/pytorch/pytorch/issues/103985)
        torch._dynamo.mark_static_address(tensor)
    graph = torch.compile(function, mode="reduce-overhead")

    def call(*batch: torch.Tensor) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        found = graph(*batch)
        if isinstance(found, tuple):
            gradients, loss, statistics = found
            return gradients, loss.clone(), statistics
        return found.clone()

    return call
