"""What each step between a picture and the network is worth: digits on canvases, read with all steps and with one less.

`python tests/studies/canvases.py WEIGHTS` in .tox/test, with a file or folder of lenet's weights and LOCKSTEP_DATA.
Test digits of MNIST are drawn onto larger canvases, seeded; the last lines are scikit-learn's load_digits, 1,797 digits
of 8x8 by 43 people who are not in MNIST, scaled up. Prints accuracies in per cent; about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from adapters.numpy import NumpyAdapter
from adapters.recipes import RECIPES
from benchmarks.errors import DataError
from benchmarks.models import checkpoint, pictures
from benchmarks.models.checkpoint import WEIGHTS
from benchmarks.plan.data.readers import read_idx
from benchmarks.worker import inputs

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
WAYS = (
    "ours", "no inversion", "no crop", "no aspect", "by box", "no threshold", "resize", "resize, inverted",
)  # fmt: skip
CANVAS = 280  # pixels: what a page's box to draw in has
RECIPE = RECIPES["lenet"]


@dataclass(frozen=True)
class Look:
    """How digits are drawn; a pair is drawn from uniformly."""

    size: tuple[float, float] = (0.6, 0.8)  # the digit's longer side, of the canvas
    corner: bool = False
    inverted: float = 0.0  # the share that is dark on light
    thicker: tuple[float, float] = (0.0, 0.0)  # pixels of MNIST that strokes gain on each side
    noise: tuple[float, float] = (0.0, 0.0)  # standard deviation, grey levels
    anywhere: bool = False


PLAIN = Look()
LOOKS = {
    "plain": PLAIN,
    "small": replace(PLAIN, size=(0.12, 0.25)),
    "corner": replace(PLAIN, size=(0.3, 0.5), corner=True),
    "anywhere": replace(PLAIN, size=(0.2, 0.5), anywhere=True),
    "inverted": replace(PLAIN, inverted=1.0),
    "thick": replace(PLAIN, thicker=(0.4, 0.8)),
    "thin": replace(PLAIN, thicker=(-0.6, -0.3)),
    "noise": replace(PLAIN, noise=(5.0, 15.0)),
}
MIXED = Look((0.15, 0.9), anywhere=True, inverted=0.5, thicker=(-0.4, 0.6), noise=(0.0, 10.0))


def drawn(image: Grey, look: Look, generator: np.random.Generator) -> Grey:
    """Return a digit of MNIST on a canvas, (CANVAS, CANVAS)."""
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    digit_only = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = generator.uniform(*look.size) * CANVAS / max(digit_only.shape)
    margin = 2
    large = Image.fromarray(np.pad(digit_only, margin)).resize(
        [round((side + 2 * margin) * scale) for side in digit_only.shape[::-1]], Image.Resampling.BICUBIC
    )
    pixels = round(scale * generator.uniform(*look.thicker))
    if pixels:
        wider = ImageFilter.MaxFilter if pixels > 0 else ImageFilter.MinFilter
        large = large.filter(wider(2 * abs(pixels) + 1))
    stroke = np.clip((np.asarray(large, np.float64) - 127.5) * max(1.0, scale / 2) + 127.5, 0, 255)
    canvas = np.zeros((CANVAS, CANVAS))
    free = [CANVAS - side for side in stroke.shape]
    if look.anywhere:
        top, left = (int(generator.integers(0, most + 1)) if most > 0 else 0 for most in free)
    elif look.corner:
        top, left = (int(generator.integers(0, 2)) * max(0, most) for most in free)
    else:
        top, left = (max(0, most // 2 + int(generator.integers(-8, 9))) for most in free)
    part = canvas[top : top + stroke.shape[0], left : left + stroke.shape[1]]
    part[...] = stroke[: part.shape[0], : part.shape[1]]
    if generator.random() < look.inverted:
        canvas = 255 - canvas
    canvas += generator.normal(0, generator.uniform(*look.noise), canvas.shape)
    return np.clip(np.round(canvas), 0, 255).astype(np.uint8)


def stretched(ink: Floats) -> Grey:
    """Return the digit as seen, but filling all of 20x20."""
    return pictures._centred(resized(pictures._cropped(ink), 20))


def boxed(ink: Floats) -> Grey:
    """Return the digit as seen, but with its box, not its mass, in the middle."""
    box = pictures._fitted(pictures._cropped(ink))
    before = [(28 - side) // 2 for side in box.shape]
    sides = [(first, 28 - side - first) for first, side in zip(before, box.shape, strict=True)]
    return bytes_of(np.pad(box, sides))


def in_place(ink: Floats) -> Grey:
    """Return the ink where and as large as it is on the canvas."""
    return bytes_of(resized(ink, 28))


def resized(ink: Floats, side: int) -> Floats:
    square = Image.fromarray(ink.astype(np.float32)).resize((side, side), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(square, np.float64), 0, 1)


def bytes_of(ink: Floats) -> Grey:
    return np.round(255 * ink).astype(np.uint8)


def no_threshold(image: Grey) -> Grey:
    """Return what is seen by one to whom all that is not exactly paper is ink."""
    away = np.abs(image - np.median(image))
    return pictures._centred(pictures._fitted(pictures._cropped(away / max(1.0, away.max()), 1 / 255)))


def ways(image: Grey) -> Iterator[Grey | None]:
    """Yield what each of WAYS makes of a picture; None where there is no ink."""
    try:
        ink = pictures._ink(image)
        found = pictures._centred(pictures._fitted(pictures._cropped(ink)))
        yield from (found, 255 - found if np.median(image) > 127 else found)
        yield from (in_place(ink), stretched(ink), boxed(ink), no_threshold(image))
    except DataError:
        yield from [None] * 6
    squeezed = pictures.resized(image)
    yield from (squeezed, 255 - squeezed)


class Reader:
    """lenet with given weights, in NumPy."""

    def __init__(self, path: Path) -> None:
        self.adapter = NumpyAdapter(RECIPE, "cpu", "eager", "float32")
        self.adapter.set_weights(checkpoint.read_weights(path / WEIGHTS if path.is_dir() else path, RECIPE.model))
        self.values = inputs.pixel_values(RECIPE.pixels, "float32")

    def __call__(self, images: Grey) -> npt.NDArray[np.int64]:
        """Return the digit of each of (N, 28, 28)."""
        batch = self.adapter.put(self.values[images][None, :, None], np.zeros((1, len(images)), np.int64))
        return self.adapter.fetch(self.adapter.evaluate(batch, 0, 1)).argmax(-1)


def accuracies(reader: Reader, pictures: Iterable[Grey], labels: Grey) -> list[float]:
    """Return for each of WAYS the share of pictures that are read right; where there is no ink nothing is."""
    right = []
    for found in zip(*map(ways, pictures), strict=True):
        there = np.array([image is not None for image in found])
        read = reader(np.stack([image for image in found if image is not None]))
        right.append(float((read == labels[there]).sum() / len(labels)))
    return right


def canvases(images: Grey, look: Look, seed: int = 0) -> Iterator[Grey]:
    generator = np.random.default_rng(seed)
    return (drawn(image, look, generator) for image in images)


def eights() -> tuple[list[Grey], Grey]:
    """Return load_digits' 1,797 pictures, scaled up, and their labels."""
    from sklearn.datasets import load_digits  # takes seconds

    data = load_digits()
    small = [Image.fromarray((image * (255 / 16)).astype(np.uint8)) for image in data.images]
    return [np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC)) for image in small], data.target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    given = parser.parse_args()
    folder, reader = Path(os.environ["LOCKSTEP_DATA"]), Reader(given.weights)
    images = read_idx(folder / "t10k-images-idx3-ubyte.gz")[: given.count]
    labels = read_idx(folder / "t10k-labels-idx1-ubyte.gz")[: given.count]
    print(f"MNIST's own images: {100 * float((reader(images) == labels).mean()):.2f}")
    print(f"| canvases | digits | {' | '.join(WAYS)} |\n{'| --- ' * (len(WAYS) + 2)}|")
    for name, look in {**LOOKS, "all of it": MIXED}.items():
        count = given.count if look is MIXED else given.count // 4
        line(name, reader, canvases(images[:count], look), labels[:count])
    line("load_digits", reader, *eights())


def line(name: str, reader: Reader, pictures: Iterable[Grey], labels: Grey) -> None:
    figures = (f"{100 * share:.1f}" for share in accuracies(reader, pictures, labels))
    print(f"| {name} | {len(labels):,} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
