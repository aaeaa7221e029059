"""A picture, which anyone may have made, becomes one digit as MNIST has it: light on dark, 28x28.

MNIST's own steps (Y. LeCun, C. Cortes, C. Burges, http://yann.lecun.com/exdb/mnist/): the digit is fitted into 20x20
pixels, keeping its shape, with grey levels from antialiasing, and placed in 28x28 by its centre of mass. Before them
the ink is found on paper of any shade, lit unevenly, which NIST's forms did not need.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from benchmarks.errors import DataError

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
SIDE, BOX = 28, 20  # of the result, and of the square in it that the digit fills
CONTRAST = 16  # grey levels that ink must differ from paper by
NOISE = 5  # standard deviations of the paper's noise that it must differ by as well
UNEVEN = 8  # grey levels: half of the border is farther than this from its middle where the light is uneven
SPECK = 0.05  # a patch of ink with less than this share of the ink of the largest is dirt
SMALLEST = 5  # pixels: the longer side of what can be a digit
FULL = 90  # percentile of the ink that counts as fully inked


def mnist_like(image: Grey) -> Grey:
    """Return the digit of a grey picture (H, W) as MNIST would have it, (28, 28); DataError where there is no ink."""
    return _centred(_fitted(_cropped(_ink(image))))


def resized(image: Grey, size: tuple[int, int] = (SIDE, SIDE)) -> Grey:
    """Return a picture, (H, W) or (H, W, 3), squeezed into another size: no inversion, no box, no centre of mass.

    Source: load_image of https://github.com/PaddlePaddle/book/tree/develop/02.recognize_digits, convert("L") and
    resize((28, 28), Image.ANTIALIAS), since Pillow 10 named LANCZOS.
    """
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS))


def _ink(image: Grey) -> Floats:
    """Return for each pixel of (H, W) how much ink it has, 0 to 1: none, where it cannot be told from the paper."""
    away = image - _paper(image)
    away *= np.sign((away * away * away).sum())  # ink is on the side of the paper's level where few pixels lie far away
    least = max(CONTRAST, NOISE * 1.4826 * float(np.median(np.abs(away[_border(image.shape)]))))
    away[away < least] = 0
    if not away.any():
        return away
    level = float(np.percentile(away[away > 0], FULL))
    return _clean(np.minimum(away / level, 1.0))


def _paper(image: Grey) -> Floats:
    """Return the paper's grey level at each pixel: the middle one of the border, which is mostly paper.

    Where that is uneven it is a quadratic surface through the border, of least absolute deviations (by reweighting), so
    that ink which reaches the border does not bend it. Even paper needs none, and a thick digit in a tight picture
    would bend it.
    """
    border = _border(image.shape)
    middle = float(np.median(image[border]))
    if np.median(np.abs(image[border] - middle)) < UNEVEN:
        return np.full(image.shape, middle)
    y, x = (np.linspace(-1, 1, side) for side in image.shape)
    y = y[:, None]
    terms = np.stack([np.broadcast_to(term, image.shape) for term in (1, x, y, x * y, x * x, y * y)], -1)
    every = max(1, int(border.sum()) // 1000)
    places, levels = terms[border][::every], image[border][::every] - middle
    weights = np.ones_like(levels)
    for _ in range(10):
        fit = np.linalg.lstsq(places * weights[:, None], levels * weights, rcond=None)[0]
        weights = 1 / np.sqrt(np.maximum(np.abs(levels - places @ fit), 1e-3))
    paper: Floats = middle + np.round(terms @ fit, 3)  # rounded: a picture and its negative give the same digit
    return paper


def _border(shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Return where an outer frame of an eighth of the shorter side lies."""
    inside = np.zeros(shape, bool)
    margin = max(1, min(shape) // 8)
    inside[margin:-margin, margin:-margin] = True
    return ~inside


def _clean(ink: Floats) -> Floats:
    """Return the ink without specks: patches that hold little ink beside the one that holds most."""
    patches, _ = ndimage.label(ink > 0, np.ones((3, 3)))
    held = np.bincount(patches.ravel(), ink.ravel())
    return np.where((held >= SPECK * held.max())[patches], ink, 0)


def _cropped(ink: Floats, least: float = 0.5) -> Floats:
    """Return the box around all pixels with at least so much ink; DataError where it is too small for a digit."""
    rows, columns = (np.flatnonzero((ink >= least).any(axis)) for axis in (1, 0))
    if not len(rows) or max(np.ptp(rows), np.ptp(columns)) + 1 < SMALLEST:
        raise DataError("no ink: nothing in the picture stands out as a digit; draw or photograph it larger and darker")
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _fitted(ink: Floats) -> Floats:
    """Return the ink scaled so that its longer side has 20 pixels and its shape is kept."""
    height, width = (max(1, round(side * BOX / max(ink.shape))) for side in ink.shape)
    scaled = Image.fromarray(ink.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    return np.clip(np.asarray(scaled, np.float64), 0, 1)


def _centred(ink: Floats) -> Grey:
    """Return (28, 28) with the ink's centre of mass at pixel 14, as near as whole pixels and the frame allow.

    Pixel 14 counted from 0: there it lies in MNIST's own images (mean 13.99 and 14.00, standard deviation 0.29).
    """
    result = np.zeros((SIDE, SIDE), np.uint8)
    mass = ndimage.center_of_mass(ink)
    top, left = (
        int(np.clip(round(SIDE / 2 - middle), 0, SIDE - side)) for middle, side in zip(mass, ink.shape, strict=True)
    )
    result[top : top + ink.shape[0], left : left + ink.shape[1]] = np.round(255 * ink)
    return result
