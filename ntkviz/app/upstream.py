"""Private parts of Voilà, jsonschema, ipywidgets and Plotly, with the reason for each. They are used nowhere else.

Kernels load this module too, so it imports Jupyter's servers only when they are needed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, cast


@contextmanager
def without_iri_grammar() -> Iterator[None]:
    """A context in which jsonschema does not find the package with which it would check IRIs.

    ``go.FigureWidget`` imports nbformat and hence jsonschema, and so do Jupyter's servers. It builds a grammar on
    import: most of the start-up time of a kernel and half that of the dashboard, for a check that nothing here needs
    (jsonschema issue 1428).
    """
    name = "rfc3987_syntax"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # makes Python treat it as missing
    try:
        yield
    finally:
        del sys.modules[name]


def css_classes(widget: Any) -> tuple[str, ...]:
    """The classes of a widget; ipywidgets has public methods to add and to remove one, and none to read them."""
    return tuple(widget._dom_classes)


def live_widgets() -> dict[str, Any]:
    """All widgets of this kernel by their ids; ipywidgets deprecates its public name for them without another."""
    from ipywidgets.widgets.widget import _instances

    return dict(_instances)


def configuration(figure: Any) -> dict[str, Any]:
    """The plotly.js configuration of a figure widget."""
    return dict(figure._config)


def configure(figure: Any, **options: Any) -> None:
    """Change it; widgets have no public equivalent of ``Figure.show(config=…)`` (plotly.py issue 1074)."""
    figure._config = figure._config | options


def hears_clicks(figure: Any) -> bool:
    """Whether a click on a figure calls a function; traces do not tell which functions `on_click` has given them."""
    return any(trace._click_callbacks for trace in figure.data)


def figure_code(figure: Any, name: str) -> str:
    """Plotly's code for figures in the browser, with its widget as a constant of this name in place of its exports.

    It has no hook for what else is to be drawn over a figure.
    """
    code = str(figure._esm)
    exports = list(re.finditer(r"export\s*\{[^}]*\b(\w+) as default\s*\};", code))[-1]
    return f"{code[: exports.start()]}const {name} = {exports[1]};{code[exports.end() :]}"


def renew_state(figure: Any) -> None:
    """Update the state that a figure's widget sends to a newly opened page to the figure's current content.

    Plotly sends every change to open pages, but updates the state for new ones only when the notebook displays the
    figure itself (plotly.py pull request 4956): inside a picture it would stay at what the constructor was given. The
    traits' notification is bypassed, since it would send all of it to the open pages again.
    """
    figure._trait_values["_widget_layout"] = deepcopy(figure._layout_obj._props)
    figure._trait_values["_widget_data"] = deepcopy(figure._data)


def forget_requests() -> None:
    """Drop the requests that Voilà accumulates for a route that we do not serve (Voilà issue 1189)."""
    from voila.request_info_handler import RequestInfoSocketHandler

    RequestInfoSocketHandler._cache.clear()


def waiting_kernels(manager: Any, notebook: str) -> list[Any]:
    """The tasks of the preheated kernels of one notebook, the newest last; removing one drops it.

    Voilà has a method for their number, but none to await one or to drop one that failed.
    """
    return cast("list[Any]", manager._pools[notebook])


def all_waiting_kernels(manager: Any) -> list[Any]:
    """The tasks of all preheated kernels; empty without preheating."""
    return [task for pool in getattr(manager, "_pools", {}).values() for task in pool]
