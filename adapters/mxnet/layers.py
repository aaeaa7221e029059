"""The declared layers as gluon's blocks, one line each, and the loss as one more block around the network."""

from __future__ import annotations

from typing import Any

import mxnet as mx
from mxnet.gluon import nn

from adapters import declaration
from adapters.declaration import Shape


class Loss(mx.gluon.HybridBlock):
    """Network and mean loss as one block, so that hybridizing makes one graph of a whole forward pass."""

    def __init__(self, network: mx.gluon.HybridBlock, loss: str) -> None:
        super().__init__()
        self.network = network
        self.cross_entropy = loss == "cross_entropy"

    def hybrid_forward(self, F: Any, images: Any, labels: Any) -> Any:
        outputs = self.network(images)
        if self.cross_entropy:
            return -F.pick(F.log_softmax(outputs), labels).mean()
        return F.square(outputs.reshape((-1,)) - labels).mean()  # gluon's L2Loss halves it


def layer_of(layer: declaration.Layer, shape: Shape) -> mx.gluon.HybridBlock:
    """Return the block that a declared layer means for one sample of `shape`."""
    match layer:
        case declaration.Conv2D(channels, kernel, stride, padding):
            return nn.Conv2D(channels, kernel, stride, padding, in_channels=shape[0])
        case declaration.Dense(units):
            return nn.Dense(units, flatten=False, in_units=shape[0])
        case declaration.MaxPool2D(size, stride):
            return nn.MaxPool2D(size, stride)
        case declaration.AvgPool2D(size, stride):
            return nn.AvgPool2D(size, stride)
        case declaration.Activation("softmax"):
            return nn.HybridLambda(lambda F, x: F.softmax(x))
        case declaration.Activation(function):
            return nn.Activation(function)
        case declaration.Flatten():
            return nn.Flatten()
