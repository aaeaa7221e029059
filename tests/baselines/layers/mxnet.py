"""Gluon's own layers and Trainer, as its users write a network: nn.BatchNorm, nn.LayerNorm, rnn.LSTM."""

from __future__ import annotations

from typing import Any

from adapters.declaration import SGD, layers
from adapters.mxnet.native import filled
from adapters.recipes import RECIPES
from tests.baselines.loops.mxnet import Run, trained


def with_trainer(model: str, images: Any, labels: Any, weights: Any, hybrid: bool) -> Run:
    declared = RECIPES[model].optimiser
    net = filled(layers(RECIPES[model].model), weights)
    for name, parameter in net.collect_params().items():
        if name.endswith("h2h_bias"):  # rnn.LSTM's second bias
            parameter.grad_req = "null"
    if isinstance(declared, SGD):
        name = "nag" if declared.nesterov else "sgd"
        settings = {"learning_rate": declared.rate, "momentum": declared.momentum}
    else:  # gluon 1.9 has no AdamW: its Adam takes the decay for a part of the gradient, and here has none
        name, settings = "adam", {"learning_rate": declared.rate}
    return trained(net, name, settings, images, labels, hybrid)


def imperative(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return with_trainer(model, images, labels, weights, False)


def hybrid(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return with_trainer(model, images, labels, weights, True)


LOOPS = {"eager": (imperative,), "compiled": (hybrid,)}
