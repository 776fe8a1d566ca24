"""The models of the gallery, traced where computations run: in a process that has JAX and the models' libraries."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import TraceError
from ..language.axes import Shape
from ..language.network import Network

if TYPE_CHECKING:
    from jax import Array

    from ..tracing.traced import Traced

EXTRAS = {"flax": "flax", "equinox": "equinox", "haiku": "haiku", "torch": "torch"}


def replayed(net: Network, x: Any, source: str) -> Any:
    """Record the program of a model into a network; the page shows its assumptions, so that there is no warning."""
    from ..tracing.traced import AssumptionWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumptionWarning)
        return traced(source).fn(net, x)


def model_ntk(source: str, x: np.ndarray, *, width: int, key: int) -> Array:
    """The NTK of a model itself, as `Traced.model_ntk` gives it."""
    return traced(source).model_ntk(x, width=width, key=key)


def assumptions(source: str, shape: Shape) -> tuple[str, ...]:
    """What is assumed about a model for inputs of this shape, one sentence each."""
    model = traced(source)
    model.trace((np.ones(shape),))
    return model.report.notes


@functools.cache
def traced(source: str) -> Traced:
    """The model of a file below `sources/`.

    Raises:
        TraceError: Its library is not installed.
    """
    from ..tracing.traced import trace  # which loads SciPy, as no other reading does

    return trace(make_of(source))


def make_of(source: str) -> Callable[[int], Any]:
    """The last definition of a file, the model as a function of its width; raises `TraceError` without its library."""
    name = f"{__package__}.sources.{source.replace('/', '.')}"
    try:
        module = import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name not in EXTRAS:
            raise
        raise TraceError(
            f'This model needs {missing.name}: install it by pip install "ntkviz[{EXTRAS[missing.name]}]".'
        ) from missing
    defined = [value for value in vars(module).values() if getattr(value, "__module__", None) == name]
    make: Callable[[int], Any] = defined[-1]
    return make
