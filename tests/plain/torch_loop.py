"""PyTorch by hand: channels-last convolutions, one fused update, and functions instead of modules where they cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

Run = Callable[[int, int], float]
RATE = 0.1


def parameters(weights: dict[str, Any]) -> list[torch.Tensor]:
    found = []
    for array in weights.values():
        tensor = torch.from_numpy(array.T.copy() if array.ndim == 2 else array.copy())
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


def loop(step: Callable[..., torch.Tensor], images: Any, labels: Any) -> Run:
    batches = [
        (torch.from_numpy(x).contiguous(memory_format=torch.channels_last), torch.from_numpy(y))
        for x, y in zip(images, labels, strict=True)
    ]

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


def modules(model: str, images: Any, labels: Any, weights: Any) -> Run:
    """Sequential, autograd, torch.optim.SGD with its fused kernel."""
    net = network(model).to(memory_format=torch.channels_last)
    for own, given in zip(net.parameters(), parameters(weights), strict=True):
        own.data.copy_(given)
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, fused=True)

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return loop(step, images, labels)


def functions(model: str, images: Any, labels: Any, weights: Any) -> Run:
    """No modules, no optimiser object: autograd.grad and one foreach update."""
    own = [tensor.requires_grad_() for tensor in parameters(weights)]
    loss_function = loss_of(model)

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = loss_function(x, y, *own)
        gradients = torch.autograd.grad(loss, own)
        with torch.no_grad():
            torch._foreach_add_(own, gradients, alpha=-RATE)
        return loss

    return loop(step, images, labels)


def compiled_loss(model: str, images: Any, labels: Any, weights: Any) -> Run:
    """Forward and backward through torch.compile, the update by one foreach kernel."""
    own = [tensor.requires_grad_() for tensor in parameters(weights)]
    loss_function = torch.compile(loss_of(model))

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = loss_function(x, y, *own)
        gradients = torch.autograd.grad(loss, own)
        with torch.no_grad():
            torch._foreach_add_(own, gradients, alpha=-RATE)
        return loss

    return loop(step, images, labels)


def compiled_step(model: str, images: Any, labels: Any, weights: Any) -> Run:
    """Forward, backward and update in one graph."""
    own = parameters(weights)
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

    return loop(step, images, labels)


LOOPS = {"eager": (modules, functions), "compiled": (compiled_loss, compiled_step)}
