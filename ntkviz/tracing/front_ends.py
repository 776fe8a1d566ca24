"""Models of the usual libraries, as an initialisation and a function of its arrays.

No library is imported at the top: the author of a model has already imported its library.
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
    """A model in the form that the tracer uses.

    Attributes:
        apply: A function of `(arrays, *inputs)` that returns the output.
        init: A function of `(key, *inputs)` that returns the arrays; `None` if the model has them already.
        state: The model's arrays as a pytree, if the model has them already; otherwise `None`.
        is_trained: Whether an array is a parameter, given its path in the pytree.
        parameters: Extracts from the pytree of all arrays the parameters as an optimiser sees them.
    """

    apply: Callable[..., Any]
    init: Callable[..., Any] | None = None
    state: Any = None
    is_trained: Callable[[Path], bool] = lambda path: True
    parameters: Callable[[Any], Any] = lambda arrays: arrays


def front_end(make: Callable[[int], Any], width: int) -> FrontEnd:
    """The front end of the model that `make` returns, chosen by the library that its class comes from.

    Raises `TraceError`, which says what `make(n)` may return, for anything else.
    """
    model = make(width)
    for library, adapted in _LIBRARIES.items():
        if _comes_from(model, library):
            return adapted(model)
    if _comes_from(model, _PYTORCH):
        return _pytorch(lambda: make(width))
    if isinstance(model, tuple) and len(model) == 2 and all(map(callable, model)):
        init, apply = model
        return FrontEnd(_of_inputs(apply), _of_inputs(init))
    raise TraceError(
        f"make(n) returned {shown(model)}; it must return a module of Flax, Equinox or PyTorch, a Haiku transform, or "
        "two functions (init, apply)."
    )


def is_model(value: Any) -> bool:
    """Whether a value is a model of one of the libraries."""
    return any(_comes_from(value, library) for library in (*_LIBRARIES, _PYTORCH))


def _comes_from(model: Any, library: str) -> bool:
    return any(f"{cls.__module__}.".startswith(f"{library}.") for cls in type(model).__mro__)


def _of_inputs(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Convert a function of one array, or of a tuple of arrays, to a function of several arrays."""
    return lambda first, *xs: fn(first, xs[0] if len(xs) == 1 else xs)


def _linen(model: Any) -> FrontEnd:
    return FrontEnd(
        model.apply,
        model.init,
        is_trained=lambda path: getattr(path[0], "key", "") == "params",
        parameters=lambda variables: variables["params"],
    )


def _equinox(model: Any) -> FrontEnd:
    """Equinox models take a single example, so they are mapped over the batch; dropout is switched off."""
    import equinox

    model = equinox.nn.inference_mode(model)
    arrays, rest = equinox.partition(model, equinox.is_array)

    def apply(arrays: Any, *xs: Any) -> Any:
        return jax.vmap(equinox.combine(arrays, rest))(*xs)

    return FrontEnd(apply, state=arrays)


def _nnx(model: Any) -> FrontEnd:
    """Dropout and running averages are in evaluation mode."""
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
            "make(n) returned a Haiku transform with state; return (init, apply), where apply uses the state as in "
            "evaluation."
        )
    if "rng" not in names:
        return FrontEnd(model.apply, model.init)
    return FrontEnd(lambda parameters, *xs: model.apply(parameters, None, *xs), model.init)


def _pytorch(make: Callable[[], Any]) -> FrontEnd:
    """A module holds its parameters without their laws, so it is made once more while its initialisers are recorded."""
    from .pytorch.modules import recorded

    module = recorded(make)
    return FrontEnd(module.apply, module.init, is_trained=module.is_trained, parameters=module.parameters)


_PYTORCH = "torch.nn"
_LIBRARIES: dict[str, Callable[[Any], FrontEnd]] = {
    "equinox": _equinox,
    "flax.linen": _linen,
    "flax.nnx": _nnx,
    "haiku": _haiku,
}
