"""Trained random matrices on samples: the products known of the initial matrices, and what training has added.

If samples have mirror images (`limit.py`), the reflection maps the network to that for −γ, and the law of an initial
matrix commutes with it. So the matrix consists of two independent ones, for the even and the odd parts of vectors. The
odd parts, of order γ, are kept separately and so are as precise as the even ones, however small γ is: no digits of F/γ
are lost to sampling.

All arrays have the size needed at the last step, so that one compiled step serves all. They are read in blocks of a few
steps: each block is read once, while it is in the cache, and blocks that are still empty are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float64

from ..calculus.sampled import VirtualNetwork

STEPS_OF_BLOCK = 4

C = TypeVar("C")
Pair = tuple[Array, Array]
"""Vectors x, and a partner of each: the product of a matrix with it, or the other factor of an outer product."""


class History(NamedTuple):
    """What one block of steps, or all blocks, contribute to the knowledge of a matrix W_t = W_0 + Σ a bᵀ/n.

    Arrays are `(parities, rows, samples)` or `(blocks, parities, rows, samples)`, padded with zeros.

    Attributes:
        known: For W_0 and for its transpose, orthonormal inputs and the products with them, for each parity.
        outer: The rows b, and the rows a with the factor −rate, on all samples.
    """

    known: tuple[Pair, Pair]
    outer: Pair

    @classmethod
    def empty(cls, rows: tuple[int, int, int], samples: int, parities: int, *blocks: int) -> History:
        """An empty history; `rows`: products with W_0, products with its transpose and outer products per step."""
        kinds = zip((parities, parities, 1), rows, strict=True)
        there, back, outer = (jnp.zeros((*blocks, p, STEPS_OF_BLOCK * count, samples // p)) for p, count in kinds)
        return cls(((there, there), (back, back)), (outer, outer))

    def after(self, used: TrainedMatrix, position: Any, outer: Sequence[Pair]) -> History:
        """This block after the step at `position` in it, whose products and outer products get rows of their own."""
        there, back = (_written(pair, fresh, position) for pair, fresh in zip(self.known, used.fresh, strict=True))
        return History((there, back), _written(self.outer, [(b[None], a[None]) for b, a in outer], position))

    def with_block(self, number: Any, block: History) -> History:
        """All blocks, with one more written."""

        def written(all_blocks: Array, one: Array) -> Array:
            return jax.lax.dynamic_update_slice(all_blocks, one[None], (number, 0, 0, 0))

        found: History = jax.tree.map(written, self, block)
        return found


def _written(pair: Pair, fresh: Sequence[Pair], position: Any) -> Pair:
    if not fresh:
        return pair
    rows = [jnp.concatenate(side, axis=1) for side in zip(*fresh, strict=True)]
    at = 0, position * rows[0].shape[1], 0
    one, other = (jax.lax.dynamic_update_slice(old, new, at) for old, new in zip(pair, rows, strict=True))
    return one, other


def _dot(x: Array, y: Array) -> Array:
    """⟨x, y⟩ for all pairs of rows, for each parity."""
    return jnp.matmul(x, y.swapaxes(-1, -2), precision="highest") / x.shape[-1]


def _parts(x: Float64[Array, "rows samples"], parities: int) -> Float64[Array, "parities rows half"]:
    """The even and the odd parts of vectors, on the first half of the samples; with one parity, the vectors."""
    if parities == 1:
        return x[None]
    half, mirrored = jnp.split(x, 2, axis=-1)
    return jnp.stack([half + mirrored, half - mirrored]) / 2


def _whole(parts: Float64[Array, "parities rows half"]) -> Float64[Array, "rows samples"]:
    """The vectors with these parts."""
    if len(parts) == 1:
        return parts[0]
    even, odd = parts
    return jnp.concatenate([even + odd, even - odd], axis=-1)


def _split(normals: Float64[Array, "rows samples"], parities: int) -> Float64[Array, "parities rows half"]:
    """Independent normals for each parity."""
    return jnp.stack(jnp.split(normals, parities, axis=-1))


class TrainedMatrix:
    """The matrix during a step: a `RandomMatrix` with a history.

    Attributes:
        blocks: All blocks of steps.
        count: The number of blocks that have been written.
        block: The earlier steps of the current block.
        fresh: The inputs of W_0 and of its transpose in this step, and the products with them.
    """

    def __init__(self, blocks: History, count: Array, block: History):
        self.blocks, self.count, self.block = blocks, count, block
        self.fresh: tuple[list[Pair], list[Pair]] = ([], [])

    def times(self, x: Array, sigma: Any, z: VirtualNetwork, *, transpose: bool = False) -> Array:
        """W_t x or W_tᵀ x, for rows x of samples; the part of W_0 as in `RandomMatrix.times`."""

        def by_known(so_far: Pair, q: Array, made: Array) -> Pair:
            coefficients = _dot(parts, q)
            return so_far[0] - coefficients @ q, so_far[1] + coefficients @ made

        def without_known(so_far: Array, q: Array, _: Array) -> Array:
            return so_far - _dot(new, q) @ q

        def given_transpose(so_far: Array, p: Array, made: Array) -> Array:
            return so_far + (_dot(new, made) - _dot(normals, p)) @ p

        def by_training(so_far: Array, b: Array, a: Array) -> Array:
            return so_far + _dot(x[None], b)[0] @ a[0]

        side, other = int(transpose), int(not transpose)
        parities = self.block.known[side][0].shape[0]
        parts, normals = _parts(x, parities), sigma * _split(z.normals.take(len(x)), parities)
        left, result = self._over(side, by_known, (parts, jnp.zeros_like(parts)))
        new = jax.vmap(lambda one, its_left: z.new_directions(one, its_left, _dot))(parts, left)
        # If little of x is new, rounding leaves comparable components along known directions: these are removed again.
        new = self._over(side, without_known, new)
        made = self._over(other, given_transpose, normals)
        self.fresh[side].append((new, made))
        outer = self.blocks.outer, self.block.outer
        if transpose:
            outer = outer[0][::-1], outer[1][::-1]
        found: Array = self._over_steps(*outer, by_training, _whole(result + _dot(parts, new) @ made))
        return found

    def _over(self, side: int, add: Callable[[C, Array, Array], C], start: C) -> C:
        """Fold `add` over all known products with W_0, or with its transpose."""
        found = self._over_steps(self.blocks.known[side], self.block.known[side], add, start)
        for vectors, made in self.fresh[side]:
            found = add(found, vectors, made)
        return found

    def _over_steps(self, blocks: Pair, block: Pair, add: Callable[[C, Array, Array], C], start: C) -> C:
        """Fold `add` over all earlier steps, block by block; blocks that are still empty are skipped."""
        if not block[0].shape[1]:
            return start

        def one(so_far: C, given: tuple[Array, Array, Array]) -> tuple[C, None]:
            number, vectors, others = given
            is_written = number < self.count
            return jax.lax.cond(is_written, lambda: add(so_far, vectors, others), lambda: so_far), None

        found: C = jax.lax.scan(one, start, (jnp.arange(len(blocks[0])), *blocks))[0]
        return add(found, *block)


class TrainedInput:
    """An input matrix U_t, which is stored as a whole, `(d, samples)`."""

    def __init__(self, matrix: Float64[Array, "d samples"]):
        self.matrix = matrix

    def times_data(self, x: Array, sigma: Any, z: VirtualNetwork) -> Array:
        """U_t x for rows x of data."""
        return x @ self.matrix
