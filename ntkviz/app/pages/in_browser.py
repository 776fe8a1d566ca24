"""The widgets of a page with their own JavaScript: the toolbar, and the notice that the kernel is lost."""

from __future__ import annotations

import anywidget
import traitlets

from ..style.theme import STATIC, STYLESHEET


class Toolbar(anywidget.AnyWidget):
    """The buttons Reset, Copy link, CSV and Present; it also keeps the controls' state in the page's address."""

    _esm = (STATIC / "toolbar.js").read_text(encoding="utf-8")
    _css = STYLESHEET
    state = traitlets.Unicode().tag(sync=True)


class Connection(anywidget.AnyWidget):
    """Invisible until the page loses its kernel; then a banner that says so, with a button that reloads the page."""

    _esm = (STATIC / "connection.js").read_text(encoding="utf-8")
