"""PyTorch's own layers and optimisers, as its users write a network: nn.BatchNorm2d, nn.MultiheadAttention, nn.LSTM."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from adapters.declaration import SGD, layers
from adapters.recipes import RECIPES
from adapters.torch.native import filled
from tests.baselines.loops.torch import PLACES, Run, loop


def modules(model: str, images: Any, labels: Any, weights: Any, device: str, wrap: Any = None) -> Run:
    declared = RECIPES[model].optimiser
    net = filled(layers(RECIPES[model].model), weights).to(PLACES[device], memory_format=torch.channels_last).train()
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(not name.endswith("bias_hh_l0"))  # nn.LSTM's second bias
    own = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if isinstance(declared, SGD):
        settings = {"momentum": declared.momentum, "nesterov": declared.nesterov}
        optimizer: Any = torch.optim.SGD(own, declared.rate, fused=True, **settings)
    else:
        optimizer = torch.optim.AdamW(own, declared.rate, weight_decay=declared.weight_decay, fused=True)

    def loss_of(x: Any, y: Any) -> Any:
        return F.cross_entropy(net(x), y)

    loss_function = wrap(loss_of) if wrap else loss_of

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_function(x, y)
        loss.backward()
        optimizer.step()
        return loss

    return loop(step, images, labels, device)


def compiled_modules(model: str, images: Any, labels: Any, weights: Any, device: str) -> Run:
    return modules(model, images, labels, weights, device, torch.compile)


LOOPS = {"eager": (modules,), "compiled": (compiled_modules,), "fused": ()}
