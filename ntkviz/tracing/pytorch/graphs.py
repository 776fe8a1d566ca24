"""Exported modules: graphs of ATen operations that are run as functions of JAX arrays."""

from __future__ import annotations

import operator
import re
import sysconfig
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import Array

from ...errors import TraceError
from .operations import elementwise, products, reductions, shapes
from .operations.table import OPERATIONS, Operation

assert all((elementwise, products, reductions, shapes))  # imported because they fill the table

_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
"""Operations over time, which PyTorch writes as a cell for each step."""
_LEFT_OUT = ("layout", "device", "pin_memory", "memory_format", "generator")
_DTYPES = {
    torch.float64: np.float64,
    torch.float32: np.float32,
    torch.float16: np.float16,
    torch.bfloat16: jnp.bfloat16,
    torch.int64: np.int64,
    torch.int32: np.int32,
    torch.int16: np.int16,
    torch.int8: np.int8,
    torch.uint8: np.uint8,
    torch.bool: np.bool_,
}


def name_of(target: Any) -> str:
    """The name of an ATen operation in the table, such as "add.Tensor"."""
    return str(target).removeprefix("aten.").removesuffix(".default")


def dtype_of(dtype: Any) -> Any:
    """NumPy's dtype for one of PyTorch; `TraceError` if it is one of those that no rule takes, such as complex ones."""
    if dtype not in _DTYPES:
        raise TraceError(f"The model computes in {dtype}{{where}}, which nv.trace does not take; use torch.float32.")
    return _DTYPES[dtype]


def completed(schema: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of an operation with its defaults: those given by position, and those that are keywords."""
    found: list[Any] = []
    named: dict[str, Any] = {}
    for k, argument in enumerate(schema.arguments):
        value = args[k] if k < len(args) else kwargs.get(argument.name, argument.default_value)
        value = dtype_of(value) if isinstance(value, torch.dtype) else value
        if argument.name in _LEFT_OUT:
            continue
        if argument.kwarg_only:
            named[argument.name] = value
        else:
            found.append(value)
    return found, named


class Graph:
    """A module for inputs of certain shapes and dtypes, as a graph of ATen operations.

    Args:
        module: The module, in evaluation, with its parameters in the precision of the run.
        inputs: Example inputs.
        names: For each name of a parameter or buffer, the one under which it is given to `run`.

    Raises:
        ValueError: The module cannot be run on these inputs.
        TraceError: It cannot be exported, or changes its buffers.
    """

    def __init__(self, module: Any, inputs: tuple[Any, ...], names: dict[str, str]):
        self.names, self.inputs = names, inputs
        try:
            module(*inputs)
        except Exception as problem:
            raise ValueError(str(problem)) from problem
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about attributes that PyTorch's own modules assign
                exported = torch.export.export(module, inputs, strict=False)
                self.exported = exported.run_decompositions(_decompositions())
        except Exception as problem:
            found = _FRAME.findall(str(problem))
            where = f" at {Path(found[-1][0]).name}:{found[-1][1]}" if found else ""
            reason = " ".join(str(problem).strip().split("\n")[0].rstrip(".").split())[:200]
            raise TraceError(f"torch.export cannot export the module{where}: {reason}.") from problem
        specs = self.exported.graph_signature.output_specs
        changed = [spec.target for spec in specs if spec.kind.name != "USER_OUTPUT"]
        if changed:
            raise TraceError(
                f"The model changes its buffer {changed[0]} when it runs, but a tensor program is a function of its "
                "parameters and inputs; keep buffers as they are in evaluation."
            )

    def run(self, arrays: dict[str, Any], inputs: tuple[Any, ...]) -> Any:
        """The outputs of the module; several are a tuple.

        Args:
            arrays: Parameters and buffers by name; those that are missing are numbers of the module.
            inputs: The inputs.
        """
        values: dict[Any, Any] = {}
        given = iter(inputs)
        specs = {spec.arg.name: spec for spec in self.exported.graph_signature.input_specs}
        with jax.disable_jit():  # so that every equation has the line of its operation
            for node in self.exported.graph.nodes:
                if node.op == "placeholder":
                    values[node] = self._placeholder(node, specs[node.name], arrays, given)
                elif node.op == "get_attr":
                    values[node] = numbers_of(operator.attrgetter(node.target)(self.exported.graph_module))
                elif node.op == "call_function" and node.users:
                    with jax.named_scope(scope_of(node)):
                        values[node] = _result(node, values)
                elif node.op == "output":
                    outs = tuple(values[out] for out in node.args[0])
        return outs[0] if len(outs) == 1 else outs

    def _placeholder(self, node: Any, spec: Any, arrays: dict[str, Any], inputs: Any) -> Any:
        match spec.kind.name:
            case "USER_INPUT":
                return jnp.asarray(next(inputs)).astype(dtype_of(node.meta["val"].dtype))
            case "PARAMETER" | "BUFFER" if self.names[spec.target] in arrays:
                return arrays[self.names[spec.target]]
            case "BUFFER" if not spec.persistent:
                return numbers_of(self.exported.constants[spec.target])
            case "BUFFER" | "PARAMETER":
                return numbers_of(self.exported.state_dict[spec.target])
        return numbers_of(self.exported.constants[spec.target])


def _decompositions() -> dict[Any, Any]:
    """The decompositions of recurrent layers; everything else is kept as PyTorch's modules say it."""
    table = torch.export.default_decompositions()
    return {op: made for op, made in table.items() if name_of(op).split(".")[0] in _RECURRENT}


def numbers_of(tensor: Any) -> np.ndarray:
    """The numbers of a tensor now, as NumPy's; bfloat16, which NumPy lacks, becomes float32."""
    tensor = tensor.detach().clone()
    array: np.ndarray = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return array


def _result(node: Any, values: dict[Any, Any]) -> Any:
    args, kwargs = (_given(given, values) for given in (node.args, node.kwargs))
    if node.target is operator.getitem:
        return args[0][args[1]]
    where = where_of(node)
    try:
        function = operation_of(node.target)
        positional, named = completed(node.target._schema, args, kwargs)
        if any(isinstance(a, Array) for a in jax.tree.leaves((positional, named))):
            return _as_inferred(function(*positional, **named), node.meta["val"], name_of(node.target))
        with jax.ensure_compile_time_eval():  # numbers stay known, so that arrays can be indexed by them
            made = _as_inferred(function(*positional, **named), node.meta["val"], name_of(node.target))
            return jax.tree.map(np.asarray, made)
    except TraceError as refusal:
        raise TraceError(str(refusal).replace("{where}", where)) from None


def _given(argument: Any, values: dict[Any, Any]) -> Any:
    """Arguments of a node with values in place of nodes."""
    match argument:
        case torch.fx.Node():
            return values[argument]
        case list() | tuple():
            return [_given(a, values) for a in argument]
        case dict():
            return {name: _given(a, values) for name, a in argument.items()}
    return argument


def operation_of(target: Any) -> Operation:
    """The function of an operation; `TraceError` with "{where}" for its line, if the table has none."""
    name = name_of(target)
    if name in OPERATIONS:
        return OPERATIONS[name]
    if torch.Tag.nondeterministic_seeded in getattr(target, "tags", ()):
        raise TraceError(
            f"The model draws random numbers while it runs (aten.{name}{{where}}); switch dropout and the like off."
        )
    raise TraceError(f"nv.trace cannot write the operation aten.{name}{{where}} as instructions.")


def _as_inferred(made: Any, inferred: Any, name: str) -> Any:
    """A result in the dtype that PyTorch has inferred for it, and only in its shape."""
    if isinstance(inferred, list | tuple):
        return [_as_inferred(one, meta, name) for one, meta in zip(made, inferred, strict=True)]
    dtype = dtype_of(inferred.dtype)
    made = made if made.dtype == dtype else made.astype(dtype)
    if tuple(made.shape) != tuple(inferred.shape):
        raise TraceError(
            f"nv.trace runs aten.{name}{{where}} with a result of shape {tuple(made.shape)}, PyTorch's is "
            f"{tuple(inferred.shape)}; "
            "please report it."
        )
    return made


# --- lines of the model ---------------------------------------------------------------------------------------

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
_NOT_THE_USERS = (Path(torch.__file__).parent, Path(__file__).parents[2], Path(sysconfig.get_path("stdlib")))
SCOPE = "torch"
"""The first word of the names of scopes that hold a line of the model."""


def where_of(node: Any) -> str:
    """The line of the user's code behind a node, and the module of PyTorch's that it calls, if there is one.

    For example ", at file.py:12 in layers.2 (Tanh)"; empty if neither is known.
    """
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    own = [k for k, (path, _) in enumerate(frames) if not any(map(Path(path).is_relative_to, _NOT_THE_USERS))]
    line = f" at {Path(frames[own[-1]][0]).name}:{frames[own[-1]][1]}" if own else ""
    modules = [entry for entry in (node.meta.get("nn_module_stack") or {}).values() if entry[0]]
    within = ""
    if modules and (not own or own[-1] < len(frames) - 1):
        name, kind = modules[-1][:2]
        within = f" in {name} ({str(kind if isinstance(kind, str) else kind.__name__).rsplit('.', 1)[-1]})"
    return f",{line}{within}" if line or within else ""


def scope_of(node: Any) -> str:
    """The name of a scope that holds the line of a node, so that equations of its jaxpr know it."""
    return SCOPE + where_of(node)
