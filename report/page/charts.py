"""How the page's charts look: one Vega-Lite specification a kind, which the page's script fills and draws anew.

A chart carries its numbers as records, and those of the filter's facets that its records have choose among them: axes,
order and each framework's best mode follow (transforms of the specification). The library is one text out of a pinned
package; it draws SVG without evaluating text as code, so a strict policy holds. Each framework has one colour, marker
and dash, which say the same thrice, and its releases are steps away from them (looks.py). Colours are Okabe and Ito's
(https://jfly.uni-koeln.de/color/); black is the page's own text colour, so that one chart serves light and dark. Images
of the data are PNGs as data URIs.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from PIL import Image

from adapters.registry import BLACK
from report.page.looks import Drawn

Spec = dict[str, Any]


PARTS = {  # of one launch: getting ready, first calls, work
    "start": "#2b4a7a", "import": "#4f86c6", "build": "#93bbe3", "placing": "#cadcf0", "first step": "#7b3f61",
    "first evaluation": "#c58fae", "host feeding": "#8a6d1d", "steps": "#e0b93f", "evaluation": "#f2e0a0",
}  # fmt: skip


def library() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script; made once a process, always the same text."""
    import vl_convert  # noqa: PLC0415  # 80 MB, for the page alone

    return str(vl_convert.javascript_bundle())


LARGEST = 256  # pixels a side; records keep no larger images


MODES = {1: "L", 3: "RGB"}  # Pillow's, by channels


def uri(pixels: Any, dataset: Mapping[str, Any]) -> str:
    """Return an image as a data URI from its base64 bytes, (C, H, W); empty if they are not as many as its set says."""
    channels, height, width = dataset.get("channels", 1), dataset.get("height"), dataset.get("width")
    if not (isinstance(pixels, str) and isinstance(height, int) and isinstance(width, int) and channels in MODES):
        return ""
    try:
        raw = base64.b64decode(pixels, validate=True)
    except ValueError:
        return ""
    if not (0 < height <= LARGEST and 0 < width <= LARGEST and len(raw) == channels * height * width):
        return ""
    written, side = io.BytesIO(), height * width
    bands = [Image.frombytes("L", (width, height), raw[at * side : (at + 1) * side]) for at in range(channels)]
    Image.merge(MODES[channels], bands).save(written, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()


def as_json(value: Any) -> str:
    """Return a value as JSON that cannot end the element that it stands in."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def as_records(records: Iterable[Mapping[str, Any]]) -> str:
    """Return a chart's records as JSON, without the fields that are no finite number."""
    return as_json(
        [{k: v for k, v in record.items() if not isinstance(v, float) or math.isfinite(v)} for record in records]
    )


GREY = "#80808066"
CONFIG: Spec = {
    "background": None, "font": "inherit", "view": {"stroke": None},
    "axis": {
        "labelColor": BLACK, "titleColor": BLACK, "gridColor": "#80808038", "domainColor": GREY, "tickColor": GREY,
        "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11,
        "labelOverlap": True, "labelFlush": False, "labelLimit": 130,
    },
    "legend": {"symbolOpacity": 1,
        "labelColor": BLACK, "titleColor": BLACK, "orient": "top", "title": None, "symbolStrokeWidth": 1,
        "labelFontSize": 11, "columnPadding": 12, "labelLimit": 110,
    },
    "text": {"color": BLACK}, "rule": {"color": BLACK},
}  # fmt: skip
# The page's script puts in for each chart: of a field its values there, a look's property in their order, a height.
SHOWN: Spec = {"distinct": "framework"}
# A legend's symbols are as full as the marks.
AS_FULL: Spec = {"symbols": {"fillOpacity": {"value": {"signal": "scale('fillOpacity', datum.value)"}}}}


def _by_framework(channel: str, prop: str, **others: Any) -> Spec:
    """Return a channel that tells frameworks apart by a property of their looks."""
    return {channel: {"field": "framework", "scale": {"domain": SHOWN, "range": {"look": prop}}, **others}}


COLOUR = _by_framework("color", "colour", legend={"encoding": AS_FULL})
SHAPE, DASH = _by_framework("shape", "shape"), _by_framework("strokeDash", "dash")
MARKER: Spec = {
    **SHAPE, "color": None,
    **_by_framework("fill", "colour", legend={"encoding": AS_FULL}), **_by_framework("stroke", "colour"),
    **_by_framework("fillOpacity", "fill", type="ordinal"),  # Vega-Lite warns of opacities in no order
}  # fmt: skip
MARKER["fillOpacity"]["scale"]["type"] = "ordinal"  # else it spreads the ends of the range evenly


DECADES = "indexof([1, 2, 3, 5, 7], round(datum.value / pow(10, floor(log(datum.value) / LN10 + 1e-9)))) >= 0"


def _number(name: str, title: str | None = None, log: int = 0, form: str = ",~r", zero: bool = False) -> Spec:
    """Return the encoding of a field of numbers; `log` is the base of a logarithmic axis, with few lines a decade."""
    scale: Spec = {"type": "log", "base": log, "nice": False, "padding": 8} if log else {"zero": zero, "nice": True}
    axis: Spec = {"tickCount": 5, "labelExpr": f"format(datum.value, '{form}')"}
    if log == 10:
        axis["gridOpacity"] = {"condition": {"test": DECADES, "value": 1}, "value": 0}
        axis["labelExpr"] = f"{DECADES} ? {axis['labelExpr']} : ''"
    return {"field": name, "type": "quantitative", "scale": scale, "axis": axis, "title": title}


def _known(name: str) -> Spec:
    """Return a transform that keeps the records which have a field."""
    return {"filter": f"isValid(datum.{name})"}


def _best(*apart: str) -> list[Spec]:
    """Return transforms that keep of each framework its best mode, for each value of `apart`."""
    best = {"op": "rank", "as": "rank"}
    group = {"window": [best], "sort": [{"field": "place"}], "groupby": ["framework", *apart]}
    return [group, {"filter": "datum.rank === 1"}]


POINT: Spec = {"type": "point", "filled": True, "opacity": 1, "strokeWidth": 1.2}
HINT = {"tooltip": {"field": "hint", "type": "nominal"}}


def _lines(x: Spec, y: Spec, *transforms: Spec, height: int = 185, **others: Spec) -> Spec:
    """Return a line a framework and mode with its points, and its band from `low` to `high` where there is one."""
    detail = {"detail": {"field": "mode"}}
    band = {"y": {**y, "field": "low"}, "y2": {"field": "high"}}
    return {
        "height": height, "transform": list(transforms), "encoding": {"x": x, **COLOUR, **detail},
        "layer": [
            {"transform": [_known("low")], "mark": {"type": "area", "opacity": 0.14}, "encoding": band},
            {"mark": {"type": "line", "strokeWidth": 1.6}, "encoding": {"y": y, **DASH}},
            {"mark": {**POINT, "size": 38}, "encoding": {"y": y, **MARKER, **HINT}},
            *others.values(),
        ],
    }  # fmt: skip


def _bars() -> Spec:
    """Return each framework's speed with its interval, the best on top; from 0, so that lengths compare."""
    y = {
        "field": "framework", "type": "nominal", "title": None, "axis": {"ticks": False, "domain": False},
        "sort": {"field": "place", "op": "min"},
    }  # fmt: skip
    x = _number("speed", "samples/s", form="~s", zero=True)
    ends = {"x": {**x, "field": "low"}, "x2": {"field": "high"}}
    return {
        "height": {"rows": "framework", "each": 26}, "transform": _best(), "encoding": {"y": y, **COLOUR},
        "layer": [
            {"mark": {"type": "bar", "height": 15, "opacity": 0.32}, "encoding": {"x": x, **HINT}},
            {"transform": [_known("low")], "mark": {"type": "rule", "strokeWidth": 2.2}, "encoding": ends},
            {"mark": {**POINT, "size": 60},
             "encoding": {"x": x, **MARKER, **HINT}},
        ],
    }  # fmt: skip


def _by_batch(name: str, title: str, form: str) -> Spec:
    """Return a figure over batch size, each framework in its best mode: sizes double, speeds differ by decades."""
    x = _number("size", "batch size", log=2, form=",")
    x["axis"] = {"values": {"distinct": "size"}, "format": ",", "grid": False}
    return _lines(x, _number(name, title, log=10, form=form), *_best("size"))


def _parts() -> Spec:
    """Return stacked bars, the shortest on top; of each framework its fastest mode."""
    y = {
        "field": "name", "type": "nominal", "title": None, "axis": {"ticks": False, "domain": False, "labelLimit": 150},
        "sort": {"field": "seconds", "op": "sum"},
    }  # fmt: skip
    scale = {"domain": list(PARTS), "range": list(PARTS.values())}
    return {
        "height": {"rows": "name", "each": 21}, "transform": _best("input"), "mark": {"type": "bar", "height": 14},
        "encoding": {
            "y": y, "x": {**_number("seconds", "seconds", zero=True), "stack": "zero"},
            "color": {"field": "part", "scale": scale}, "order": {"field": "order"}, **HINT,
        },
    }  # fmt: skip


def _roof() -> Spec:
    """Return cells below the roof: the lines of records with `roof`, drawn through their points."""
    x, y = _number("intensity", "FLOP per byte", log=2), _number("gflops", "GFLOP/s", log=10, form="~s")
    roof = {"x": x, "y": y, "detail": {"field": "roof"}, **HINT}
    return {
        "height": 260,
        "layer": [
            {"transform": [_known("roof")], "mark": {"type": "line", "color": BLACK}, "encoding": roof},
            {"transform": [_known("framework")], "mark": {**POINT, "size": 45, "opacity": 0.85},
             "encoding": {"x": x, "y": y, **MARKER, **HINT}},
        ],
    }  # fmt: skip


def _classes() -> Spec:
    """Return images by digit, two bars each."""
    x = {"field": "class", "type": "ordinal", "axis": {"labelAngle": 0}}
    shade = {"field": "set", "type": "nominal", "scale": {"domain": ["training", "test"], "range": [BLACK, "#808080"]}}
    return {
        "height": 150, "mark": {"type": "bar"},
        "encoding": {"x": x, "xOffset": {"field": "set", "sort": "descending"},
                     "y": _number("images", "images", form=",", zero=True), "color": shade, **HINT},
    }  # fmt: skip


def _deviation() -> Spec:
    """Return deviations by step below the gate's bound, which stands in the records."""
    y = _number("deviation", "relative deviation of the loss", log=10, form=".0e")
    bound = {
        "mark": {"type": "rule"},
        "encoding": {"y": {**y, "field": "bound", "aggregate": "min"}, "color": {"value": BLACK}},
    }
    made = _lines(_number("step", "steps", log=10, form="~s"), y, bound=bound)
    made["layer"][-1]["encoding"] |= {"x": None, "detail": None}
    return made


def _history() -> Spec:
    """Return each cell's speed by session, against that of its first."""
    x = _number("at", "session", form="d")
    x["axis"] |= {"tickMinStep": 1}  # there are no halves
    return _lines(x, _number("value", "speed, its first session = 1"))


def _unnamed(spec: Spec) -> Spec:
    """Return a chart without its legend: the table beside it has the signs."""
    for encoding in (spec["encoding"], *(layer["encoding"] for layer in spec["layer"])):
        encoding |= {
            name: {**encoding[name], "legend": None} for name in (*COLOUR, *MARKER, *DASH) if encoding.get(name)
        }
    return spec


SECONDS = "seconds of training and evaluation"
KINDS = {
    "bars": _unnamed(_bars()),
    "speed": _by_batch("speed", "samples/s", "~s"),
    "step": _by_batch("ms", "ms a step", "~r"),
    "seconds": _unnamed(_lines(_number("at", SECONDS, log=10), _number("value", "test accuracy, %"), height=175)),
    "epochs": _lines(_number("at", "epoch", form="d"), _number("value", "test accuracy, %")),
    "losses": _lines(_number("at", "epoch", form="d"), _number("value", "test loss")),
    "pays": _lines(_number("at", "steps", log=10, form="~s"), _number("value", "seconds", log=10)),
    "history": _history(),
    "parts": _parts(),
    "roof": _roof(),
    "classes": _classes(),
    "deviation": _deviation(),
}


def settings(looks: Mapping[str, Drawn]) -> Spec:
    """Return what the page's script draws by: specifications, their common configuration, and looks."""
    return {"kinds": KINDS, "config": CONFIG, "looks": {name: asdict(look) for name, look in looks.items()}}
