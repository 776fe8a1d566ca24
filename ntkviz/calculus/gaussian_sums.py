"""Sums of Gaussian vectors in the Z calculus on samples, which are drawn at once.

Given the vectors x_o, the products with matrices W_o that are used nowhere else are independent Gaussians (the
conditioning of `sampled.py` with nothing to condition on). So any linear combination of their rows, Σ_o M_o W_o x_o, is
Gaussian with the covariance

    Σ_o σ² M_o ⟨x_o, x_o⟩ M_oᵀ

between rows, independently for each coordinate. It has exactly the same law if only the sum is drawn: a convolution
takes one normal for each position instead of one for each position and offset, and the maps M_o act on small matrices
instead of samples. The same holds for input matrices and biases.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from ..language import instructions as ops
from ..language.gradients.backward import BackwardProgram, Use
from ..language.program import Instruction, Program
from ..language.rules import Rules

if TYPE_CHECKING:
    from .sampled import VirtualNetwork

Covariance = Float[Array, "rows rows"]


class Plan(NamedTuple):
    """Which vectors of a program are drawn as sums.

    Attributes:
        gaussian: The instructions whose covariance is computed, instead of their value.
        drawn: Those of them that are drawn; the others are only parts of sums.
    """

    gaussian: frozenset[int]
    drawn: frozenset[int]


@functools.lru_cache(maxsize=256)
def plan(structure: Program, uses: tuple[Use, ...]) -> Plan:
    """The sums of a program that is the only one to use its parameters, and whose NTK needs the values in `uses`."""
    instructions = structure.instructions
    sources = Counter(i.op.matrix for i in instructions if isinstance(i.op, ops.Source))
    readers = Counter(a for i in instructions for a in i.args)
    readers.update(index for use in uses for index in (use.a, use.b) if index is not None)
    gaussian: set[int] = set()
    parts: set[int] = set()
    for index, instruction in enumerate(instructions):
        vectors = structure.vectors(index)
        if isinstance(instruction.op, ops.Source):
            if sources[instruction.op.matrix] == 1:
                gaussian.add(index)
        elif instruction.op.linear and vectors and all(v in gaussian and readers[v] == 1 for v in vectors):
            gaussian.add(index)
            parts.update(vectors)
    # A parameter vector alone is the same for the whole stack, so it takes fewer normals than its covariance has rows.
    gaussian -= {k for k in gaussian - parts if isinstance(instructions[k].op, ops.InitialVector)}
    return Plan(frozenset(gaussian), frozenset(gaussian - parts))


class GaussianSums:
    """The covariances of one run, as they become known.

    Attributes:
        plan: Which vectors are drawn as sums.
        program: The program, for a stack of data.
        z: The virtual network on which it runs.
        parts: The covariances of parts of sums so far, by index.
    """

    def __init__(self, p: BackwardProgram, z: VirtualNetwork):
        self.plan, self.program, self.z = plan(p.program.structure, p.uses), p.program, z
        self.parts: dict[int, Covariance] = {}
        self._grams: dict[int, Covariance] = {}

    def value(self, index: int, values: Sequence[Any]) -> Array | None:
        """A vector of the plan, from the values before it, if it is drawn."""
        instruction = self.program.instructions[index]
        found = covariance(instruction.op, self, instruction, values)
        if index not in self.plan.drawn:
            self.parts[index] = found
            return None
        drawn: Array = self.z.root(found) @ self.z.normals.take(len(found))
        return drawn.reshape(len(self.program.data[0]), *instruction.shape, self.z.samples)

    def gram(self, index: int, values: Sequence[Any]) -> Covariance:
        """⟨x, x⟩ between all rows of a vector that has samples."""
        if index not in self._grams:
            instruction = self.program.instructions[index]
            moved = isinstance(instruction.op, ops.Rearrange) and instruction.op.moves
            if moved and index not in self.plan.gaussian:
                self._grams[index] = self.on_both_sides(instruction, 0, self.gram(instruction.args[0], values), ())
            else:
                rows = values[index].reshape(-1, self.z.samples)
                self._grams[index] = self.z.dot(rows, rows)
        return self._grams[index]

    def on_both_sides(
        self, instruction: Instruction, which: int, k: Covariance, scalars: Sequence[Any]
    ) -> Float[Array, "rows_out rows_out"]:
        """M K Mᵀ, where M is what a linear instruction does to its `which`-th vector."""
        stack = len(self.program.data[0])
        shapes = [i.shape for i in (self.program.instructions[a] for a in instruction.args) if i.kind == "vector"]

        def once(rows: Array) -> Array:
            vectors: list[Any] = [jnp.zeros((stack, *shape, rows.shape[-1])) for shape in shapes]
            vectors[which] = rows.reshape(vectors[which].shape)
            return jax.vmap(instruction.op.evaluate)(*vectors, *scalars).reshape(-1, rows.shape[-1])

        return once(once(k).T)

    def has_products(self, use: Use) -> bool:
        """Whether the use is of a matrix, and the products of its rows take less memory than the rows themselves."""
        if use.b is None or self.program.instructions[use.b].kind != "vector":
            return False
        stack = len(self.program.data[0])
        return all(stack * math.prod(self.program.instructions[k].shape) <= self.z.samples for k in (use.a, use.b))

    def product(self, use: Use, values: Sequence[Any]) -> Float[Array, "outputs outputs"]:
        """Σ n²⟨a, ā⟩⟨b, b̄⟩ over pairs of rows of one use of a matrix."""
        gradient, other = (use.a, use.b) if use.gradient_first else (use.b, use.a)
        assert gradient is not None
        assert other is not None
        stack, outputs = len(self.program.data[0]), self.program.outputs
        rows = math.prod(self.program.instructions[other].shape)
        of_gradients = self.gram(gradient, values).reshape(2 * (stack, outputs, rows))
        of_others = self.gram(other, values).reshape(2 * (stack, rows))
        found = jnp.einsum("ioujpw,iujw->iojp", of_gradients, of_others)
        return found.reshape(2 * (stack * outputs,)) * float(self.z.samples) ** 2


covariance: Rules[Covariance] = Rules("the covariance of a Gaussian vector")
"""The covariance between all rows, given `(op, sums, instruction, values before it)`."""


@covariance.rule(ops.MatMul)
def _(op: ops.MatMul, sums: GaussianSums, instruction: Instruction, values: Sequence[Any]) -> Covariance:
    return _variance(sums, op) * sums.gram(instruction.args[0], values)


@covariance.rule(ops.InputMatMul)
def _(op: ops.InputMatMul, sums: GaussianSums, instruction: Instruction, values: Sequence[Any]) -> Covariance:
    data = values[instruction.args[0]]
    rows = data.reshape(-1, data.shape[-1])
    products: Array = rows @ rows.T
    return _variance(sums, op) * products


@covariance.rule(ops.InitialVector)
def _(op: ops.InitialVector, sums: GaussianSums, instruction: Instruction, values: Sequence[Any]) -> Covariance:
    stack, fan = len(sums.program.data[0]), sums.program.parameters[op.parameter].fan
    # The stored vector is multiplier·ω; `variance` divides by fan, which belongs to the readout.
    return _variance(sums, op) * fan * jnp.tile(jnp.eye(math.prod(instruction.shape)), (stack, stack))


@covariance.rule(ops.Linear)
def _(op: ops.Linear, sums: GaussianSums, instruction: Instruction, values: Sequence[Any]) -> Covariance:
    vectors = [a for a in instruction.args if sums.program.instructions[a].kind == "vector"]
    scalars = [values[a] for a in instruction.args if a not in vectors]
    return functools.reduce(
        jnp.add, (sums.on_both_sides(instruction, k, sums.parts[a], scalars) for k, a in enumerate(vectors))
    )


def _variance(sums: GaussianSums, op: ops.Source) -> Array:
    return jnp.asarray(sums.program.variance(sums.program.parameters[op.parameter]))
