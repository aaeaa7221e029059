"""LeNet in PyTorch: modules in a Sequential, autograd, an optimiser of torch.optim. README.md says how to run it."""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

BATCH, RATE, EPOCHS = 100, 0.1, 10
FILE = Path(__file__).with_name("mnist.npz")


def digits(part):
    """Return the images (N, 1, 28, 28), pixels 0..1, and labels (N,) of a part: train or test."""
    with np.load(FILE) as data:
        images, labels = torch.from_numpy(data[f"x_{part}"]), torch.from_numpy(data[f"y_{part}"])
    return images.float().unsqueeze(1) / 255, labels.long()


def network():
    model = nn.Sequential(
        nn.Conv2d(1, 20, 5),  # (B, 1, 28, 28) -> (B, 20, 24, 24)
        nn.Tanh(),
        nn.MaxPool2d(2),  # -> (B, 20, 12, 12)
        nn.Conv2d(20, 50, 5),  # -> (B, 50, 8, 8)
        nn.Tanh(),
        nn.MaxPool2d(2),  # -> (B, 50, 4, 4)
        nn.Flatten(),  # -> (B, 800)
        nn.Linear(800, 500),
        nn.Tanh(),
        nn.Linear(500, 10),  # logits: cross_entropy has the softmax
    )
    for layer in model:
        if isinstance(layer, nn.Conv2d | nn.Linear):  # the default is another one
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return model


def optimizer_of(model):
    return torch.optim.SGD(model.parameters(), lr=RATE)


def train_step(model, optimizer, images, labels):
    optimizer.zero_grad()  # backward adds to the gradients that are there
    loss = cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.detach()


@torch.no_grad()
def accuracy(model, images, labels):
    return (model(images).argmax(1) == labels).float().mean().item()


def main():
    torch.manual_seed(0)
    train, test = digits("train"), digits("test")
    model = network()
    optimizer = optimizer_of(model)
    for epoch in range(EPOCHS):
        for images, labels in DataLoader(TensorDataset(*train), BATCH, shuffle=True):
            train_step(model, optimizer, images, labels)
        print(f"epoch {epoch + 1}: accuracy {accuracy(model, *test):.4f}")


if __name__ == "__main__":
    main()
