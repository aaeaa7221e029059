"""Images of the data as data URIs: a PNG of 28 x 28 grey bytes is a third of what as many SVG squares would be."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any

from PIL import Image

LARGEST = 256  # pixels a side; what is larger is no digit


def uri(pixels: Any, height: Any, width: Any) -> str:
    """Return a grey image as a data URI from its base64 bytes, empty if they are not height * width bytes."""
    if not (isinstance(pixels, str) and isinstance(height, int) and isinstance(width, int)):
        return ""
    try:
        raw = base64.b64decode(pixels, validate=True)
    except (binascii.Error, ValueError):
        return ""
    if not (0 < height <= LARGEST and 0 < width <= LARGEST and len(raw) == height * width):
        return ""
    written = io.BytesIO()
    Image.frombytes("L", (width, height), raw).save(written, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()
