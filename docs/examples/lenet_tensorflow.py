"""LeNet in TensorFlow: a Keras network, compiled and fitted. README.md says how to run it."""

from pathlib import Path

import numpy as np
from tensorflow import keras
from tensorflow.keras import layers

BATCH, RATE, EPOCHS = 100, 0.1, 10
FILE = Path(__file__).with_name("mnist.npz")


def digits(part):
    """Return the images (N, 28, 28, 1), pixels 0..1, and labels (N,) of a part: train or test."""
    with np.load(FILE) as data:
        return data[f"x_{part}"][..., np.newaxis].astype("float32") / 255, data[f"y_{part}"]


def network():
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),  # the channel comes last
            layers.Conv2D(20, 5, activation="tanh"),  # -> (B, 24, 24, 20)
            layers.MaxPooling2D(),  # -> (B, 12, 12, 20)
            layers.Conv2D(50, 5, activation="tanh"),  # -> (B, 8, 8, 50)
            layers.MaxPooling2D(),  # -> (B, 4, 4, 50)
            layers.Flatten(),  # -> (B, 800)
            layers.Dense(500, activation="tanh"),
            layers.Dense(10),  # logits: the loss has the softmax
        ]
    )  # weights are Glorot uniform and biases zero by default
    model.compile(
        optimizer=keras.optimizers.SGD(RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def main():
    keras.utils.set_random_seed(0)
    model = network()
    # It shuffles, takes the training steps, and prints the accuracy on the test images as val_accuracy.
    model.fit(*digits("train"), BATCH, EPOCHS, validation_data=digits("test"), verbose=2)


if __name__ == "__main__":
    main()
