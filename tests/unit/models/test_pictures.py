from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from benchmarks.errors import DataError
from benchmarks.models.pictures import mnist_like, resized
from tests.unit.conftest import examples


def canvas(top=60, left=80, scale=4, side=200):
    """Return a 7 in light ink: a bar and a leg, in units of `scale` pixels."""
    picture = np.zeros((side, side), np.uint8)
    picture[top : top + 2 * scale, left : left + 10 * scale] = 255
    picture[top : top + 16 * scale, left + 7 * scale : left + 10 * scale] = 255
    return picture


SEVEN = mnist_like(canvas())


def box(image):
    rows, columns = np.flatnonzero(image.any(1)), np.flatnonzero(image.any(0))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def test_a_digit_fills_twenty_pixels_in_its_own_shape():
    assert box(SEVEN) == (20, 12)  # 16 by 10
    assert SEVEN.max() == 255


def test_its_mass_is_in_the_middle():
    assert ndimage.center_of_mass(SEVEN) == pytest.approx((14, 14), abs=0.5)


@pytest.mark.parametrize("place", [(0, 0), (0, 160), (136, 0), (136, 160)])
def test_a_corner_is_as_good_as_the_middle(place):
    np.testing.assert_array_equal(mnist_like(canvas(*place)), SEVEN)


@settings(deadline=None, max_examples=examples(30))
@given(st.integers(0, 136), st.integers(0, 160))
def test_where_it_lies_does_not_matter(top, left):
    np.testing.assert_array_equal(mnist_like(canvas(top, left)), SEVEN)


@pytest.mark.parametrize("scale", [2, 3, 6, 9])
def test_how_large_it_is_does_not_matter(scale):
    other = mnist_like(canvas(10, 10, scale))
    assert np.abs(other.astype(int) - SEVEN).mean() < 4


@settings(deadline=None, max_examples=examples(50))
@given(st.integers(0, 2**32 - 1), st.floats(0, 20))
def test_a_negative_shows_the_same_digit(seed, noise):
    noisy = canvas() + np.random.default_rng(seed).normal(0, noise, (200, 200))
    picture = np.clip(noisy, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(mnist_like(255 - picture), mnist_like(picture))


def test_a_one_stays_thin():
    picture = np.zeros((100, 100), np.uint8)
    picture[10:80, 50:54] = 255
    assert box(mnist_like(picture)) == (20, 1)


def test_uneven_paper_and_its_noise_are_no_ink():
    light = np.linspace(90, 220, 200)[None] * np.linspace(1, 0.8, 200)[:, None]
    noise = np.random.default_rng(0).normal(0, 4, (200, 200))
    picture = np.where(canvas() > 0, light - 80, light) + noise
    other = mnist_like(np.clip(picture, 0, 255).astype(np.uint8))
    assert np.abs(other.astype(int) - SEVEN).mean() < 12
    with pytest.raises(DataError, match="no ink"):
        mnist_like(np.clip(light + noise, 0, 255).astype(np.uint8))


def test_a_speck_of_dirt_is_no_part_of_the_digit():
    picture = canvas()
    picture[190:193, 5:8] = 255
    np.testing.assert_array_equal(mnist_like(picture), SEVEN)


@pytest.mark.parametrize("level", [0, 127, 255])
@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (28, 28), (300, 200)])
def test_an_empty_canvas_has_no_digit(shape, level):
    with pytest.raises(DataError, match="no ink"):
        mnist_like(np.full(shape, level, np.uint8))


@settings(deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=60)))
def test_any_pixels_are_a_digit_or_refused(picture):
    assert resized(picture).shape == (28, 28)
    try:
        found = mnist_like(picture)
    except DataError:
        return
    assert found.shape == (28, 28)
    assert found.dtype == np.uint8
    assert found.any()


def test_the_tutorials_way_leaves_the_digit_where_and_as_it_is():
    assert resized(255 - canvas(0, 0))[20:, 20:].min() == 255
