"""Lightning's Trainer around torch, in its barebones mode, over batches that lie ready."""

from __future__ import annotations

import logging
import warnings

import pytorch_lightning as lightning
import torch
from torch import nn
from torch.utils import data

from adapters import wrappers
from adapters.contract import NARROW, Preloaded
from adapters.declaration import SGD
from adapters.torch import TorchAdapter

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # it says at each fit which devices there are
warnings.filterwarnings("ignore", module="pytorch_lightning")  # and that it has one worker to load data


class LightningFit(TorchAdapter):
    """The adapter's layers and loss; backward and update are Lightning's and torch.optim's. A chunk is one fit."""

    calls_are_whole = True

    # What there is

    @classmethod
    def versions(cls) -> dict[str, str]:
        return super().versions() | {"pytorch-lightning": lightning.__version__}

    @classmethod
    def missing(cls, device: str, mode: str, dtype: str, input: str) -> str | None:
        if reason := wrappers.missing(device, input):
            return reason
        if dtype in NARROW:
            return "Lightning's own mixed precision is not measured"
        return "Lightning compiles nothing by itself" if mode != "eager" else None

    # The network

    def build(self) -> None:
        super().build()
        self.module = Module(self)

    # The work

    def train(self, preloaded: Preloaded, first: int, count: int) -> None:
        steps = [index % preloaded.steps for index in range(first, first + count)]
        batches = [(preloaded.images[index], preloaded.labels[index]) for index in steps]
        self.module.seen = []
        trainer = lightning.Trainer(accelerator="cpu", devices=1, max_epochs=1, barebones=True)
        trainer.fit(self.module, data.DataLoader(batches, batch_size=None))  # a list would be several loaders
        for index, loss in zip(steps, self.module.seen, strict=True):
            preloaded.losses[index] = loss

    # Own helpers

    def make_optimiser(self) -> torch.optim.Optimizer:
        match self.recipe.optimiser:
            case SGD(momentum=0.0):
                return torch.optim.SGD(self.parameters, self.rate, fused=True)
        return super().make_optimiser()


class Module(lightning.LightningModule):
    """What a user of Lightning writes: a step's loss, and the optimiser."""

    def __init__(self, adapter: LightningFit) -> None:
        super().__init__()
        self.adapter = adapter
        self.weights = nn.ParameterList(adapter.parameters)
        self.seen: list[torch.Tensor] = []

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], index: int) -> torch.Tensor:
        """Return the loss of a batch."""
        loss, found = self.adapter.scaled_loss(self.adapter.parameters, *batch)
        self.adapter.keep(found)
        self.seen.append(loss.detach())
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser, which outlives a fit."""
        return self.adapter.optimiser
