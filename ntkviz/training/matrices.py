"""Random matrices that are trained, on samples: what is known of the initial ones, and what training has added.

If samples have mirror images (`limit.py`), the mirror maps the network to the one of −γ, and an initial matrix commutes
with it in law. So it is two independent ones, of the even and the odd parts of vectors. Kept apart, the odd parts, of
order γ, are known as precisely as the even ones, however small γ is: F/γ loses no digits to samples.

All arrays have the size that they need at the last step, so that one compiled step serves all. They are read block by
block of a few steps: each block once, while it is in the cache, and none that is still empty.
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
"""Vectors x, and what goes with each: what a matrix makes of it, or the other factor of an outer product."""


class History(NamedTuple):
    """What is known of a matrix W_t = W_0 + Σ a bᵀ/n: by one block of steps, or by all blocks.

    Arrays are `(parities, rows, samples)` or `(blocks, parities, rows, samples)`, filled with zeros.

    - `known`: For W_0 and for its transpose, orthonormal inputs and what it made of them; for each parity.
    - `outer`: The rows b, and the rows a with the factor −rate, of all samples.
    """

    known: tuple[Pair, Pair]
    outer: Pair

    @classmethod
    def empty(cls, rows: tuple[int, int, int], samples: int, parities: int, *blocks: int) -> History:
        """With room for steps each of which takes so many rows of W_0, its transpose, and outer products."""
        kinds = zip((parities, parities, 1), rows, strict=True)
        there, back, outer = (jnp.zeros((*blocks, p, STEPS_OF_BLOCK * count, samples // p)) for p, count in kinds)
        return cls(((there, there), (back, back)), (outer, outer))

    def after(self, used: TrainedMatrix, position: Any, outer: Sequence[Pair]) -> History:
        """A block after a step, by its position in it: what it has used and added, in rows of its own."""
        there, back = (_written(pair, fresh, position) for pair, fresh in zip(self.known, used.fresh, strict=True))
        return History((there, back), _written(self.outer, [(b[None], a[None]) for b, a in outer], position))

    def with_block(self, number: Any, block: History) -> History:
        """All blocks, after one more."""

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
    """⟨x, y⟩ of rows, for each parity."""
    return jnp.matmul(x, y.swapaxes(-1, -2), precision="highest") / x.shape[-1]


def _parts(x: Float64[Array, "rows samples"], parities: int) -> Float64[Array, "parities rows half"]:
    """The even and the odd part of vectors, on the first half of the samples; or all of them."""
    if parities == 1:
        return x[None]
    half, mirrored = jnp.split(x, 2, axis=-1)
    return jnp.stack([half + mirrored, half - mirrored]) / 2


def _whole(parts: Float64[Array, "parities rows half"]) -> Float64[Array, "rows samples"]:
    """The vectors of these parts."""
    if len(parts) == 1:
        return parts[0]
    even, odd = parts
    return jnp.concatenate([even + odd, even - odd], axis=-1)


def _split(normals: Float64[Array, "rows samples"], parities: int) -> Float64[Array, "parities rows half"]:
    """Independent normals for each parity."""
    return jnp.stack(jnp.split(normals, parities, axis=-1))


class TrainedMatrix:
    """The matrix during a step: a `RandomMatrix` with a history.

    - `blocks`, `count`: All blocks of steps, and how many of them have been written.
    - `block`: The earlier steps of this block.
    - `fresh`: Inputs and what was made of them by W_0 and by its transpose, in this step.
    """

    def __init__(self, blocks: History, count: Array, block: History):
        self.blocks, self.count, self.block = blocks, count, block
        self.fresh: tuple[list[Pair], list[Pair]] = ([], [])

    def times(self, x: Array, sigma: Any, z: VirtualNetwork, *, transpose: bool = False) -> Array:
        """W_t x or W_tᵀ x for rows x of samples, as `RandomMatrix.times` for the part of W_0."""

        def by_known(so_far: Pair, q: Array, made: Array) -> Pair:
            coefficients = _dot(parts, q)
            return so_far[0] - coefficients @ q, so_far[1] + coefficients @ made

        def without_known(so_far: Array, q: Array, _: Array) -> Array:
            return so_far - _dot(new, q) @ q

        def as_transpose_says(so_far: Array, p: Array, made: Array) -> Array:
            return so_far + (_dot(new, made) - _dot(normals, p)) @ p

        def by_training(so_far: Array, b: Array, a: Array) -> Array:
            return so_far + _dot(x[None], b)[0] @ a[0]

        side, other = int(transpose), int(not transpose)
        parities = self.block.known[side][0].shape[0]
        parts, normals = _parts(x, parities), sigma * _split(z.normals.take(len(x)), parities)
        left, result = self._over(side, by_known, (parts, jnp.zeros_like(parts)))
        new = jax.vmap(lambda one, its_left: z.new_directions(one, its_left, _dot))(parts, left)
        # Little of x may be new, and rounding then leaves as much of what is not: so once more.
        new = self._over(side, without_known, new)
        made = self._over(other, as_transpose_says, normals)
        self.fresh[side].append((new, made))
        outer = self.blocks.outer, self.block.outer
        if transpose:
            outer = outer[0][::-1], outer[1][::-1]
        found: Array = self._over_steps(*outer, by_training, _whole(result + _dot(parts, new) @ made))
        return found

    def _over(self, side: int, add: Callable[[C, Array, Array], C], start: C) -> C:
        """`add` for all that is known of W_0, or of its transpose."""
        found = self._over_steps(self.blocks.known[side], self.block.known[side], add, start)
        for vectors, made in self.fresh[side]:
            found = add(found, vectors, made)
        return found

    def _over_steps(self, blocks: Pair, block: Pair, add: Callable[[C, Array, Array], C], start: C) -> C:
        """`add` for all earlier steps: block by block, and none that is still empty."""
        if not block[0].shape[1]:
            return start

        def one(so_far: C, given: tuple[Array, Array, Array]) -> tuple[C, None]:
            number, vectors, others = given
            is_written = number < self.count
            return jax.lax.cond(is_written, lambda: add(so_far, vectors, others), lambda: so_far), None

        found: C = jax.lax.scan(one, start, (jnp.arange(len(blocks[0])), *blocks))[0]
        return add(found, *block)


class TrainedInput:
    """An input matrix U_t, all of it: `(d, samples)`."""

    def __init__(self, matrix: Float64[Array, "d samples"]):
        self.matrix = matrix

    def times_data(self, x: Array, sigma: Any, z: VirtualNetwork) -> Array:
        """U_t x for rows x of data."""
        return x @ self.matrix
