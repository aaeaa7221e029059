"""LeNet in PaddlePaddle: layers in a Sequential, dygraph, an optimiser. README.md says how to run it."""

from pathlib import Path

import numpy as np
import paddle
from paddle import nn
from paddle.io import DataLoader, TensorDataset
from paddle.nn.functional import cross_entropy

BATCH, RATE, EPOCHS = 100, 0.1, 10
FILE = Path(__file__).with_name("mnist.npz")


def digits(part):
    """Return the images (N, 1, 28, 28), pixels 0..1, and labels (N,) of a part: train or test."""
    with np.load(FILE) as data:
        images, labels = paddle.to_tensor(data[f"x_{part}"]), paddle.to_tensor(data[f"y_{part}"])
    return images.astype("float32").unsqueeze(1) / 255, labels.astype("int64")


def network():
    nn.initializer.set_global_initializer(nn.initializer.XavierUniform(), nn.initializer.Constant(0.0))
    return nn.Sequential(
        nn.Conv2D(1, 20, 5),  # (B, 1, 28, 28) -> (B, 20, 24, 24)
        nn.Tanh(),
        nn.MaxPool2D(2),  # -> (B, 20, 12, 12)
        nn.Conv2D(20, 50, 5),  # -> (B, 50, 8, 8)
        nn.Tanh(),
        nn.MaxPool2D(2),  # -> (B, 50, 4, 4)
        nn.Flatten(),  # -> (B, 800)
        nn.Linear(800, 500),
        nn.Tanh(),
        nn.Linear(500, 10),  # logits: cross_entropy has the softmax
    )


def optimizer_of(model):
    return paddle.optimizer.SGD(RATE, parameters=model.parameters())


def train_step(model, optimizer, images, labels):
    loss = cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    optimizer.clear_grad()  # backward adds to the gradients that are there
    return loss.detach()


@paddle.no_grad()
def accuracy(model, images, labels):
    return float((model(images).argmax(1) == labels).astype("float32").mean())


def main():
    paddle.seed(0)
    train, test = digits("train"), digits("test")
    model = network()
    optimizer = optimizer_of(model)
    for epoch in range(EPOCHS):
        for images, labels in DataLoader(TensorDataset(train), batch_size=BATCH, shuffle=True):
            train_step(model, optimizer, images, labels)
        print(f"epoch {epoch + 1}: accuracy {accuracy(model, *test):.4f}")


if __name__ == "__main__":
    main()
