"""Private parts of Voilà, jsonschema, ipywidgets and Plotly, and why we need each. Nothing else in the app uses any.

Kernels load this module too, so it imports none of Jupyter's servers before it is asked to.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any


@contextmanager
def without_iri_grammar() -> Iterator[None]:
    """While this lasts, jsonschema does not find the package with which it would check IRIs.

    ``go.FigureWidget`` imports nbformat and that jsonschema, which builds the grammar when it is imported: most of the
    time in which a kernel starts, for a check that nothing here asks for (jsonschema issue 1428).
    """
    name = "rfc3987_syntax"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # Python's way to say that there is none
    try:
        yield
    finally:
        del sys.modules[name]


def css_classes(widget: Any) -> tuple[str, ...]:
    """The classes of a widget; ipywidgets has public methods to add and to remove one, and none to read them."""
    return tuple(widget._dom_classes)


def configuration(figure: Any) -> dict[str, Any]:
    """The configuration with which plotly.js draws a widget."""
    return figure._config


def configure(figure: Any, **options: Any) -> None:
    """Change it; what ``Figure.show(config=…)`` takes, a widget has no public place for (plotly.py issue 1074)."""
    figure._config = figure._config | options


def renew_state(figure: Any) -> None:
    """Let the state that a page asks a figure's widget for be what the figure holds now.

    Plotly tells an open page of every change, but renews what it keeps for a new one only when the notebook displays
    the figure itself (plotly.py pull request 4956): in a picture it would stay what the constructor was given. Written
    past the traits' notification, which would send all of it to the open pages, too.
    """
    figure._trait_values["_widget_layout"] = deepcopy(figure._layout_obj._props)
    figure._trait_values["_widget_data"] = deepcopy(figure._data)


def forget_requests() -> None:
    """Drop the requests that Voilà keeps for a route that we do not serve: it would keep each (Voilà issue 1189)."""
    from voila.request_info_handler import RequestInfoSocketHandler

    RequestInfoSocketHandler._cache.clear()


def waiting_kernels(manager: Any, notebook: str) -> list[Any]:
    """The tasks of the kernels that wait for a reader of one notebook, the newest last; removing one forgets it.

    Voilà has a method for how many there are, but none to await one or to drop one that failed.
    """
    return manager._pools[notebook]


def all_waiting_kernels(manager: Any) -> list[Any]:
    """The tasks of all kernels that wait for a reader; none where kernels are not started beforehand."""
    return [task for pool in getattr(manager, "_pools", {}).values() for task in pool]
