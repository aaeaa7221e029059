"""LeNet in NumPy: what the other libraries do for you, forward and backward by hand. README.md says how to run it."""

from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

BATCH, RATE, EPOCHS = 100, 0.1, 10
FILE = Path(__file__).with_name("mnist.npz")
SHAPES = (20, 1, 5, 5), (50, 20, 5, 5), (800, 500), (500, 10)  # convolutions (out, in, 5, 5), dense layers (in, out)


def digits(part):
    """Return the images (N, 1, 28, 28), pixels 0..1, and labels (N,) of a part: train or test."""
    with np.load(FILE) as data:
        return data[f"x_{part}"][:, np.newaxis].astype(np.float32) / 255, data[f"y_{part}"]


def network(generator):
    """Yield weight and bias of each layer: Glorot uniform, and zero."""
    for shape in SHAPES:
        limit = np.sqrt(6 / (sum(shape[:2]) * np.prod(shape[2:])))  # a kernel's area counts in both fans
        yield generator.uniform(-limit, limit, shape).astype(np.float32)
        yield np.zeros(shape[0] if len(shape) == 4 else shape[1], np.float32)


def convolve(x, weight):  # (B, in, H, W) -> (B, out, H - 4, W - 4)
    windows = sliding_window_view(x, (5, 5), axis=(2, 3))  # (B, in, H - 4, W - 4, 5, 5)
    return np.tensordot(windows, weight, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)


def block(x, weight, bias):  # convolution, tanh and pooling; also what backward needs
    a = np.tanh(convolve(x, weight) + bias[:, None, None])
    b, c, h, w = a.shape
    windows = a.reshape(b, c, h // 2, 2, w // 2, 2).swapaxes(3, 4).reshape(b, c, h // 2, w // 2, 4)
    largest = windows.argmax(-1, keepdims=True)
    return np.take_along_axis(windows, largest, -1)[..., 0], (x, a, largest)


def block_back(slope, x, a, largest):  # -> the gradients of weight and bias, and of what tanh was taken of
    windows = np.zeros((*slope.shape, 4), slope.dtype)
    np.put_along_axis(windows, largest, slope[..., None], -1)  # to the largest value of each window alone
    slope = windows.reshape(*slope.shape, 2, 2).swapaxes(3, 4).reshape(a.shape) * (1 - a**2)
    of_weight = np.tensordot(slope, sliding_window_view(x, (5, 5), axis=(2, 3)), ((0, 2, 3), (0, 2, 3)))
    return (of_weight, slope.sum((0, 2, 3))), slope


def forward(parameters, x):  # (B, 1, 28, 28) -> logits (B, 10); also what backward needs
    w1, b1, w2, b2, w3, b3, w4, b4 = parameters
    x, kept1 = block(x, w1, b1)  # (B, 20, 12, 12)
    x, kept2 = block(x, w2, b2)  # (B, 50, 4, 4)
    flat = x.reshape(len(x), 800)
    hidden = np.tanh(flat @ w3 + b3)
    return hidden @ w4 + b4, (kept1, kept2, flat, hidden)


def backward(parameters, slope, kept1, kept2, flat, hidden):  # from the slope of the logits (B, 10)
    _, _, w2, _, w3, _, w4, _ = parameters
    of_layer4 = hidden.T @ slope, slope.sum(0)
    slope = slope @ w4.T * (1 - hidden**2)
    of_layer3 = flat.T @ slope, slope.sum(0)
    of_layer2, slope = block_back((slope @ w3.T).reshape(-1, 50, 4, 4), *kept2)
    padded = np.pad(slope, ((0, 0), (0, 0), (4, 4), (4, 4)))
    of_layer1, _ = block_back(convolve(padded, w2[:, :, ::-1, ::-1].swapaxes(0, 1)), *kept1)
    return *of_layer1, *of_layer2, *of_layer3, *of_layer4


def train_step(parameters, images, labels):
    logits, kept = forward(parameters, images)
    logits -= logits.max(1, keepdims=True)  # exp cannot overflow
    sums, rows = np.exp(logits).sum(1, keepdims=True), np.arange(len(labels))
    loss = (np.log(sums[:, 0]) - logits[rows, labels]).mean()  # the cross entropy
    slope = np.exp(logits) / sums
    slope[rows, labels] -= 1
    for parameter, gradient in zip(parameters, backward(parameters, slope / len(labels), *kept), strict=True):
        parameter -= RATE * gradient
    return loss


def main():
    generator = np.random.default_rng(0)
    (images, labels), (test_images, test_labels) = digits("train"), digits("test")
    parameters = list(network(generator))
    for epoch in range(EPOCHS):
        for batch in np.split(generator.permutation(len(labels)), range(BATCH, len(labels), BATCH)):
            train_step(parameters, images[batch], labels[batch])
        right = forward(parameters, test_images)[0].argmax(1) == test_labels
        print(f"epoch {epoch + 1}: accuracy {right.mean():.4f}")


if __name__ == "__main__":
    main()
