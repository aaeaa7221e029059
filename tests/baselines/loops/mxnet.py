"""MXNet by hand: gluon imperatively or hybridized, Trainer or the multi-tensor update."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mxnet as mx
from mxnet import autograd, gluon
from mxnet.gluon import nn

Run = Callable[[int, int], float]
RATE = 0.1


def network(model: str, weights: dict[str, Any] | None = None) -> nn.HybridSequential:
    net = nn.HybridSequential()
    if model == "mlp":
        net.add(nn.Flatten(), nn.Dense(128, "relu"), nn.Dense(64, "relu"), nn.Dense(10))
    else:
        net.add(nn.Conv2D(20, 5, activation="tanh"), nn.MaxPool2D(2))
        net.add(nn.Conv2D(50, 5, activation="tanh"), nn.MaxPool2D(2))
        net.add(nn.Flatten(), nn.Dense(500, "tanh"), nn.Dense(10))
    net.initialize(mx.init.Xavier(), ctx=mx.cpu())
    net(mx.nd.zeros((1, 1, 28, 28)))  # shapes of the weights
    for own, given in zip(net.collect_params().values(), weights.values(), strict=True) if weights else ():
        own.set_data(mx.nd.array(given.T if given.ndim == 2 else given))
    return net


def with_trainer(model: str, images: Any, labels: Any, weights: Any, hybrid: bool) -> Run:
    """As the tutorials have it: gluon's loss and Trainer."""
    return trained(network(model, weights), "sgd", {"learning_rate": RATE}, images, labels, hybrid)


def trained(net: Any, optimizer: str, settings: dict[str, Any], images: Any, labels: Any, hybrid: bool) -> Run:
    batches = [(mx.nd.array(x), mx.nd.array(y)) for x, y in zip(images, labels, strict=True)]
    criterion = gluon.loss.SoftmaxCrossEntropyLoss()
    if hybrid:
        net.hybridize(static_alloc=True, static_shape=True)
        criterion.hybridize(static_alloc=True, static_shape=True)
    trainer = gluon.Trainer(net.collect_params(), optimizer, settings, kvstore=None)

    def run(first: int, count: int) -> float:
        for index in range(first, first + count):
            x, y = batches[index % len(batches)]
            with autograd.record():
                loss = criterion(net(x), y)
            loss.backward()
            trainer.step(len(x))
        mx.nd.waitall()
        return float(loss.mean().asscalar())

    return run


class MeanLoss(gluon.HybridBlock):
    """Network and loss in one graph."""

    def __init__(self, net: gluon.HybridBlock) -> None:
        super().__init__()
        self.net = net

    def hybrid_forward(self, F: Any, x: Any, y: Any) -> Any:  # noqa: N803  # gluon's name
        return -F.pick(F.log_softmax(self.net(x)), y).mean()


def with_operators(model: str, images: Any, labels: Any, weights: Any, hybrid: bool) -> Run:
    """One graph of network and mean loss, one call that updates all parameters."""
    batches = [(mx.nd.array(x), mx.nd.array(y)) for x, y in zip(images, labels, strict=True)]
    loss_block = MeanLoss(network(model, weights))
    if hybrid:
        loss_block.hybridize(static_alloc=True, static_shape=True)
    own = list(loss_block.collect_params().values())
    arrays = [parameter.data() for parameter in own]
    pairs = [array for parameter in own for array in (parameter.data(), parameter.grad())]
    settings = {"lrs": [RATE] * len(own), "wds": [0.0] * len(own), "num_weights": len(own), "out": arrays}

    def run(first: int, count: int) -> float:
        for index in range(first, first + count):
            with autograd.record():
                loss = loss_block(*batches[index % len(batches)])
            loss.backward()
            mx.nd.multi_sgd_update(*pairs, **settings)
        mx.nd.waitall()
        return float(loss.asscalar())

    return run


def executor(model: str, images: Any, labels: Any, weights: Any) -> Run:
    """The symbolic interface: one bound executor for forward and backward, nothing recorded."""
    batches = [(mx.nd.array(x), mx.nd.array(y)) for x, y in zip(images, labels, strict=True)]
    net = network(model, weights)
    symbol = MeanLoss(net)(mx.sym.Variable("x"), mx.sym.Variable("y"))
    own = list(net.collect_params().values())
    arrays = [parameter.data() for parameter in own]
    gradients = [mx.nd.zeros_like(array) for array in arrays]
    names = [parameter.name for parameter in own]
    x, y = (array.copy() for array in batches[0])
    bound = symbol.bind(
        mx.cpu(),
        dict(zip(names, arrays, strict=True)) | {"x": x, "y": y},
        dict(zip(names, gradients, strict=True)),
        dict.fromkeys(names, "write") | {"x": "null", "y": "null"},
    )
    one = mx.nd.ones(bound.outputs[0].shape)
    pairs = [array for pair in zip(arrays, gradients, strict=True) for array in pair]
    settings = {"lrs": [RATE] * len(own), "wds": [0.0] * len(own), "num_weights": len(own), "out": arrays}

    def run(first: int, count: int) -> float:
        for index in range(first, first + count):
            image, label = batches[index % len(batches)]
            image.copyto(x)
            label.copyto(y)
            bound.forward(is_train=True)
            bound.backward(one)
            mx.nd.multi_sgd_update(*pairs, **settings)
        mx.nd.waitall()
        return float(bound.outputs[0].asscalar())

    return run


def imperative(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return with_trainer(model, images, labels, weights, False)


def imperative_operators(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return with_operators(model, images, labels, weights, False)


def hybrid(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return with_trainer(model, images, labels, weights, True)


def hybrid_operators(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return with_operators(model, images, labels, weights, True)


LOOPS = {"eager": (imperative, imperative_operators), "compiled": (hybrid, hybrid_operators, executor)}
