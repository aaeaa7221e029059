from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from benchmarks.errors import DataError
from benchmarks.plan.data import pictures
from benchmarks.plan.data.pictures import decode

GREY = np.full((60, 90), 255, np.uint8)
GREY[5:15, 10:60] = 0
PICTURE = Image.fromarray(GREY)


def written(image, kind, **more):
    file = io.BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of(width, height):
    """Return a PNG whose header claims this size and whose pixels are all there, compressed, in a few bytes a row."""
    pixels = zlib.compress(bytes((width + 7) // 8 + 1) * height)
    header = struct.pack(">2I5B", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_kind_of_png_has_its_grey_levels(mode):
    np.testing.assert_array_equal(decode(written(PICTURE.convert(mode), "PNG")), GREY)


def test_sixteen_bits_are_scaled_not_cut_off():
    deep = Image.fromarray((GREY // 2).astype(np.uint16) * 256)
    np.testing.assert_array_equal(decode(written(deep, "PNG")), GREY // 2)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_kind_of_jpeg_has_nearly_its_grey_levels(mode):
    assert np.abs(decode(written(PICTURE.convert(mode), "JPEG")).astype(int) - GREY).mean() < 2


def test_what_is_transparent_is_white():
    picture = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 255), (10, 10, 20, 30))
    expected = np.full((40, 40), 255)
    expected[10:30, 10:20] = 0
    np.testing.assert_array_equal(decode(written(picture, "PNG")), expected)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda upright: upright),
        (2, np.fliplr),
        (3, lambda upright: np.rot90(upright, 2)),
        (4, np.flipud),
        (5, np.transpose),
        (6, lambda upright: np.rot90(upright, 1)),
        (7, lambda upright: np.rot90(upright, 2).T),
        (8, lambda upright: np.rot90(upright, -1)),
    ],
)
def test_a_picture_stands_as_the_camera_was_held(kind, orientation, turn):
    exif = Image.Exif()
    exif[0x112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turn(GREY)))
    found = decode(written(stored, kind, exif=exif))
    assert found.shape == GREY.shape
    assert np.abs(found.astype(int) - GREY).mean() < 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_large_picture_is_made_small(kind):
    found = decode(written(Image.fromarray(np.kron(GREY, np.ones((40, 40), np.uint8))), kind))
    assert pictures.MAX_SIDE <= max(found.shape) < 2 * pictures.MAX_SIDE
    assert found.shape[1] / found.shape[0] == pytest.approx(1.5, rel=0.01)


def test_a_line_of_a_million_pixels_is_made_small():
    assert max(decode(png_of(1_000_000, 1)).shape) < 2 * pictures.MAX_SIDE


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"a text", "not a PNG or JPEG"),
        (written(PICTURE, "BMP"), "not a PNG or JPEG"),
        (written(PICTURE, "PNG")[:-30], "damaged or cut short"),
        (written(PICTURE, "PNG")[:20], "damaged or cut short"),
        (written(PICTURE, "JPEG")[:-100], "damaged or cut short"),
        (written(PICTURE, "JPEG")[:30], "damaged or cut short"),
        (png_of(10_001, 5_000), "10001x5000 pixels: more than 50 megapixels"),
        (b"\xff\xd8\xff" + bytes(33 << 20), "more than 32 MiB"),
        (written(PICTURE, "JPEG", progressive=True).replace(b"\xff\xd9", b"\xff\xda" * 201), "more than 200 scans"),
    ],
)
def test_what_is_no_picture_is_said_in_one_line(data, words):
    with pytest.raises(DataError, match=words) as refused:
        decode(data)
    assert str(refused.value).isprintable()


def test_a_bomb_is_not_decompressed():
    bomb = png_of(10_000, 10_000)
    tracemalloc.start()
    with pytest.raises(DataError, match="100"):
        decode(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_the_limit_is_the_caller_s():
    decode(png_of(100, 100))
    with pytest.raises(DataError, match=r"more than 0\.005 megapixels"):
        decode(png_of(100, 100), max_pixels=5000)
