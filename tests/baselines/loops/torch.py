"""PyTorch by hand: channels-last convolutions, one fused update, and functions instead of modules where they cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

Run = Callable[[int, int], float]
RATE = 0.1
PLACES = {"cpu": "cpu", "gpu": "cuda"}
WINDOW = 20  # steps in one graph

torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # as the adapter has it


def parameters(weights: dict[str, Any], device: str) -> list[torch.Tensor]:
    found = []
    for array in weights.values():
        tensor = torch.from_numpy(array.T.copy() if array.ndim == 2 else array.copy()).to(PLACES[device])
        found.append(tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor)
    return found


def loss_of(model: str) -> Callable[..., torch.Tensor]:
    def mlp(x: torch.Tensor, y: torch.Tensor, *p: torch.Tensor) -> torch.Tensor:
        x = F.relu(F.linear(x.flatten(1), p[0], p[1]))
        x = F.relu(F.linear(x, p[2], p[3]))
        return F.cross_entropy(F.linear(x, p[4], p[5]), y)

    def lenet(x: torch.Tensor, y: torch.Tensor, *p: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(torch.tanh(F.conv2d(x, p[0], p[1])), 2)
        x = F.max_pool2d(torch.tanh(F.conv2d(x, p[2], p[3])), 2)
        x = torch.tanh(F.linear(x.flatten(1), p[4], p[5]))
        return F.cross_entropy(F.linear(x, p[6], p[7]), y)

    return mlp if model == "mlp" else lenet


def placed(images: Any, labels: Any, device: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    place = PLACES[device]
    return [
        (torch.from_numpy(x).contiguous(memory_format=torch.channels_last).to(place), torch.from_numpy(y).to(place))
        for x, y in zip(images, labels, strict=True)
    ]


def loop(step: Callable[..., torch.Tensor], images: Any, labels: Any, device: str) -> Run:
    batches = placed(images, labels, device)

    def run(first: int, count: int) -> float:
        for index in range(first, first + count):
            loss = step(*batches[index % len(batches)])
        return loss.item()

    return run


def network(model: str) -> nn.Sequential:
    if model == "mlp":
        layers = [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)]
    else:
        layers = [nn.Conv2d(1, 20, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.Tanh(), nn.MaxPool2d(2)]
        layers += [nn.Flatten(), nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, 10)]
    return nn.Sequential(*layers)


def modules(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    """Sequential, autograd, torch.optim.SGD with its fused kernel."""
    net = network(model).to(PLACES[device], memory_format=torch.channels_last)
    for own, given in zip(net.parameters(), parameters(weights, device), strict=True):
        own.data.copy_(given)
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, fused=True)

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return loop(step, images, labels, device)


def functions(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    """No modules, no optimiser object: autograd.grad and one foreach update."""
    own = [tensor.requires_grad_() for tensor in parameters(weights, device)]
    loss_function = loss_of(model)

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = loss_function(x, y, *own)
        gradients = torch.autograd.grad(loss, own)
        with torch.no_grad():
            torch._foreach_add_(own, gradients, alpha=-RATE)
        return loss

    return loop(step, images, labels, device)


def compiled_loss(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    """Forward and backward through torch.compile, the update by one foreach kernel."""
    own = [tensor.requires_grad_() for tensor in parameters(weights, device)]
    loss_function = torch.compile(loss_of(model))

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = loss_function(x, y, *own)
        gradients = torch.autograd.grad(loss, own)
        with torch.no_grad():
            torch._foreach_add_(own, gradients, alpha=-RATE)
        return loss

    return loop(step, images, labels, device)


def compiled_step(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    """Forward, backward and update in one graph."""
    own = parameters(weights, device)
    loss_function = loss_of(model)
    differentiate = torch.func.grad_and_value(loss_function, argnums=tuple(range(2, 2 + len(own))))

    @torch.compile
    def whole(x: torch.Tensor, y: torch.Tensor, *p: torch.Tensor) -> torch.Tensor:
        gradients, loss = differentiate(x, y, *p)
        for parameter, gradient in zip(p, gradients, strict=True):
            parameter.sub_(RATE * gradient)
        return loss

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return whole(x, y, *own)

    return loop(step, images, labels, device)


def graph_step(own: list[torch.Tensor], model: str, last: torch.Tensor) -> Callable[[torch.Tensor, torch.Tensor], None]:
    """Return a step that a graph can hold: its loss is left in `last`."""
    loss_function = loss_of(model)

    def step(x: torch.Tensor, y: torch.Tensor) -> None:
        loss = loss_function(x, y, *own)
        gradients = torch.autograd.grad(loss, own)
        with torch.no_grad():
            torch._foreach_add_(own, gradients, alpha=-RATE)
            last.copy_(loss.detach())

    return step


def graphed(work: Callable[[], None], own: list[torch.Tensor], pool: Any) -> Callable[[], None]:
    """Return what replays work, recorded as PyTorch's notes on CUDA graphs say; the weights stay as they were.

    Graphs of one pool share its memory: they run one after another, and none leaves anything in it.
    """
    before = [tensor.detach().clone() for tensor in own]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):
        work()
    with torch.no_grad():
        torch._foreach_copy_(own, before)
    return graph.replay


def cuda_graph(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    """One step as a graph, each batch copied to where it reads; for a card alone."""
    own, batches = [tensor.requires_grad_() for tensor in parameters(weights, device)], placed(images, labels, device)
    last = torch.zeros((), device=PLACES[device])
    x, y = (tensor.clone() for tensor in batches[0])
    step = graph_step(own, model, last)
    replay = graphed(lambda: step(x, y), own, None)

    def run(first: int, count: int) -> float:
        for index in range(first, first + count):
            images, labels = batches[index % len(batches)]
            x.copy_(images)
            y.copy_(labels)
            replay()
        return last.item()

    return run


def cuda_graph_windows(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    """A graph for every step, and one for every WINDOW of them that begins at a multiple; nothing is copied."""
    own, batches = [tensor.requires_grad_() for tensor in parameters(weights, device)], placed(images, labels, device)
    last = torch.zeros((), device=PLACES[device])
    step = graph_step(own, model, last)
    pool = torch.cuda.graph_pool_handle() if device == "gpu" else None
    ones = [graphed(lambda batch=batch: step(*batch), own, pool) for batch in batches]

    def window(first: int) -> None:
        for batch in batches[first : first + WINDOW]:
            step(*batch)

    starts = range(0, len(batches) - WINDOW + 1, WINDOW)
    windows = {start: graphed(lambda start=start: window(start), own, pool) for start in starts}

    def run(first: int, count: int) -> float:
        index, end = first, first + count
        while index < end:
            place = index % len(batches)
            whole = place in windows and end - index >= WINDOW
            (windows if whole else ones)[place]()
            index += WINDOW if whole else 1
        return last.item()

    return run


LOOPS = {
    "eager": (modules, functions),
    "compiled": (compiled_loss, compiled_step),
    "fused": (cuda_graph, cuda_graph_windows),  # the adapter has the mode on a card alone
}
