"""The instructions that occur only in gradients: recorded by `backward`, never by authors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..axes import Shape
from ..instructions import BatchNorm, Linear, Nonlin, Op, Product
from ..lazy_jax import jax, jnp
from ..nonlinearities.nonlinearity import Nonlinearity

if TYPE_CHECKING:
    from jax import Array


@dataclass(frozen=True)
class OfGradients(Op):
    """Base class of the instructions that occur only in gradients, which are not differentiated again."""


@dataclass(frozen=True)
class Identity(OfGradients):
    """The identity matrix over outputs f, as scalars; it determines the precision of all gradients."""

    def evaluate(self, f: Array) -> Array:
        return jnp.eye(len(f), dtype=f.dtype)


@dataclass(frozen=True)
class OverRoot(OfGradients):
    """θ/√fan: the factor of each position in a readout over several positions."""

    fan: int

    def evaluate(self, theta: Array) -> Any:
        return theta / self.fan**0.5


@dataclass(frozen=True)
class Fill(OfGradients):
    """The vector with as many coordinates as x, all equal to θ."""

    def evaluate(self, theta: Array, x: Array) -> Array:
        theta = jnp.asarray(theta)[..., None]
        return jnp.broadcast_to(theta, (*theta.shape[:-1], x.shape[-1]))


@dataclass(frozen=True)
class Slope(OfGradients, Nonlin):
    """The partial derivative of the nonlinearity `of` in its argument `which`, itself a Nonlin."""

    of: Nonlinearity
    which: int


@dataclass(frozen=True)
class Transposed(OfGradients, Product, Linear):
    """The transpose of a linear instruction in its `which`-th vector, for each output.

    `shapes` are the leading shapes of its vectors, `shape_out` that of its value.
    """

    op: Op
    which: int
    shapes: tuple[Shape, ...]
    shape_out: Shape
    _coordinate_axes: ClassVar[int] = 1

    def evaluate(self, gradient: Array, *scalars: Any) -> Any:
        def forward(*vectors: Any) -> Any:
            return self.op.evaluate(*vectors, *scalars)

        def one(g: Any) -> Any:
            zeros = [jnp.zeros((*s, *g.shape[g.ndim - self._coordinate_axes :]), g.dtype) for s in self.shapes]
            return jax.vjp(forward, *zeros)[1](g)[self.which]

        return jax.vmap(one)(gradient)


@dataclass(frozen=True)
class TransposedOnScalars(Transposed):
    """The transpose of a rearrangement of scalars, which have no axis of coordinates."""

    _coordinate_axes = 0


@dataclass(frozen=True)
class PairMoment(OfGradients, Product):
    """θ = (1/n) Σ_α of an `einsum` over the leading axes of two arrays of vectors, taken coordinate by coordinate."""

    subscripts: str

    def evaluate(self, x: Array, y: Array) -> Array:
        operands, out = self.subscripts.split("->")
        a, b = operands.split(",")
        return jnp.einsum(f"{a}Z,{b}Z->{out}", x, y) / x.shape[-1]


@dataclass(frozen=True)
class ScalarGradient(OfGradients):
    """The gradient of a function of scalars of given shapes in its `which`-th argument, for each output."""

    fn: Any
    name: str
    which: int
    shapes: tuple[Shape, ...]

    def evaluate(self, gradient: Array, *args: Any) -> Any:
        arrays = [jnp.asarray(a, gradient.dtype) for a in args]
        value, pullback = jax.vjp(self.fn, *arrays)
        return jax.vmap(lambda g: pullback(g.reshape(value.shape))[self.which])(gradient)


@dataclass(frozen=True)
class BatchNormGradient(OfGradients):
    """dx = (dy − mean dy − x̂ mean(x̂ dy))/std over the batch axis, where x̂ is the normalised batch."""

    axis: int

    def evaluate(self, x: Array, gradient: Array) -> Any:
        return jax.vmap(jax.vjp(BatchNorm(self.axis).evaluate, x)[1])(gradient)[0]
