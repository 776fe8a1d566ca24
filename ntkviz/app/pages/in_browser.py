"""The widgets of a page that are written for the browser: the toolbar, and what it says when its kernel is lost."""

from __future__ import annotations

import anywidget
import traitlets

from ..style.theme import STATIC, STYLESHEET


class Toolbar(anywidget.AnyWidget):
    """Reset, copy link, CSV, present; and the state of the controls in the page's address."""

    _esm = (STATIC / "toolbar.js").read_text(encoding="utf-8")
    _css = STYLESHEET
    state = traitlets.Unicode().tag(sync=True)


class Connection(anywidget.AnyWidget):
    """Shows nothing until the page loses its kernel; then a sentence across the page and a button that reloads it."""

    _esm = (STATIC / "connection.js").read_text(encoding="utf-8")
