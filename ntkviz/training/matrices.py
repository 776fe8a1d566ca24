"""Random matrices that are trained, on samples: what is known of the initial ones, and what training has added.

All arrays have the size that they need at the last step, filled with zeros, which change nothing: so one compiled step
serves all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float64

from ..calculus.sampled import VirtualNetwork

Pair = tuple[Array, Array]


class MatrixState(NamedTuple):
    """A matrix W_t = W_0 + Σ a bᵀ/n as far as it is known before a step.

    - `known`: For W_0 and for its transpose, orthonormal inputs and what it made of them, `(rows, samples)` each.
    - `outer`: The rows a, with the factor −rate, and b, `(rows, samples)` each.
    """

    known: tuple[Pair, Pair]
    outer: Pair

    @classmethod
    def empty(cls, rows: tuple[int, int, int], steps: int, samples: int) -> MatrixState:
        """With room for `steps` steps, each of which takes so many rows of W_0, its transpose, and outer products."""
        there, back, outer = (
            (jnp.zeros((count * steps, samples)), jnp.zeros((count * steps, samples))) for count in rows
        )
        return cls((there, back), outer)

    def after(self, used: TrainedMatrix, step: Any, outer: Sequence[Pair]) -> MatrixState:
        """After a step: what it has used and added, in the rows of this step."""
        known = tuple(_written(pair, fresh, step) for pair, fresh in zip(self.known, used.fresh, strict=True))
        return MatrixState(known, _written(self.outer, outer, step))  # type: ignore[arg-type]


def _written(pair: Pair, fresh: Sequence[Pair], step: Any) -> Pair:
    if not fresh:
        return pair
    rows = [jnp.concatenate(side) for side in zip(*fresh, strict=True)]
    at = step * len(rows[0])
    one, other = (jax.lax.dynamic_update_slice(old, new, (at, 0)) for old, new in zip(pair, rows, strict=True))
    return one, other


class TrainedMatrix:
    """The matrix during a step; a `RandomMatrix` whose history is a state, and what this step has made of it since.

    - `fresh`: Inputs and what was made of them by W_0 and by its transpose, in this step.
    """

    def __init__(self, state: MatrixState):
        self.state = state
        self.fresh: tuple[list[Pair], list[Pair]] = ([], [])

    def times(self, x: Array, sigma: Any, z: VirtualNetwork, *, transpose: bool = False) -> Array:
        """W_t x or W_tᵀ x for rows x of samples, as `RandomMatrix.times` for the part of W_0."""
        known, opposite = (
            [pair for pair in (self.state.known[side], *self.fresh[side]) if len(pair[0])]
            for side in (int(transpose), int(not transpose))
        )
        normals = sigma * z.normals.take(len(x))
        coefficients = [z.dot(x, q) for q, _ in known]
        new = z.new_directions(x, x - _combined(coefficients, [q for q, _ in known]), z.dot)
        # Little of x may be new, and rounding then leaves as much of what is not: so once more.
        new = new - _combined([z.dot(new, q) for q, _ in known], [q for q, _ in known])
        both = [z.dot(new, made_of_p) - z.dot(normals, p) for p, made_of_p in opposite]
        made = normals + _combined(both, [p for p, _ in opposite])
        self.fresh[int(transpose)].append((new, made))
        a, b = reversed(self.state.outer) if transpose else self.state.outer
        by_known = _combined(coefficients, [made_of_q for _, made_of_q in known])
        result: Array = by_known + z.dot(x, new) @ made + z.dot(x, b) @ a
        return result


def _combined(coefficients: Sequence[Array], vectors: Sequence[Array]) -> Any:
    """Σ c @ v; 0 of none."""
    return sum(c @ v for c, v in zip(coefficients, vectors, strict=True))


class TrainedInput:
    """An input matrix U_t, all of it: `(d, samples)`."""

    def __init__(self, matrix: Float64[Array, "d samples"]):
        self.matrix = matrix

    def times_data(self, x: Array, sigma: Any, z: VirtualNetwork) -> Array:
        """U_t x for rows x of data."""
        return x @ self.matrix
