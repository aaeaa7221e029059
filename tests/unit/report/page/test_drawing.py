from __future__ import annotations

import base64
import io
import re

from PIL import Image

from report.page import drawing as drawing_module
from report.page.drawing import Drawing


def test_digits_become_images_and_what_is_none_becomes_nothing():
    pixels = bytes(range(12))
    uri = drawing_module.uri(base64.b64encode(pixels).decode(), 3, 4)
    image = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,"))))
    assert (image.size, image.tobytes()) == ((4, 3), pixels)
    for wrong in (("!", 3, 4), (None, 3, 4), ("AAAA", 3, 4), ("", 0, 0), ("AAAA", 3, "1"), ("A" * 400_000, 500, 600)):
        assert drawing_module.uri(*wrong) == ""


def test_a_drawing_has_no_styles_and_draws_black_in_the_colour_of_the_text():
    with Drawing("one") as drawing:
        [line] = drawing.axes.plot([1, 2], [1, 2], color=drawing_module.BLACK, label="$x$ <b>")
        drawing.mark(line, "a <b> & c", {"framework": "numpy"})
        drawing.axes.legend()
    assert "style" not in re.sub(r"font-style", "", drawing.svg)
    assert "#000000" not in drawing.svg
    assert 'fill="currentColor"' in drawing.svg.split(">")[0]
    assert 'data-framework="numpy"' in drawing.svg
    assert "<title>a &lt;b&gt; &amp; c</title>" in drawing.svg
    assert "$x$ &lt;b&gt;" in drawing.svg


def test_drawings_of_one_page_share_no_ids():
    ids = []
    for name in ("one", "two"):
        with Drawing(name) as drawing:
            drawing.axes.plot([1, 2], [1, 2], "o")
        found = re.findall(r' id="([^"]+)"', drawing.svg)
        assert set(re.findall(r'href="#([^"]+)"', drawing.svg)) <= set(found)
        ids += found
    assert ids
    assert len(ids) == len(set(ids))


def test_frameworks_look_different_in_colour_marker_and_line():
    looks = list(drawing_module.LOOKS.values())
    for values in zip(*((look.colour, look.marker, str(look.line), look.sign) for look in looks), strict=True):
        assert len(set(values)) == len(looks) == 6
    assert drawing_module.look("unheard of") == drawing_module.OTHER
