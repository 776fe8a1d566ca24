"""The theme: `static/sheets/palette.css` defines the palette and the type; plots read them from there.

Figures use the light palette on white, so that an exported PNG can be printed; on the page the
stylesheet recolours their text, axes and background, so that switching between light and dark
needs no kernel.
"""

from __future__ import annotations

import json
import math
import os
import re
from importlib import resources
from typing import Any

import plotly.graph_objects as go
import traitlets

from .. import upstream
from ..translation.words import ENGLISH, PAGE, _, language, pairs
from .wording import figures

with upstream.without_iri_grammar():
    from plotly.graph_objects import FigureWidget

STATIC = resources.files("ntkviz.app") / "static"
SHEETS = [
    "palette",
    "page",
    "navigation",
    "picture",
    "outdated",
    "handles_and_terms",
    "steps",
    "block_stack",
    "exercises",
    "presented",
    "heard_and_printed",
]  # in the order of the cascade
STYLESHEET = "\n".join((STATIC / "sheets" / f"{name}.css").read_text(encoding="utf-8") for name in SHEETS)


def script(name: str) -> str:
    """The code of a widget in the browser, which speaks the language of this process."""
    words = pairs(language(), PAGE)
    own = [f"globalThis.ntkvizWords ??= {json.dumps(words, ensure_ascii=False)};"] if words else []
    return "\n".join([*own, *((STATIC / part).read_text(encoding="utf-8") for part in ("worded.js", name))])


def variables(stylesheet: str = STYLESHEET) -> dict[str, str]:
    """The custom properties `--nv-…` of the first rule (the light palette), by name without the prefix."""
    first_rule = stylesheet[stylesheet.index("{") : stylesheet.index("}")]
    return dict(re.findall(r"--nv-([\w-]+):\s*([^;]+);", first_rule))


PALETTE = variables()
FINITE, LIMIT, THIRD, INK, MUTED, RULE = (
    PALETTE[name] for name in ("finite", "limit", "third", "ink", "muted", "rule")
)

# Up to five categories, distinguished by their markers as well; contrast at least 3 : 1 on white and on black.
SERIES = [FINITE, LIMIT, THIRD, "#C0609A", "#7F8896"]
MARKS = ["circle", "square", "diamond", "triangle-up", "star"]

# "mako" of the viridis family: perceptually uniform, readable with all colour-vision deficiencies, on white and on
# black.
SEQUENTIAL = ["#0B0405", "#2E1E3C", "#413D7B", "#37659E", "#348FA7", "#40B7AD", "#8AD9B1", "#DEF5E5"]

# Negative numbers: "rocket", the warm counterpart of "mako". On `DIVERGING` zero is dark as on `SEQUENTIAL`, and both
# signs become bright, so that a positive number has the same colour whether or not a plot has negative ones.
NEGATIVE = ["#03051A", "#35193E", "#701F57", "#AD1759", "#E13342", "#F37651", "#F6B48F", "#FAEBDD"]
DIVERGING = [*reversed(NEGATIVE[1:]), *SEQUENTIAL]

# Thumbnails on axes are mid-grey on a transparent background, readable on light and dark.
THUMBNAIL = [[0, "rgba(120,128,140,0)"], [1, "rgba(120,128,140,1)"]]


def template() -> go.layout.Template:
    """The plotly template of every figure: unobtrusive axes, no box, the page's fonts."""
    axis = {
        "gridcolor": RULE,
        "linecolor": MUTED,
        "tickcolor": MUTED,
        "zeroline": False,
        "tickfont": {"size": 14, "color": MUTED},
        "title": {"font": {"size": 15, "color": INK}},
    }
    return go.layout.Template(
        layout={
            "font": {"family": PALETTE["font"], "size": 15, "color": INK},
            "paper_bgcolor": PALETTE["paper"],
            "plot_bgcolor": "rgba(0,0,0,0)",
            "xaxis": axis,
            "yaxis": axis,
            "margin": {"l": 10, "r": 10, "t": 40, "b": 10},
            "hoverlabel": {"font": {"size": 14}},
            "colorscale": {"sequential": SEQUENTIAL},
        }
    )


HEADING = 38  # pixels above a plot for its heading
LOW = 336  # pixels: the height of a low plot, as the stylesheet says


def heading(text: str, **place: Any) -> dict[str, Any]:
    """The heading above a plot, at the same height in every figure; `xref` and `x` set its left end."""
    at_top = {"yref": "paper", "y": 1, "xanchor": "left", "yanchor": "bottom", "showarrow": False}
    return {"text": text, "font": {"size": 17}} | at_top | place


def legend(**place: Any) -> dict[str, Any]:
    """A transparent legend, at the top of the plot unless `place` says otherwise."""
    return {"y": 1, "yanchor": "top", "font": {"size": 13}, "bgcolor": "rgba(0,0,0,0)"} | place


BRIGHTEST = 1.25  # in units of a colour scale: networks may exceed the limit's largest entry by a quarter


def kernel_colours(unit: float, lowest: float) -> dict[str, Any]:
    """The colour axis of kernels: zero is dark, and `unit`, the same in all pictures that are compared, is bright.

    Ticks are in units, and the title of the bar gives the unit. If `lowest`, the smallest number shown, is clearly
    negative, the axis is symmetric about zero.
    """
    negative = lowest < -0.005 * unit
    top, marks = BRIGHTEST * unit, [-1, -0.5, 0, 0.5, 1] if negative else [0, 0.25, 0.5, 0.75, 1]
    return {
        "colorscale": DIVERGING if negative else SEQUENTIAL,
        "cmin": -top if negative else 0.0,
        "cmax": top,
        "colorbar": {
            "tickvals": [unit * mark for mark in marks],
            "ticktext": [f"{mark:g}".replace("-", "−") for mark in marks],
            "title": {"text": f"× {figures(unit)}", "font": {"size": 13}},
        },
    }


def translucent(colour: str, opacity: float) -> str:
    """A colour `"#rrggbb"` with an opacity."""
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


PAGE_HAS_PLOTLY = "NTKVIZ_PAGE_HAS_PLOTLY"  # set in the kernels of a dashboard whose pages load plotly.js themselves


def _code(name: str, *, plotlys: bool = False) -> str:
    """The browser's half of a figure: one module of our scripts, and of plotly's own code if it is needed."""
    ours = [(STATIC / part).read_text(encoding="utf-8") for part in ("handles.js", name)]
    return "\n".join([*([upstream.figure_code(FigureWidget, "plotlysWidget")] if plotlys else []), *ours])


class Figure(FigureWidget):
    """A plotly figure that a page opened later shows in its current state, not in its initial one.

    The dashboard's pages draw it with their own plotly.js, which has the cartesian trace types only: plotly's own code
    would add 5 MB of plotly.js to each figure. `handles` are drawn over it (`pages/handles.py`).
    """

    handles: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)

    _esm = _code("figure.js") if PAGE_HAS_PLOTLY in os.environ else _code("figure_in_jupyterlab.js", plotlys=True)

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> Any:
        # The dashboard creates its figures before it shows them (in a preheated kernel, long before).
        if key is None and self._made:
            upstream.renew_state(self)
        return super().get_state(key, drop_defaults)

    def set_kernel_colours(self, unit: float, lowest: float) -> None:
        """Set the colour axis to that of `kernel_colours`."""
        colours = kernel_colours(unit, lowest)
        if colours != self._colours:  # plotly takes milliseconds to find that nothing changes
            self.layout.coloraxis.update(colours)
            self._colours = colours

    def _send(self, msg: Any, buffers: Any = None) -> None:
        # JSON has no NaN: Jupyter would replace it, too, but with a warning in the notebook.
        super()._send(_with_nulls(msg), buffers)

    _made = False
    _colours: dict[str, Any] | None = None  # those that `set_kernel_colours` has set


def _with_nulls(value: Any) -> Any:
    """A message with null in place of numbers that are infinite or NaN, such as those of empty cells of a heatmap."""
    if isinstance(value, dict):
        return {name: _with_nulls(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_with_nulls(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def figure(filename: str = "ntkviz") -> Figure:
    """An empty figure in our theme that fills its container and exports a sharp PNG of this name."""
    # The stylesheet sets the height (which grows with Present); this is the same height for the first drawing.
    widget = Figure(layout={"template": template(), "autosize": True, "height": 376})
    object.__setattr__(widget, "_made", True)
    upstream.configure(
        widget,
        responsive=True,
        displaylogo=False,
        # Only the button that works here, the camera. "Share" would send the plot to another host.
        modeBarButtons=[["toImage"]],
        plotlyServerURL="",
        toImageButtonOptions={"format": "png", "scale": 2, "filename": filename},
        **_of_button(),
    )
    return widget


def _of_button() -> dict[str, Any]:
    """What plotly needs to name its button in the language of this process."""
    if language() == ENGLISH:
        return {}
    words = {"Download plot as a PNG": _("Download plot as a PNG")}
    return {"locale": language(), "locales": {language(): {"dictionary": words}}}
