"""How figures look, and how they become inline SVG under a strict policy: no style attribute or sheet, no foreign id.

Each framework has one colour, marker and line style. Colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/);
marker and line style say the same without colour. Black becomes the page's own text colour, so that one drawing serves
light and dark. A mark may carry facets for the page's filter and a title that shows on hover. The same marks give the
same bytes. Images of the data are PNGs as data URIs: of 28 x 28 grey bytes a third of what SVG squares would be.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree  # reads what matplotlib has just written, nothing from outside

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator
from PIL import Image

from report.page.parts import Facets

BLACK = "#000000"


@dataclass(frozen=True)
class Look:
    """A colour (sRGB), a marker and a line style in matplotlib's notation, and the marker as a character."""

    colour: str
    marker: str
    line: str | tuple[int, tuple[float, ...]]
    sign: str


LOOKS = {
    "torch": Look("#D55E00", "o", "-", "●"),
    "tensorflow": Look("#E69F00", "s", (0, (6, 1.5)), "■"),
    "paddle": Look("#0072B2", "^", (0, (4, 1.5, 1, 1.5)), "▲"),
    "mxnet": Look("#009E73", "D", (0, (2, 1)), "◆"),
    "jax": Look("#CC79A7", "v", (0, (8, 1.5, 2, 1.5)), "▼"),
    "numpy": Look(BLACK, "P", (0, (1, 1.2)), "✚"),
}
OTHER = Look("#56B4E9", "X", "-", "✖")  # a framework this version does not know
PARTS = (  # of one launch: four of getting ready, two first calls, three of work
    "#2b4a7a", "#4f86c6", "#93bbe3", "#cadcf0", "#7b3f61", "#c58fae", "#8a6d1d", "#e0b93f", "#f2e0a0",
)  # fmt: skip


def look(framework: str) -> Look:
    """Return how a framework is drawn; all that are not known look alike."""
    return LOOKS.get(framework, OTHER)


LARGEST = 256  # pixels a side; what is larger is no digit


def uri(pixels: Any, height: Any, width: Any) -> str:
    """Return a grey image as a data URI from its base64 bytes, empty if they are not height * width bytes."""
    if not (isinstance(pixels, str) and isinstance(height, int) and isinstance(width, int)):
        return ""
    try:
        raw = base64.b64decode(pixels, validate=True)
    except ValueError:
        return ""
    if not (0 < height <= LARGEST and 0 < width <= LARGEST and len(raw) == height * width):
        return ""
    written = io.BytesIO()
    Image.frombytes("L", (width, height), raw).save(written, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()


SETTINGS = {
    "svg.fonttype": "none", "svg.hashsalt": "lockstep", "text.parse_math": False, "font.size": 9.5,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "axes.edgecolor": "#808080",
    "axes.grid": True, "axes.axisbelow": True, "grid.color": "#808080", "grid.alpha": 0.22, "grid.linewidth": 0.6,
    "xtick.color": "#808080", "ytick.color": "#808080", "xtick.labelcolor": "black", "ytick.labelcolor": "black",
    "xtick.major.size": 2.5, "ytick.major.size": 2.5, "xtick.minor.size": 0, "ytick.minor.size": 0,
    "legend.frameon": False, "legend.handlelength": 2.6, "lines.markersize": 4.5, "lines.linewidth": 1.4,
}  # fmt: skip
WIDTH = 380  # points, which are the SVG's units: a phone shows them one to one
DROPPED = {"font-family", "white-space"}
BLACKS = {"#000000", "black"}


class Drawing:
    """One figure with one pair of axes; leave the `with` block before asking for its SVG."""

    def __init__(self, name: str, height: float = 250, width: float = WIDTH) -> None:
        self.name = name
        self.marks: dict[str, tuple[Facets, str]] = {}
        self.settings = mpl.rc_context(SETTINGS)  # type: ignore[arg-type]  # its keys are literal types there
        self.size = (width / 72, height / 72)

    def __enter__(self) -> Drawing:
        self.settings.__enter__()
        self.figure = Figure(figsize=self.size, dpi=72)  # 72 points an inch, as SVG has
        self.axes: Axes = self.figure.subplots()
        return self

    def __exit__(self, *raised: Any) -> None:
        if raised[0] is None:
            self.svg = self.drawn()
        self.settings.__exit__(*raised)

    def mark(self, artist: Artist, title: str = "", facets: Facets | None = None) -> None:
        """Give an artist a title to show on hover, and the facets that it is filtered by."""
        name = f"mark{len(self.marks)}"
        artist.set_gid(name)
        self.marks[name] = (facets or {}, title)

    def legend(self, **others: Any) -> None:
        """Name the frameworks above the axes; `others` are matplotlib's options that differ."""
        usual = {"ncols": 3, "loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "fontsize": 8.5}
        self.axes.legend(**{**usual, **others})

    def name_bars(self, names: Sequence[str]) -> None:
        """Name horizontal bars, from place 0 on; nothing but their lengths needs a grid."""
        self.axes.set_yticks(range(len(names)), names)
        self.axes.grid(visible=False, axis="y")
        self.axes.tick_params(axis="y", length=0)

    def decades(self, axis: Axis) -> None:
        """Label a logarithmic axis at 1, 2 and 5 of each decade, or at whole decades where there are many."""
        low, high = sorted(axis.get_view_interval())
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,), numticks=12))
        axis.set_major_formatter(_thousands)

    def drawn(self) -> Markup:
        """Return the figure as SVG that can stand in a page.

        It is laid out before: matplotlib draws a figure that still has an engine for its layout once more.
        """
        written = io.StringIO()
        self.axes.minorticks_off()  # they have no length, and still take time
        self.figure.patch.set_visible(False)
        self.axes.patch.set_visible(False)
        FigureCanvasSVG(self.figure)  # it measures text
        ConstrainedLayoutEngine().execute(self.figure)
        self.figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
        return _clean(written.getvalue(), self.name, self.marks)


def _thousands(value: float, _: float) -> str:
    """Return a tick of a logarithmic axis: 500, 20k, 3M."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:g}{unit}"
    return f"{value:g}"


def _clean(text: str, name: str, marks: Mapping[str, tuple[Facets, str]]) -> Markup:
    """Return an SVG document as an element for a page: `name` makes its ids unique, `marks` are known by theirs."""
    root = ElementTree.fromstring(text)  # noqa: S314  # matplotlib's own output
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    root.attrib |= {"stroke-linejoin": "round", "stroke-linecap": "butt"}  # what the removed style sheet said
    root.attrib["fill"] = "currentColor"  # where matplotlib leaves out that something is black
    used = set(re.findall(r"#([\w.-]+)", " ".join(value for item in root.iter() for value in item.attrib.values())))
    for item in root.iter():
        item.tag = item.tag.rpartition("}")[2]
        facets, title = marks.get(item.get("id", ""), ({}, ""))
        item.attrib = dict(_attributes(item.attrib, name, used)) | {f"data-{key}": text for key, text in facets.items()}
        if title:
            hint = ElementTree.Element("title")
            hint.text = title
            item.insert(0, hint)
        item.tail = None
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.attrib |= {"aria-hidden": "true", "focusable": "false"}  # the figure around it speaks for it
    _bare(root)
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704  # escaped by ElementTree


def _attributes(given: Mapping[str, str], name: str, used: set[str]) -> Any:
    """Yield an element's attributes: styles as attributes of their own, only ids that are used, short numbers."""
    for key, value in given.items():
        key = key.rpartition("}")[2]
        if key == "style":
            for declaration in value.split(";"):
                yield from _presentation(*(part.strip() for part in declaration.partition(":")[::2]))
        elif key == "id":
            if value in used:
                yield key, f"{name}-{value}"
        elif key in ("d", "x", "y", "transform", "points"):
            yield key, _rounded(value)
        else:
            yield key, re.sub(r"#([\w.-]+)", rf"#{name}-\1", value) if key in ("href", "clip-path") else value


def _presentation(key: str, value: str) -> Any:
    """Yield a declaration of a style as an attribute; `font` gives its size, black the colour of the text."""
    if key == "font":
        yield "font-size", (re.findall(r"([\d.]+)px", value) or ["10"])[0]
    elif key and key not in DROPPED:
        yield key, "currentColor" if value in BLACKS else _rounded(value) if key.startswith("stroke-dash") else value


def _rounded(value: str) -> str:
    """Return coordinates with at most two decimals: a hundredth of a point is nothing on any screen."""

    def shorter(found: re.Match[str]) -> str:
        return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")

    return re.sub(r"-?\d+\.\d+", shorter, " ".join(value.split()))


def _bare(item: ElementTree.Element) -> None:
    """Take away the white space between elements, and groups that say nothing."""
    if item.text is not None and not item.text.strip():
        item.text = None
    children = []
    for child in item:
        _bare(child)
        children += list(child) if child.tag == "g" and not child.attrib else [child]
    item[:] = children
