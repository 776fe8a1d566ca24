"""The NTK from the input of each use of a parameter and the gradient at its value.

A parameter's gradient is a sum over its uses of outer products a bᵀ, where b is the input of a use and a the gradient
at its value, so that (Tensor Programs II, §"NTK from backprop"; Novak et al. 2022, "structured derivatives")

    ⟨∂f/∂W, ∂f̄/∂W⟩ = Σ over pairs of uses ⟨a, ā⟩ ⟨b, b̄⟩.

The inner products are over coordinates of a network or samples of a limit Z, or are expectations: the sum is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from ..language.axes import Shape
from ..language.program import Parameter, Program
from .sampling import full_precision_products

Matrix = tuple[int, Shape]
"""A parameter, with the index of a matrix in an array of matrices."""
U = TypeVar("U")


def ntk_from_uses(
    program: Program,
    here: Mapping[Matrix, U],
    there: Mapping[Matrix, U],
    pairs: Callable[[U, U], Array],
    *,
    width: int = 1,
    zero: Float[Array, "outputs outputs_bar"],
) -> Float[Array, "outputs outputs_bar"]:
    """Σ over trained parameters of lr·multiplier²/fan_in Σ over pairs of uses ⟨a, ā⟩⟨b, b̄⟩.

    `here` and `there` hold the uses in two programs of one architecture, `pairs` sums over pairs of them, and `zero`,
    of the kernel's shape, is the result if nothing is trained.
    """
    total = zero
    for matrix in here:
        if matrix not in there:  # a sequence of one token never uses W
            continue
        with full_precision_products():
            found = pairs(here[matrix], there[matrix])
        total = total + jnp.asarray(gradient_scale(program, matrix[0], width), found.dtype) * found
    return total


def without_output_biases(
    program: Program, uses: Mapping[Matrix, U]
) -> tuple[dict[Matrix, U], Float[Array, ""] | float]:
    """The uses of other parameters, and the NTK of the biases of the output, the same for all pairs of outputs.

    A number added to the output has the derivative 1 at any width. For the vector c that stands for it in
    f = vᵀ(x + c)/√n, Σ (∂f/∂c_α)² = Σ v_α²/n is σ_v² in the limit alone, and random in a network.
    """
    biases = [m for m in uses if program.parameters[m[0]].output_bias]
    if not biases:
        return dict(uses), 0.0
    v, _ = program.instructions[program.output].args
    rate = sum(gradient_scale(program, m[0]) for m in biases) * program.variance(program.parameter_of(v))
    return {m: found for m, found in uses.items() if m not in biases}, rate


def gradient_scale(program: Program, parameter: int, width: int = 1) -> Any:
    """lr·multiplier²/fan_in: the weight of the product of two uses in the NTK."""
    declared: Parameter = program.parameters[parameter]
    fan_in = {"matrix": declared.fan * width, "input": declared.fan, "vector": 1}[declared.kind]
    return program.number(declared.lr) * program.number(declared.multiplier) ** 2 / fan_in


class Uses(NamedTuple):
    """All uses of one parameter: gradients `a` and inputs `b`; `(outputs, uses, n or d)`."""

    a: Float[Array, "outputs uses rows"]
    b: Float[Array, "outputs uses columns"]


def of_vector(a: Float[Array, "outputs uses width"]) -> Uses:
    """The uses of a parameter that is an array of vectors, as if each were a matrix whose input is the number 1."""
    count = a.shape[1]
    return Uses(a, jnp.broadcast_to(jnp.eye(count, dtype=a.dtype), (len(a), count, count)))


def concatenated(uses: Iterable[tuple[Matrix, Uses]]) -> dict[Matrix, Uses]:
    """Concatenate all uses of each parameter."""
    found: dict[Matrix, list[Uses]] = {}
    for matrix, use in uses:
        found.setdefault(matrix, []).append(use)
    return {m: Uses(*(jnp.concatenate(part, axis=1) for part in zip(*us, strict=True))) for m, us in found.items()}


def pairs_of_uses(u: Uses, w: Uses) -> Float[Array, "outputs outputs_bar"]:
    """Σ ⟨a, ā⟩⟨b, b̄⟩ over pairs of uses, from Gram matrices or from whole gradients, whichever is cheaper."""
    (batch, uses, rows), (batch_bar, uses_bar, columns) = u.a.shape, (*w.a.shape[:2], u.b.shape[-1])
    sides = [u] if w is u else [u, w]
    by_gram = batch * uses * batch_bar * uses_bar * (rows + columns)
    by_gradient = (sum(m.a.shape[0] * m.a.shape[1] for m in sides) + batch * batch_bar) * rows * columns
    if by_gram <= by_gradient:
        a = jnp.einsum("iur,jwr->iujw", u.a, w.a)
        b = jnp.einsum("iuc,jwc->iujw", u.b, w.b)
        return jnp.einsum("iujw,iujw->ij", a, b)
    return _products_of_gradients(sides)


_CACHED = 2**19
"""The largest number of gradient entries held at once: they fit into the CPU's cache."""


def _products_of_gradients(sides: list[Uses]) -> Float[Array, "outputs outputs_bar"]:
    """The inner products of the gradients Σ a bᵀ of both sides (or of one with itself), in blocks of rows."""
    if sides[0].a.shape[-1] > sides[0].b.shape[-1]:
        sides = [Uses(m.b, m.a) for m in sides]  # products are fastest with fewer rows than columns
    outputs = [len(m.a) for m in sides]
    at_once = max(1, _CACHED // (max(outputs) * sides[0].b.shape[-1]))
    at_once = 2 ** (at_once.bit_length() - 1)  # as most widths are, so that there is no remainder

    def add(total: Array, rows: list[Array]) -> tuple[Array, None]:
        # Flattened to one row per output, since XLA does not turn a contraction over two axes into a matrix product.
        gradients = [jnp.einsum("iur,iuc->irc", a, m.b).reshape(len(a), -1) for a, m in zip(rows, sides, strict=True)]
        return total + gradients[0] @ gradients[-1].T, None

    total = jnp.zeros((outputs[0], outputs[-1]), sides[0].a.dtype)
    return jax.lax.scan(add, total, [_blocks_of_rows(m.a, at_once) for m in sides])[0]


def _blocks_of_rows(
    a: Float[Array, "outputs uses rows"], at_once: int
) -> Float[Array, "blocks outputs uses some_rows"]:
    """From `(outputs, uses, rows)` to `(blocks, outputs, uses, at most at_once)`, with zeros for missing rows."""
    blocks = -(-a.shape[-1] // at_once)
    rows = -(-a.shape[-1] // blocks)
    filled = jnp.pad(a, ((0, 0), (0, 0), (0, blocks * rows - a.shape[-1])))
    return jnp.moveaxis(filled.reshape(*a.shape[:2], blocks, rows), 2, 0)
