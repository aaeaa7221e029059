"""Paddle by hand: dygraph, the forward pass through to_static, or a static program with its optimiser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import nn

Run = Callable[[int, int], float]
RATE = 0.1


class Conv2D(nn.Conv2D):
    """Its bias in three dimensions: the gradient of Paddle's four-dimensional broadcast is slow on a CPU."""

    def forward(self, x: Any) -> Any:
        y = F.conv2d(x, self.weight, None)
        return (y.flatten(2) + self.bias.unsqueeze(-1)).reshape(y.shape)


def network(model: str, convolution: Any) -> nn.Sequential:
    if model == "mlp":
        layers = [nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)]
    else:
        layers = [convolution(1, 20, 5), nn.Tanh(), nn.MaxPool2D(2), convolution(20, 50, 5), nn.Tanh()]
        layers += [nn.MaxPool2D(2), nn.Flatten(), nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, 10)]
    return nn.Sequential(*layers)


def dygraph(model: str, images: Any, labels: Any, weights: Any, convolution: Any = nn.Conv2D, wrap: Any = None) -> Run:
    paddle.set_device("cpu")
    net = network(model, convolution)
    for own, given in zip(net.parameters(), weights.values(), strict=True):
        own.set_value(given)
    return trained(net, paddle.optimizer.SGD(RATE, net.parameters()), images, labels, wrap)


def trained(net: Any, optimizer: Any, images: Any, labels: Any, wrap: Any = None) -> Run:
    batches = [(paddle.to_tensor(x), paddle.to_tensor(y)) for x, y in zip(images, labels, strict=True)]

    def loss_of(x: Any, y: Any) -> Any:
        return F.cross_entropy(net(x), y)

    loss_function = wrap(loss_of) if wrap else loss_of

    def run(first: int, count: int) -> float:
        for index in range(first, first + count):
            loss = loss_function(*batches[index % len(batches)])
            loss.backward()
            optimizer.step()
            optimizer.clear_grad(set_to_zero=False)
        return float(loss)

    return run


def whole_graph(function: Any) -> Any:
    return paddle.jit.to_static(function, full_graph=True)


def dygraph_flat_bias(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return dygraph(model, images, labels, weights, Conv2D)


def to_static(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return dygraph(model, images, labels, weights, nn.Conv2D, whole_graph)


def to_static_flat_bias(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return dygraph(model, images, labels, weights, Conv2D, whole_graph)


def program(model: str, images: Any, labels: Any, weights: Any) -> Run:
    """One static program of forward, backward and update, run by an executor."""
    paddle.set_device("cpu")
    owners = [(paddle.to_tensor(x), paddle.to_tensor(y)) for x, y in zip(images, labels, strict=True)]
    batches = [{"x": x.get_tensor(), "y": y.get_tensor()} for x, y in owners]
    paddle.enable_static()
    main, startup, scope = paddle.static.Program(), paddle.static.Program(), paddle.static.Scope()
    with paddle.static.program_guard(main, startup):
        x = paddle.static.data("x", images.shape[1:], "float32")
        y = paddle.static.data("y", labels.shape[1:], "int64")
        net = network(model, Conv2D)
        loss = F.cross_entropy(net(x), y)
        paddle.optimizer.SGD(RATE).minimize(loss)
    executor = paddle.static.Executor(paddle.CPUPlace())
    with paddle.static.scope_guard(scope):
        executor.run(startup)
        for own, given in zip(net.parameters(), weights.values(), strict=True):
            scope.find_var(own.name).get_tensor().set(given, paddle.CPUPlace())
    paddle.disable_static()

    def run(first: int, count: int) -> float:
        paddle.enable_static()
        assert owners  # get_tensor() borrows
        with paddle.static.scope_guard(scope):
            for index in range(first, first + count):
                (value,) = executor.run(main, batches[index % len(batches)], [loss], return_numpy=False)
        paddle.disable_static()
        return float(value.__array__())

    return run


LOOPS = {"eager": (dygraph, dygraph_flat_bias), "compiled": (to_static, to_static_flat_bias, program)}
