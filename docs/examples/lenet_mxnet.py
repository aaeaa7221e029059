"""LeNet in MXNet: gluon blocks, hybridized, a loss and a Trainer. README.md says how to run it."""

from pathlib import Path

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon
from mxnet.gluon import nn
from mxnet.gluon.data import ArrayDataset, DataLoader

BATCH, RATE, EPOCHS = 100, 0.1, 10
FILE = Path(__file__).with_name("mnist.npz")


def digits(part):
    """Return the images (N, 1, 28, 28), pixels 0..1, and labels (N,) of a part: train or test."""
    with np.load(FILE) as data:
        images, labels = data[f"x_{part}"], data[f"y_{part}"]
    return mx.nd.array(images[:, np.newaxis]) / 255, mx.nd.array(labels)  # float32 both


def network():
    model = nn.HybridSequential()
    model.add(
        nn.Conv2D(20, 5, activation="tanh"),  # (B, 1, 28, 28) -> (B, 20, 24, 24)
        nn.MaxPool2D(),  # -> (B, 20, 12, 12)
        nn.Conv2D(50, 5, activation="tanh"),  # -> (B, 50, 8, 8)
        nn.MaxPool2D(),  # -> (B, 50, 4, 4)
        nn.Flatten(),  # -> (B, 800)
        nn.Dense(500, activation="tanh"),
        nn.Dense(10),  # logits: the loss has the softmax
    )
    model.initialize(mx.init.Xavier())  # of the weights, whose shapes the first batch tells; biases are zero
    model.hybridize()  # the first call makes a graph
    return model


def trainer_of(model):
    return gluon.Trainer(model.collect_params(), "sgd", {"learning_rate": RATE})


cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()  # one loss for each image


def train_step(model, trainer, images, labels):
    with autograd.record():
        loss = cross_entropy(model(images), labels).mean()
    loss.backward()
    trainer.step(1)  # what the gradients are divided by: the loss is a mean already
    return loss


def accuracy(model, images, labels):
    return float((model(images).argmax(1) == labels).mean().asscalar())


def main():
    mx.random.seed(0)
    np.random.seed(0)  # of the DataLoader's order
    train, test = digits("train"), digits("test")
    model = network()
    trainer = trainer_of(model)
    for epoch in range(EPOCHS):
        for images, labels in DataLoader(ArrayDataset(*train), BATCH, shuffle=True):
            train_step(model, trainer, images, labels)
        print(f"epoch {epoch + 1}: accuracy {accuracy(model, *test):.4f}")


if __name__ == "__main__":
    main()
