"""Random matrices that are trained, on samples: what is known of them by now.

A network reads a matrix W only through what W and Wᵀ make of some vectors. So the matrix is an orthonormal basis of the
vectors that W was applied to, with what W makes of them now, and the same for Wᵀ. A step of training adds Σ a bᵀ/n,
where W was applied to all b, and Wᵀ to all a: it changes what is made of the bases, and nothing else. What W makes of a
direction that is new is Gaussian, given what Wᵀ has made (`calculus/sampled.py`). Vectors change little from step to
step, so most of their directions are known, and bases grow slower than the number of steps.

If samples have mirror images (`limit.py`), the reflection maps the network to that for −γ, and the law of an initial
matrix commutes with it. So the matrix consists of two independent ones, for the even and the odd parts of vectors. The
odd parts, of order γ, are kept separately and so are as precise as the even ones, however small γ is: no digits of F/γ
are lost to sampling.

All arrays have the size that they may need at the last step, so that one compiled step serves all; what is still empty
is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float64, Int

from ..calculus.sampled import VirtualNetwork

ROWS_OF_BLOCK = 32  # which are read at a time, and stay in the cache meanwhile

C = TypeVar("C")
Pair = tuple[Array, Array]
"""Rows b and a of outer products a bᵀ, of all samples."""


class Basis(NamedTuple):
    """What is known of one direction of a matrix: arrays `(parities, rows, samples of a parity)`, filled with zeros.

    - `inputs`: Orthonormal inputs.
    - `made`: The parts of what is made of them that have the input's parity and, if there are two, the other parity.
    - `rank`: How many rows are in use.
    """

    inputs: Array
    made: tuple[Array, ...]
    rank: Int[Array, ""]

    @classmethod
    def empty(cls, rows: int, samples: int, parities: int) -> Basis:
        """With room for so many rows."""
        zeros = jnp.zeros((parities, -(-rows // ROWS_OF_BLOCK) * ROWS_OF_BLOCK, samples // parities))
        return cls(zeros, (zeros,) * parities, jnp.zeros((), int))

    def with_rows(self, inputs: Array, made: Array) -> Basis:
        """After more rows, some of which are zeros and are left out."""
        is_new = jnp.any(inputs != 0, axis=-1)
        order = jnp.argsort(~is_new, axis=-1)[..., None]
        inputs, made = (jnp.take_along_axis(rows, order, axis=1) for rows in (inputs, made))
        own, *others = self.made
        return Basis(
            jax.lax.dynamic_update_slice(self.inputs, inputs, (0, self.rank, 0)),
            (jax.lax.dynamic_update_slice(own, made, (0, self.rank, 0)), *others),
            self.rank + jnp.max(is_new.sum(axis=-1)),
        )

    def trained(self, b: Array, a: Array) -> Basis:
        """After Σ a bᵀ/n was added to the matrix, for rows of parts that have parities."""

        def one(block: int, made: tuple[Array, ...]) -> tuple[Array, ...]:
            inputs, *before = self.block(block, self.inputs, *made)
            coefficients = _dot(inputs, b)
            after = [old + coefficients @ jnp.roll(a, -k, axis=0) for k, old in enumerate(before)]
            at = 0, block * ROWS_OF_BLOCK, 0
            return tuple(jax.lax.dynamic_update_slice(old, new, at) for old, new in zip(made, after, strict=True))

        return self._replace(made=jax.lax.fori_loop(0, self.blocks, one, self.made))

    @property
    def blocks(self) -> Array:
        """How many blocks of rows are in use."""
        return -(-self.rank // ROWS_OF_BLOCK)

    def block(self, number: Any, *arrays: Array) -> list[Array]:
        """A block of the rows of arrays."""
        return [jax.lax.dynamic_slice_in_dim(a, number * ROWS_OF_BLOCK, ROWS_OF_BLOCK, axis=1) for a in arrays]


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
    """The matrix during a step, for which it stands in the place of a `RandomMatrix`.

    - `bases`: What is known of W and of its transpose, from earlier steps.
    - `fresh`: Inputs and what was made of them by W and by its transpose, in this step.
    """

    def __init__(self, bases: tuple[Basis, Basis]):
        self.bases = bases
        self.fresh: tuple[list[Pair], list[Pair]] = ([], [])

    def times(self, x: Array, sigma: Any, z: VirtualNetwork, *, transpose: bool = False) -> Array:
        """W x or Wᵀ x for rows x of samples, as `RandomMatrix.times`."""

        def by_known(so_far: Pair, q: Array, *made: Array) -> Pair:
            coefficients = _dot(parts, q)
            images = (jnp.roll(coefficients @ one, k, axis=0) for k, one in enumerate(made))
            return so_far[0] - coefficients @ q, sum(images, start=so_far[1])

        def without_known(so_far: Array, q: Array, *_: Array) -> Array:
            return so_far - _dot(new, q) @ q

        def given_transpose(so_far: Array, p: Array, made: Array, *_: Array) -> Array:
            return so_far + (_dot(new, made) - _dot(normals, p)) @ p

        side, other = int(transpose), int(not transpose)
        parities = len(self.bases[side].inputs)
        parts, normals = _parts(x, parities), sigma * _split(z.normals.take(len(x)), parities)
        left, result = self._over(side, by_known, (parts, jnp.zeros_like(parts)))
        new = jax.vmap(lambda one, its_left: z.new_directions(one, its_left, _dot))(parts, left)
        # If little of x is new, rounding leaves comparable components along known directions: these are removed again.
        new = self._over(side, without_known, new)
        made = self._over(other, given_transpose, normals)
        self.fresh[side].append((new, made))
        return _whole(result + _dot(parts, new) @ made)

    def _over(self, side: int, add: Callable[..., C], start: C) -> C:
        """`add` for all that is known of W, or of its transpose."""
        basis = self.bases[side]
        found = start
        if basis.inputs.shape[1]:

            def one(block: Any, so_far: C) -> C:
                return add(so_far, *basis.block(block, basis.inputs, *basis.made))

            found = jax.lax.fori_loop(0, basis.blocks, one, start)
        for vectors, made in self.fresh[side]:
            found = add(found, vectors, made)
        return found

    def after(self, outer: Sequence[Pair]) -> tuple[Basis, Basis]:
        """What is known after a step that adds Σ a bᵀ/n."""
        found = []
        for side, basis in enumerate(self.bases):
            if self.fresh[side]:
                new, made = (jnp.concatenate(part, axis=1) for part in zip(*self.fresh[side], strict=True))
                basis = basis.with_rows(new, made)
            if self.fresh[side] and outer:
                b, a = (_parts(jnp.concatenate(rows), len(basis.inputs)) for rows in zip(*outer, strict=True))
                basis = basis.trained(*((a, b) if side else (b, a)))
            found.append(basis)
        return found[0], found[1]


class TrainedInput:
    """An input matrix U_t, which is stored as a whole, `(d, samples)`."""

    def __init__(self, matrix: Float64[Array, "d samples"]):
        self.matrix = matrix

    def times_data(self, x: Array, sigma: Any, z: VirtualNetwork) -> Array:
        """U_t x for rows x of data."""
        return x @ self.matrix
