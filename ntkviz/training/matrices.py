"""Random matrices that are trained, on samples: what is known of them by now.

A network reads a matrix W only through what W and Wᵀ make of some vectors. Let q be an orthonormal basis of the vectors
that W was applied to, and p one of those that Wᵀ was applied to. Given these products, what the initial matrix W₀ makes
of a direction q that is new is Gaussian (`calculus/sampled.py`), with n independent normals z:

    W₀q = z + Σ_p p (⟨W₀ᵀp, q⟩ − ⟨z, p⟩),   and likewise   W₀ᵀp = z′ + Σ_q q (⟨W₀q, p⟩ − ⟨z′, q⟩).

A step of training adds Σ a bᵀ/n, where W was applied to all b, and Wᵀ to all a: both are combinations of the bases. So
with a small matrix M, which holds the inner products −⟨z, p⟩ and −⟨z′, q⟩ and the sum of all steps,

    W x = Σ_q z ⟨q, x⟩ + Σ_p p ⟨z′, x⟩ + Σ_pq p M_pq ⟨q, x⟩   for all combinations x of the q,

and the transpose of this holds for Wᵀ. A step changes M alone. Vectors change little from step to step, so most of
their directions are known, and bases grow slower than the number of steps.

If samples have mirror images (`limit.py`), the reflection maps the network to that for −γ, and the law of an initial
matrix commutes with it. So the matrix consists of two independent ones, for the even and the odd parts of vectors. The
odd parts, of order γ, are kept separately and so are as precise as the even ones, however small γ is: no digits of F/γ
are lost to sampling.

All arrays have the size that they may need at the last step, so that one compiled step serves all; what is still empty
is not read.

Bases and the mixing matrix are in single precision, in which a step takes little more than half the time, and twice as
many samples take no more memory. Their rounding errors, 10⁻⁷ of a vector's even or odd part, are a ten-thousandth of
the errors of sampling. Everything else is in double precision, including the Gram matrices that decide what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float, Float64, Int

from ..calculus.sampled import Normals, VirtualNetwork
from ..execution.traced_cost import looped

ROWS_OF_BLOCK = 32  # which are read at a time, and stay in the cache meanwhile
PRECISION = jnp.float32
NEW_DIRECTION = 1e-8  # as of `calculus/sampled.py`, above the rounding errors of single precision, 10⁻¹⁴

C = TypeVar("C")
Pair = tuple[Array, Array]


class Basis(NamedTuple):
    """The inputs of W, or of its transpose: arrays `(parities, rows, samples of a parity)`, filled with zeros.

    - `inputs`: Orthonormal inputs q.
    - `normals`: The normals z of each.
    - `rank`: How many rows are in use.
    """

    inputs: Array
    normals: Array
    rank: Int[Array, ""]

    @classmethod
    def empty(cls, rows: int, samples: int, parities: int) -> Basis:
        """With room for so many rows."""
        zeros = jnp.zeros((parities, -(-rows // ROWS_OF_BLOCK) * ROWS_OF_BLOCK, samples // parities), PRECISION)
        return cls(zeros, zeros, jnp.zeros((), int))

    @property
    def room(self) -> int:
        """How many rows there may be."""
        return self.inputs.shape[1]

    def over(self, add: Callable[..., C], start: C) -> C:
        """`add(so far, number of the first row, inputs, normals)` over all blocks of rows in use."""
        if not self.room:
            return start

        def one(number: Any, so_far: C) -> C:
            first = number * ROWS_OF_BLOCK
            block = (jax.lax.dynamic_slice_in_dim(a, first, ROWS_OF_BLOCK, 1) for a in (self.inputs, self.normals))
            return add(so_far, first, *block)

        with looped(self.room / ROWS_OF_BLOCK / 2):  # on average, if every vector is a new direction
            found: C = jax.lax.fori_loop(0, -(-self.rank // ROWS_OF_BLOCK), one, start)
        return found

    def split(self, x: Array) -> tuple[Array, Array, Array]:
        """⟨x, q⟩, the part of x that is orthogonal to the inputs, and Σ z⟨q, x⟩."""

        def add(so_far: tuple[Array, Array, Array], first: Any, q: Array, z: Array) -> tuple[Array, Array, Array]:
            coefficients, left, made = so_far
            c = _dot(x, q)
            return _placed(coefficients, c, 0, 0, first), left - c @ q, made + c @ z

        return self.over(add, (self._no_coefficients(x), x, jnp.zeros_like(x)))

    def without(self, x: Array) -> Array:
        """The part of x that is orthogonal to the inputs."""
        return self.over(lambda left, first, q, z: left - _dot(x, q) @ q, x)

    def given_inputs(self, x: Array, normals: Array, along: Array, of_new: Array) -> tuple[Array, Array, Array]:
        """What follows if these are the inputs p of the transpose, with normals z′.

        Args:
            x: Rows to which the matrix is applied.
            normals: New normals z; the first are those of new inputs.
            along: Σ_q M_pq ⟨q, x⟩, `(parities, rows, room)`.
            of_new: The coefficients of x along the new inputs, `(parities, rows, new)`.

        Returns:
            Σ_p p (⟨z′, x⟩ + Σ_q M_pq ⟨q, x⟩ − ⟨z, p⟩ of_new), the other normals − Σ_p p ⟨z, p⟩, and ⟨z, p⟩.
        """
        count = of_new.shape[-1]

        def add(so_far: tuple[Array, Array, Array], first: Any, p: Array, z: Array) -> tuple[Array, Array, Array]:
            made, others, products = so_far
            e = _dot(normals, p)
            known = jax.lax.dynamic_slice_in_dim(along, first, ROWS_OF_BLOCK, 2)
            rows = jnp.concatenate([_dot(x, z) + known - of_new @ e[:, :count], -e[:, count:]], axis=1) @ p
            made, others = made + rows[:, : x.shape[1]], others + rows[:, x.shape[1] :]
            return made, others, _placed(products, e, 0, 0, first)

        return self.over(add, (jnp.zeros_like(x), normals[:, count:], self._no_coefficients(normals)))

    def with_rows(self, inputs: Array, normals: Array) -> Basis:
        """After more rows, those that are zeros last, which do not count."""
        at = 0, self.rank, 0
        count = jnp.max(jnp.any(inputs != 0, axis=-1).sum(axis=-1))
        return Basis(_placed(self.inputs, inputs, *at), _placed(self.normals, normals, *at), self.rank + count)

    def _no_coefficients(self, x: Array) -> Array:
        return jnp.zeros((*x.shape[:2], self.room), x.dtype)


def _placed(array: Array, part: Array, *at: Any) -> Array:
    """The array with a part of it replaced."""
    return jax.lax.dynamic_update_slice(array, part, at)


def _dot(x: Array, y: Array) -> Array:
    """⟨x, y⟩ for all pairs of rows, for each parity."""
    return jnp.matmul(x, y.swapaxes(-1, -2), precision="highest") / x.shape[-1]


def _parts(x: Float64[Array, "rows samples"], parities: int) -> Float[Array, "parities rows half"]:
    """The even and the odd parts of vectors, on the first half of the samples; with one parity, the vectors."""
    if parities == 1:
        return x[None].astype(PRECISION)
    half, mirrored = jnp.split(x, 2, axis=-1)
    return (jnp.stack([half + mirrored, half - mirrored]) / 2).astype(PRECISION)


def _whole(parts: Float[Array, "parities rows half"]) -> Float64[Array, "rows samples"]:
    """The vectors with these parts."""
    parts = parts.astype(float)
    if len(parts) == 1:
        return parts[0]
    even, odd = parts
    return jnp.concatenate([even + odd, even - odd], axis=-1)


def _split(normals: Float[Array, "rows samples"], parities: int) -> Float[Array, "parities rows half"]:
    """Independent normals for each parity."""
    return jnp.stack(jnp.split(normals, parities, axis=-1)).astype(PRECISION)


class Known(NamedTuple):
    """What is known of a matrix.

    - `bases`: Of the inputs of W and of Wᵀ.
    - `mixing`: M, `(parities, rows of p, parities, rows of q)`.
    """

    bases: tuple[Basis, Basis]
    mixing: Array

    @classmethod
    def nothing(cls, there: int, back: int, samples: int, parities: int) -> Known:
        """With room for so many inputs of W and of Wᵀ."""
        q, p = Basis.empty(there, samples, parities), Basis.empty(back, samples, parities)
        return cls((q, p), jnp.zeros((parities, p.room, parities, q.room), PRECISION))

    def mixed(self, c: Array, side: int) -> Array:
        """Σ_q M_pq c_q for coefficients `(parities, rows, room)`; with side 1, Σ_p c_p M_pq."""
        parities, rows, room = c.shape
        flat = c.swapaxes(0, 1).reshape(rows, parities * room)
        matrix = self.mixing.reshape(-1, self.mixing.shape[2] * self.mixing.shape[3])
        # The matrix comes first where its last axis is summed over: otherwise XLA would transpose a copy of it.
        made = flat @ matrix if side else (matrix @ flat.T).T
        return made.reshape(rows, parities, -1).swapaxes(0, 1)

    def with_inputs(self, side: int, inputs: Array, normals: Array, products: Array) -> Known:
        """After new inputs of W (or, with side 1, of Wᵀ), and ⟨z, p⟩ of their normals, `(parities, rows, room)`."""
        basis, mixing = self.bases[side], self.mixing
        for k, part in enumerate(-products):
            if side:
                mixing = _placed(mixing, part[None, :, None], k, basis.rank, k, 0)
            else:
                mixing = _placed(mixing, part.T[None, :, None], k, 0, k, basis.rank)
        grown = basis.with_rows(inputs, normals)
        return Known((self.bases[0], grown) if side else (grown, self.bases[1]), mixing)

    def after(self, changes: Iterable[Pair]) -> Known:
        """After Σ a bᵀ/n was added, for coefficients `(…, parities, room)`: of b along the q, of a along the p."""
        total = self.mixing
        for b, a in changes:
            total += jnp.einsum("...pi,...qj->piqj", a, b).astype(PRECISION)
        return self._replace(mixing=total)


class TrainedMatrix:
    """The matrix during a step, for which it stands in the place of a `RandomMatrix`.

    - `known`: What is known by now.
    - `coefficients`: Those of the inputs of each product with W, and with Wᵀ, in this step, `(rows, parities, room)`.
    """

    def __init__(self, known: Known):
        self.known = known
        self.coefficients: tuple[list[Array], list[Array]] = ([], [])

    def times(self, x: Array, sigma: Any, z: VirtualNetwork, *, transpose: bool = False) -> Array:
        """W x or Wᵀ x for rows x of samples, as `RandomMatrix.times`."""
        return self.product(x, sigma * z.normals.take(len(x)), z, transpose, len(x)).whole()

    def product(self, x: Array, normals: Array, z: VirtualNetwork, transpose: bool, trained: int) -> Product:
        """What is known of W x or Wᵀ x for rows x: all of it for the first `trained` rows, which become known."""
        parities, side = len(self.known.mixing), int(transpose)
        there, back = self.known.bases[side], self.known.bases[1 - side]
        x, normals = _parts(x, parities), _split(normals, parities)
        c, left, made = there.split(x)
        new = there.without(_new_directions(z, x[:, :trained], left[:, :trained]))
        new, own = _in_front(new, normals[:, :trained])
        of_new, normals = _dot(x, new), jnp.concatenate([own, normals[:, trained:]], axis=1)
        given, others, products = back.given_inputs(x, normals, self.known.mixed(c, side), of_new)
        if trained:
            self.known = self.known.with_inputs(side, new, own, products[:, :trained])
            self.coefficients[side].append(_placed(c, of_new, 0, 0, there.rank)[:, :trained].swapaxes(0, 1))
        return Product(x, left - of_new @ new, made + of_new @ own + given, others)


class Product(NamedTuple):
    """What follows from all that is known of W and Wᵀ about W x, for rows x: `(parities, rows, samples of a parity)`.

    - `x`: The rows.
    - `left`: The part of each that is new.
    - `made`: W x, without that part.
    - `normals`: Normals that are orthogonal to all inputs of Wᵀ, for the rows that are not trained.
    """

    x: Array
    left: Array
    made: Array
    normals: Array

    def along(self, q: Array, z: Array) -> Product:
        """The same if inputs q of W are known, too, with normals as in `normals`."""
        c = _dot(self.x, q)
        return self._replace(left=self.left - c @ q, made=self.made + c @ z)

    def given_transpose(self, p: Array, z: Array) -> Product:
        """The same if inputs p of Wᵀ are known, too."""
        return self._replace(made=self.made + _dot(self.x, z) @ p, normals=self.normals - _dot(self.normals, p) @ p)

    def of_others(self) -> Product:
        """That of the last rows, which have `normals`."""
        first = self.x.shape[1] - self.normals.shape[1]
        return Product(self.x[:, first:], self.left[:, first:], self.made[:, first:], self.normals)

    def whole(self) -> Array:
        """W x, `(rows, samples)`."""
        return _whole(self.made)


class Observed:
    """The matrix during a step, applied to inputs of training, if there are any, and to others, which train nothing.

    What it makes of the others is known only to them. So in one run with inputs of training it may be applied once.

    - `matrix`: The matrix.
    - `share`: The share of rows that belong to inputs of training, a numerator and a denominator.
    - `normals`: The source of normals for the others.
    - `seen`: Their inputs of W and of Wᵀ, with the normals of each.
    """

    def __init__(self, matrix: TrainedMatrix, share: tuple[int, int], normals: Normals):
        self.matrix, self.share, self.normals = matrix, share, normals
        self.seen: tuple[list[Pair], list[Pair]] = ([], [])

    def times(self, x: Array, sigma: Any, z: VirtualNetwork, *, transpose: bool = False) -> Array:
        """W x or Wᵀ x for rows x of samples, those of training first, as `RandomMatrix.times`."""
        trained = len(x) * self.share[0] // self.share[1]
        normals = jnp.concatenate([z.normals.take(trained), self.normals.take(len(x) - trained)])
        product = self.matrix.product(x, sigma * normals, z, transpose, trained)
        others = product.of_others()
        for seen in self.seen[transpose]:
            others = others.along(*seen)
        for seen in self.seen[not transpose]:
            others = others.given_transpose(*seen)
        new = _new_directions(z, others.x, others.left), others.normals
        self.seen[transpose].append(new)
        return jnp.concatenate([_whole(product.made[:, :trained]), others.along(*new).whole()])


def _new_directions(z: VirtualNetwork, x: Array, left: Array) -> Array:
    """Orthonormal vectors, for each parity, that span the parts of x that are new; others are zero."""
    if not x.shape[1]:
        return x
    found = jax.vmap(lambda one, its_left: z.new_directions(one, its_left, _dot))(x.astype(float), left.astype(float))
    return found.astype(PRECISION)


def _in_front(inputs: Array, normals: Array) -> Pair:
    """Inputs and their normals, inputs that are zero last."""
    order = jnp.argsort(~jnp.any(inputs != 0, axis=-1), axis=-1)[..., None]
    return jnp.take_along_axis(inputs, order, axis=1), jnp.take_along_axis(normals, order, axis=1)


class TrainedInput:
    """An input matrix U_t, which is stored as a whole, `(d, samples)`."""

    def __init__(self, matrix: Float64[Array, "d samples"]):
        self.matrix = matrix

    def times_data(self, x: Array, sigma: Any, z: VirtualNetwork) -> Array:
        """U_t x for rows x of data."""
        return x @ self.matrix
