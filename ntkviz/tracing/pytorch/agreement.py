"""Checks that a graph is the module that it was exported from, with its derivative, by running both."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from ...errors import TraceError, shown
from .graphs import Graph


def check_agreement(graph: Graph, module: Any, trained: list[str]) -> None:
    """Compare a graph with its module, at the module's parameters and random inputs, to rounding.

    An exported graph has lost what changes derivatives but not values: `torch.no_grad`, and the backward pass of an
    `autograd.Function`. So the gradient of a random combination of all outputs is compared too.

    Raises:
        TraceError: They differ.
    """
    parameters = dict(module.named_parameters())
    rng = np.random.default_rng(0)
    for name in trained:
        if torch.all(parameters[name] == parameters[name].flatten()[:1]):  # a gate at 0 would hide errors behind it
            noise = torch.as_tensor(0.1 * rng.standard_normal(tuple(parameters[name].shape)))
            parameters[name] = (parameters[name] + noise.to(parameters[name].dtype)).detach()
    parameters = {name: p.detach().requires_grad_(name in trained) for name, p in parameters.items()}
    inputs = [_random(rng, tuple(x.shape), x.dtype) for x in graph.inputs]
    try:
        outs = torch.func.functional_call(module, parameters, tuple(inputs))
    except (IndexError, RuntimeError):  # 1 may be too large an index
        inputs = list(graph.inputs)
        outs = torch.func.functional_call(module, parameters, tuple(inputs))
    outs = [outs] if isinstance(outs, torch.Tensor) else list(torch.utils._pytree.tree_leaves(outs))
    weights = [rng.standard_normal(tuple(out.shape)) for out in outs]
    total = sum((out * torch.as_tensor(w).to(out.dtype)).sum() for out, w in zip(outs, weights, strict=True))
    slopes = {}
    if isinstance(total, torch.Tensor) and total.requires_grad:
        try:
            found = torch.autograd.grad(total, [parameters[name] for name in trained], allow_unused=True)
        except RuntimeError as problem:
            reason = str(problem).strip().split(". ")[0].rstrip(".")
            raise TraceError(f"PyTorch cannot differentiate the module: {shown(reason)}.") from problem
        slopes = {name: g for name, g in zip(trained, found, strict=True) if g is not None}

    def of_graph(some: dict[str, Any], others: dict[str, Any], xs: list[Any]) -> Any:
        made = graph.run(some | others, tuple(xs))
        made = list(made) if isinstance(made, tuple) else [made]
        return sum(jnp.sum(out * w.astype(out.dtype)) for out, w in zip(made, weights, strict=True)), made

    arrays = {name: p.detach().numpy() for name, p in parameters.items()}
    others = {name: arrays.pop(name) for name in parameters if name not in trained}
    with jax.ensure_compile_time_eval():
        run = jax.jit(jax.value_and_grad(of_graph, has_aux=True))
        (_, made), own = run(arrays, others, [x.numpy() for x in inputs])
    if not all(_close(a.detach().numpy(), b) for a, b in zip(outs, made, strict=True)):
        raise TraceError("nv.trace runs the module's operations with another result than PyTorch; please report it.")
    if not all(
        _close(slopes[name].numpy() if name in slopes else np.zeros_like(arrays[name]), g) for name, g in own.items()
    ):
        raise TraceError(
            "The model's derivative is not that of its operations, as with detach, torch.no_grad or an "
            "autograd.Function; the limit NTK is defined by true derivatives."
        )


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> Any:
    numbers = rng.standard_normal(shape) if dtype.is_floating_point else rng.integers(0, 2, shape)
    return torch.as_tensor(numbers).to(dtype)


def _close(a: np.ndarray, b: Any) -> bool:
    """Whether two arrays agree up to the rounding of a few layers."""
    rounding = 1e-4 if a.dtype == np.float32 else 1e-8
    a, b = np.asarray(a, float), np.asarray(b, float)
    return bool(np.allclose(a, b, rtol=0, atol=rounding * (1 + np.max(np.abs(a), initial=0.0)), equal_nan=True))
