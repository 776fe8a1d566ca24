"""The page's word when it has lost its kernel: how to go on, with nothing lost."""

from __future__ import annotations

import anywidget

from .theme import STATIC


class Connection(anywidget.AnyWidget):
    """Shows nothing until the page loses its kernel; then a sentence across the page and a button that reloads it."""

    _esm = (STATIC / "connection.js").read_text(encoding="utf-8")
