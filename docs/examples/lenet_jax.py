"""LeNet in JAX: pure functions of parameters and data, differentiated and compiled. README.md says how to run it."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.nn.initializers import glorot_uniform

BATCH, RATE, EPOCHS = 100, 0.1, 10
FILE = Path(__file__).with_name("mnist.npz")


def digits(part):
    """Return the images (N, 1, 28, 28), pixels 0..1, and labels (N,) of a part: train or test."""
    with np.load(FILE) as data:
        return jnp.float32(data[f"x_{part}"][:, np.newaxis]) / 255, jnp.int32(data[f"y_{part}"])


def network(key):
    """Return weight and bias of each layer: convolutions (out, in, 5, 5), dense layers (in, out)."""
    convolution, dense = glorot_uniform(in_axis=1, out_axis=0), glorot_uniform()
    keys = jax.random.split(key, 4)
    return [
        (convolution(keys[0], (20, 1, 5, 5)), jnp.zeros(20)),
        (convolution(keys[1], (50, 20, 5, 5)), jnp.zeros(50)),
        (dense(keys[2], (800, 500)), jnp.zeros(500)),
        (dense(keys[3], (500, 10)), jnp.zeros(10)),
    ]


def forward(parameters, x):
    *convolutions, (w3, b3), (w4, b4) = parameters
    for weight, bias in convolutions:  # (B, 1, 28, 28) -> (B, 20, 12, 12) -> (B, 50, 4, 4)
        x = jnp.tanh(lax.conv(x, weight, (1, 1), "VALID") + bias[:, None, None])
        x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    x = jnp.tanh(x.reshape(len(x), 800) @ w3 + b3)
    return x @ w4 + b4  # logits: the loss has the softmax


def cross_entropy(parameters, images, labels):
    chances = jax.nn.log_softmax(forward(parameters, images))
    return -jnp.take_along_axis(chances, labels[:, None], axis=1).mean()


@jax.jit
def train_step(parameters, images, labels):
    loss, gradients = jax.value_and_grad(cross_entropy)(parameters, images, labels)
    return jax.tree.map(lambda w, g: w - RATE * g, parameters, gradients), loss


@jax.jit
def accuracy(parameters, images, labels):
    return (forward(parameters, images).argmax(1) == labels).mean()


def main():
    start, *orders = jax.random.split(jax.random.key(0), EPOCHS + 1)
    (images, labels), test = digits("train"), digits("test")
    parameters = network(start)
    for epoch, key in enumerate(orders):
        order = jax.random.permutation(key, len(labels))
        for first in range(0, len(labels), BATCH):
            batch = order[first : first + BATCH]
            parameters, _ = train_step(parameters, images[batch], labels[batch])
        print(f"epoch {epoch + 1}: accuracy {accuracy(parameters, *test):.4f}")


if __name__ == "__main__":
    main()
