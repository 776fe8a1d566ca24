"""PyTorch modules as an initialisation and a function of their arrays."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import torch
from jax import Array

from ...errors import TraceError
from .agreement import check_agreement
from .graphs import Graph, dtype_of, numbers_of
from .initialisers import FIXED, Recorder, evaluated


def recorded(make: Callable[[], Any]) -> Module:
    """The module that `make` returns, in evaluation, with what its constructor did to its parameters.

    Raises:
        TraceError: A parameter is not initialised within `make`, or not in a way that can be followed.
    """
    with Recorder() as recorder:
        module = make()
    module.eval()
    return Module(module, recorder)


class Module:
    """A PyTorch module as an initialisation and a function of its arrays.

    Its arrays are its parameters, and its buffers of random numbers; all other buffers are numbers. The function is
    checked against the module, with its gradient, whenever it is run for inputs of other shapes.
    """

    def __init__(self, module: Any, recorder: Recorder):
        self.module = module
        self.tensors: dict[str, Any] = {}  # each tensor under its first name
        self.names: dict[str, str] = {}  # the first name of each
        self.initial: dict[str, Any] = {}
        first: dict[int, str] = {}
        owners: dict[int, str] = {}
        parameters = dict(module.named_parameters(remove_duplicate=False))
        for name, tensor in (parameters | dict(module.named_buffers(remove_duplicate=False))).items():
            self.names[name] = first.setdefault(id(tensor), name)
            if self.names[name] != name:
                continue
            known = recorder.initial(tensor) if tensor.numel() else FIXED
            if name not in parameters and (known is None or known is FIXED):
                continue
            _check(name, tensor, known)
            owner = owners.setdefault(tensor.untyped_storage().data_ptr() or id(tensor), name)
            if owner != name:
                raise TraceError(
                    f"Parameters {owner} and {name} share their memory, so that training one changes the other; use "
                    "one parameter in both places."
                )
            self.tensors[name], self.initial[name] = tensor, known
        self.trained = [name for name in self.tensors if name in parameters and parameters[name].requires_grad]
        self._graphs: dict[Any, Graph] = {}

    def init(self, key: Array, *inputs: Any) -> dict[str, Array]:
        """The module's arrays, drawn with JAX as its constructor draws them."""
        memo: dict[int, Any] = {}
        arrays = {}
        for name, tensor in self.tensors.items():
            dtype, known = dtype_of(tensor.dtype), self.initial[name]
            value = numbers_of(tensor) if known is FIXED else evaluated(known, key, name, memo)
            arrays[name] = jnp.asarray(value).astype(dtype).reshape(tuple(tensor.shape))
        return arrays

    def apply(self, arrays: dict[str, Any], *inputs: Any) -> Any:
        """The module's outputs for arrays of all its parameters, in their precision."""
        wide = any(a.dtype == np.float64 for a in arrays.values())
        signature = wide, *((x.shape, x.dtype) for x in inputs)
        if signature not in self._graphs:
            module = _widened(self.module) if wide else self.module
            graph = Graph(module, tuple(map(_example, inputs)), self.names)
            check_agreement(graph, module, self.trained)
            self._graphs[signature] = graph
        return self._graphs[signature].run(arrays, inputs)

    def is_trained(self, path: tuple[Any, ...]) -> bool:
        """Whether an array is a parameter that is trained, given its path."""
        return path[0].key in self.trained

    def parameters(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """The arrays that are trained."""
        return {name: arrays[name] for name in self.trained}


def _check(name: str, tensor: Any, known: Any) -> None:
    """Raise `TraceError` for a parameter in half precision, or one that was not made by `make`."""
    if tensor.is_floating_point() and tensor.element_size() < 4:
        raise TraceError(
            f"Parameter {name} is in {tensor.dtype}, but the limit is that of exact numbers; make it in torch.float32."
        )
    if known is None:
        raise TraceError(
            f"Parameter {name} is not initialised within make(n), so that the law of its entries is not known; build "
            "the module there, with initialisers of torch.nn.init."
        )


def _widened(module: Any) -> Any:
    """A copy of a module in float64."""
    try:
        return copy.deepcopy(module).double()
    except RuntimeError as problem:
        raise TraceError(
            "The module has attributes that PyTorch cannot copy, such as tensors computed from parameters by its "
            "constructor; compute them in forward."
        ) from problem


def _example(x: Any) -> Any:
    dtype = {"f": torch.float64 if x.dtype == np.float64 else torch.float32}.get(x.dtype.kind, torch.int64)
    return torch.zeros(tuple(x.shape), dtype=dtype)
