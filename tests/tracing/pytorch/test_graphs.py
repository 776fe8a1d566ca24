"""Each operation of the table against PyTorch, and the graphs of exported modules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ntkviz.language import program  # JAX calculates in float64
from ntkviz.tracing.pytorch import graphs
from ntkviz.tracing.pytorch.operations.table import OPERATIONS

from .cases import CASES

assert program


def of_torch(name, args, kwargs):
    packet, _, overload = name.partition(".")
    return getattr(getattr(torch.ops.aten, packet), overload or "default"), args, kwargs


def in_numpy(tree):
    return torch.utils._pytree.tree_map(lambda v: v.numpy() if isinstance(v, torch.Tensor) else v, tree)


def in_jax(tree):
    """Arrays of JAX, but for indices and masks, which are known numbers."""
    return torch.utils._pytree.tree_map(
        lambda v: jnp.asarray(v.numpy()) if isinstance(v, torch.Tensor) and v.is_floating_point() else in_numpy(v), tree
    )


def test_every_operation_has_a_case():
    assert {name for name, _, _ in CASES} == set(OPERATIONS)


@pytest.mark.parametrize("kind", [in_numpy, in_jax])
@pytest.mark.parametrize(("name", "args", "kwargs"), CASES, ids=[f"{name}-{k}" for k, (name, _, _) in enumerate(CASES)])
def test_operation_is_that_of_pytorch(name, args, kwargs, kind):
    target, args, kwargs = of_torch(name, args, kwargs)
    expected = target(*args, **kwargs)
    positional, named = graphs.completed(target._schema, *kind((args, kwargs)))
    with jax.disable_jit():
        found = graphs._as_inferred(graphs.operation_of(target)(*positional, **named), expected, name)
    several = isinstance(expected, list | tuple)
    for one, other in zip(found if several else [found], expected if several else [expected], strict=True):
        rounding = 1e-12 if other.dtype == torch.float64 else 2e-6
        assert one.shape == tuple(other.shape)
        assert str(one.dtype) == str(other.dtype).removeprefix("torch.")
        np.testing.assert_allclose(np.asarray(one), other.numpy(), rtol=rounding, atol=rounding)
