"""Adapts instructions to vectors and scalars with an additional last leading axis, over the steps of a loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import instructions as ops
from ..gradients.instructions import OfGradients
from ..instructions import Op
from ..lazy_jax import jax
from ..rules import Rules

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True)
class OverSteps:
    """Applies a function of scalars at each step."""

    fn: Callable[..., Any]

    def __call__(self, *scalars: Array) -> Any:
        return jax.vmap(self.fn, in_axes=-1, out_axes=-1)(*scalars)


over_steps: Rules[Op] = Rules("an equivalent on arrays with a last axis of steps")


over_steps.rule(Op)(lambda op: op)


@over_steps.rule(ops.Contract)
def _(op: ops.Contract) -> Op:
    theta, vectors, out = ops.split_subscripts(op.subscripts)
    return ops.Contract(f"{theta}Y,{vectors}Y->{out}Y")


over_steps.rule(ops.ScalarFunction)(lambda op: ops.ScalarFunction(OverSteps(op.fn), op.name))


over_steps.refuse(ops.BatchNorm, ops.OfLayers, ops.Readout, why="a loop that contains it stays written out")
over_steps.refuse(ops.InputMatMul, ops.InitialVector, ops.Data, why="it occurs only outside loops")
over_steps.refuse(OfGradients, why="loops are detected in the forward program")
