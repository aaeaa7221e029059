"""Paddle's own layers and optimisers, as its users write a network: nn.BatchNorm2D, nn.MultiHeadAttention, nn.LSTM."""

from __future__ import annotations

from typing import Any

import paddle

from adapters.declaration import SGD, layers
from adapters.paddle.native import filled
from adapters.recipes import RECIPES
from tests.baselines.loops.paddle import Run, trained, whole_graph


def dygraph(model: str, images: Any, labels: Any, weights: Any, wrap: Any = None) -> Run:
    declared = RECIPES[model].optimiser
    net = filled(layers(RECIPES[model].model), weights)
    own = [parameter for name, parameter in net.named_parameters() if not name.endswith("bias_hh_l0")]  # nn.LSTM's 2nd
    if isinstance(declared, SGD):
        settings = {"use_nesterov": declared.nesterov}
        optimizer: Any = paddle.optimizer.Momentum(declared.rate, declared.momentum, own, **settings)
    else:
        decay = declared.weight_decay
        optimizer = paddle.optimizer.AdamW(declared.rate, parameters=own, weight_decay=decay)
    return trained(net, optimizer, images, labels, wrap)


def to_static(model: str, images: Any, labels: Any, weights: Any) -> Run:
    return dygraph(model, images, labels, weights, whole_graph)


LOOPS = {"eager": (dygraph,), "compiled": (to_static,)}
