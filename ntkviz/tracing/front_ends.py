"""Models of the usual libraries, as an initialisation and a function of its arrays.

No library is imported here: one whose model is met has been imported by whoever made the model.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from ..errors import TraceError, shown

Path = tuple[Any, ...]


@dataclass(frozen=True)
class FrontEnd:
    """What a library's model is to the tracer.

    Attributes:
        state: The model's arrays as a pytree, if the model has them already; `None` if `init` makes them.
        init: `(key, *inputs)` to the arrays.
        apply: `(arrays, *inputs)` to the output.
        is_trained: Whether an array is a parameter, by its path in the pytree.
        parameters: The parameters, as an optimiser sees them, of the pytree of all arrays.
    """

    apply: Callable[..., Any]
    init: Callable[..., Any] | None = None
    state: Any = None
    is_trained: Callable[[Path], bool] = lambda path: True
    parameters: Callable[[Any], Any] = lambda arrays: arrays


def front_end(model: Any) -> FrontEnd:
    """The front end of a model, by the library that its class comes from.

    Raises `TraceError` for anything else, and says what `make(n)` may return.
    """
    for library, make in _LIBRARIES.items():
        if _comes_from(model, library):
            return make(model)
    if isinstance(model, tuple) and len(model) == 2 and all(map(callable, model)):
        init, apply = model
        return FrontEnd(_of_inputs(apply), _of_inputs(init))
    raise TraceError(
        f"make(n) returned {shown(model)}; it must return a Flax module, an Equinox module, a Haiku transform, or two "
        "functions (init, apply)."
    )


def is_model(value: Any) -> bool:
    """Whether a value is a model itself, of one of the libraries."""
    return any(_comes_from(value, library) for library in _LIBRARIES)


def _comes_from(model: Any, library: str) -> bool:
    return any(f"{cls.__module__}.".startswith(f"{library}.") for cls in type(model).__mro__)


def _of_inputs(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one array, or of a tuple of arrays, as one of arrays."""
    return lambda first, *xs: fn(first, xs[0] if len(xs) == 1 else xs)


def _linen(model: Any) -> FrontEnd:
    return FrontEnd(
        model.apply,
        model.init,
        is_trained=lambda path: getattr(path[0], "key", "") == "params",
        parameters=lambda variables: variables["params"],
    )


def _equinox(model: Any) -> FrontEnd:
    """Equinox's models take a single example; dropout is switched off."""
    import equinox

    model = equinox.nn.inference_mode(model)
    arrays, rest = equinox.partition(model, equinox.is_array)

    def apply(arrays: Any, *xs: Any) -> Any:
        return jax.vmap(equinox.combine(arrays, rest))(*xs)

    return FrontEnd(apply, state=arrays)


def _nnx(model: Any) -> FrontEnd:
    """Dropout and running averages are as in evaluation."""
    from flax import nnx

    model.eval()
    graph, *states = nnx.split(model, nnx.Param, ...)
    parameters, others = states

    def apply(state: Any, *xs: Any) -> Any:
        return nnx.merge(graph, state["parameters"], state["others"])(*xs)

    state = {"parameters": parameters, "others": others}
    return FrontEnd(
        apply,
        state=state,
        is_trained=lambda path: getattr(path[0], "key", "") == "parameters",
        parameters=lambda state: state["parameters"],
    )


def _haiku(model: Any) -> FrontEnd:
    if not hasattr(model, "init") or not hasattr(model, "apply"):
        raise TraceError("make(n) returned a Haiku module; return haiku.transform of a function that calls it.")
    names = list(inspect.signature(model.apply).parameters)
    if "state" in names:
        raise TraceError(
            "make(n) returned a Haiku transform with state; return (init, apply), where apply reads the state as it is "
            "in evaluation."
        )
    if "rng" not in names:
        return FrontEnd(model.apply, model.init)
    return FrontEnd(lambda parameters, *xs: model.apply(parameters, None, *xs), model.init)


_LIBRARIES: dict[str, Callable[[Any], FrontEnd]] = {
    "equinox": _equinox,
    "flax.linen": _linen,
    "flax.nnx": _nnx,
    "haiku": _haiku,
}
