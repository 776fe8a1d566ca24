"""The preview that a page of the dashboard shows until its widgets are ready: its picture as the page was rendered.

A preheated kernel has rendered its page in advance, so the page is sent immediately; Jupyter's code in the browser then
needs seconds to fetch every widget from the kernel and to draw it. The page therefore contains its picture as markup
and as data for plotly.js, and `static/preview.js` shows these until the widgets have been drawn.
"""

from __future__ import annotations

import json
import os
from html import escape
from typing import Any

import ipywidgets as widgets

from .. import upstream
from ..style.theme import PAGE_HAS_PLOTLY, Figure
from ..translation.words import _
from .block_stack import StackEditor

MIME = "application/vnd.ntkviz.preview+json"


def preview(picture: widgets.Widget, state: str) -> dict[str, dict[str, Any]]:
    """A picture as part of a cell's output, by MIME type; empty except in the dashboard, whose pages can draw it.

    - `state`: the state of its controls, as in a link; a page opened with another state does not show the preview.
    """
    if PAGE_HAS_PLOTLY not in os.environ:
        return {}
    figures: list[dict[str, Any]] = []
    return {MIME: {"html": _markup(picture, figures), "figures": figures, "state": state}}


def _markup(widget: widgets.Widget, figures: list[dict[str, Any]]) -> str:
    """HTML that looks like the widget, with placeholders for its figures, which are added to `figures` in order."""
    classes = " ".join(upstream.css_classes(widget))
    if isinstance(widget, Figure):
        figures.append(json.loads(widget.to_json()) | {"config": upstream.configuration(widget)})
        return '<div class="nv-preview-figure"></div>'
    if "nv-foot" in upstream.css_classes(widget):
        return f'<div class="{classes} nv-status">{_("Loading the controls …")}</div>'
    if isinstance(widget, widgets.Box):
        return f'<div class="{classes}">{"".join(_markup(child, figures) for child in widget.children)}</div>'
    if isinstance(widget, widgets.HTML):
        place = ' style="display: none"' if widget.layout.display == "none" else ""
        return f'<div class="{classes} widget-html"{place}><div class="widget-html-content">{widget.value}</div></div>'
    if isinstance(widget, StackEditor):
        return f'<div class="{classes}">{widget.markup()}</div>'
    if "nv-control" in upstream.css_classes(widget):
        return _control(widget, classes)
    return ""


def _control(widget: widgets.Widget, classes: str) -> str:
    """The label and the value of a slider or of a drop-down list."""
    label = f'<span class="widget-label">{widget.description}</span>'
    if isinstance(widget, widgets.Dropdown):
        shown = f"<select disabled><option>{escape(widget.label)}</option></select>"
        return f'<div class="{classes} widget-inline-hbox widget-dropdown">{label}{shown}</div>'
    value = format(widget.value, widget.readout_format) if isinstance(widget, widgets.FloatSlider) else widget.value
    shown = escape(getattr(widget, "label", None) or str(value))
    parts = f'{label}<span class="widget-readout">{shown}</span><div class="slider-container"><div class="slider">'
    return f'<div class="{classes} widget-inline-hbox">{parts}</div></div></div>'
