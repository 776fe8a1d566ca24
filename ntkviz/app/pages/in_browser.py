"""The widgets of a page with their own JavaScript: the toolbar, and the notice that the kernel is lost."""

from __future__ import annotations

import anywidget
import traitlets

from ..style.theme import STYLESHEET, script


class Toolbar(anywidget.AnyWidget):
    """The buttons Reset, Copy link, CSV and Present; it also keeps the controls' state in the page's address."""

    _esm = script("toolbar.js")
    _css = STYLESHEET
    state = traitlets.Unicode().tag(sync=True)


class Connection(anywidget.AnyWidget):
    """Invisible until the page loses its kernel; then a banner that says so, with a button that reloads the page."""

    _esm = script("connection.js")
