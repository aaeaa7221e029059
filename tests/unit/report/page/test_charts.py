from __future__ import annotations

import base64
import io

from PIL import Image

from adapters.registry import FRAMEWORKS, OTHER, record
from report.page import charts
from report.page.charts import library  # as it is, before it is left out of pages


def test_digits_become_images_and_what_is_none_becomes_nothing():
    pixels = bytes(range(12))
    uri = charts.uri(base64.b64encode(pixels).decode(), {"height": 3, "width": 4})
    image = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))
    assert (image.size, image.tobytes()) == ((4, 3), pixels)
    for wrong in (
        ("!", 3, 4),
        (None, 3, 4),
        ("AAAA", 3, 4),
        ("", 0, 0),
        ("AAAA", 3, "1"),
        ("A" * 400_000, 500, 600),
        ("AAAA", 3, 1, 2),
    ):
        assert charts.uri(wrong[0], dict(zip(("height", "width", "channels"), wrong[1:], strict=False))) == ""


def test_colours_stay():
    pixels = bytes(range(24))  # (C, H, W)
    uri = charts.uri(base64.b64encode(pixels).decode(), {"channels": 3, "height": 2, "width": 4})
    image = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))
    assert [band.tobytes() for band in image.split()] == [pixels[:8], pixels[8:16], pixels[16:]]


def test_frameworks_look_different_in_colour_marker_and_line():
    looks = [framework.look for framework in FRAMEWORKS.values()]
    for values in zip(*((one.colour, one.shape, str(one.dash), one.sign) for one in looks), strict=True):
        assert len(set(values)) == len(looks), "adapters/registry.py: two frameworks look alike in this"
    assert record("unheard of").look == OTHER


def test_records_lose_what_is_no_finite_number_and_end_no_element():
    text = charts.as_records([{"low": float("inf"), "speed": 1.5, "hint": "</script><b>", "n": 10**30}])
    assert text == '[{"speed":1.5,"hint":"\\u003c/script>\\u003cb>","n":1000000000000000000000000000000}]'


def test_the_library_is_one_text_that_ends_no_element_and_is_the_same_each_time():
    assert "</script" not in library()
    assert "window.vegaEmbed=" in library()
    assert library() == library()
