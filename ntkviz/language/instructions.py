"""The instructions of NETSOR⊤ with moments (Tensor Programs II §3, III §3), one class each.

An instruction takes earlier values of its program and gives a new one. Its meaning is defined by `evaluate`, a function
of arrays whose last axis runs over coordinates. At finite width there are n coordinates; in the Z calculus a coordinate
is a sample; and a *linear* instruction is applied to one side of a kernel by letting the kernel's other side stand in
for the coordinates. So the meaning of each instruction, and the properties that all readings share, are written once,
here; the rules of a reading are in its table (`ntkviz.language.rules`).
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from .axes import AxesMap, Shape
from .lazy_jax import jax, jnp
from .nonlinearities.nonlinearity import Nonlinearity, multiply
from .travelling import portable

if TYPE_CHECKING:
    from jax import Array

    from .program import Program


@dataclass(frozen=True)
class Op:
    """The operation of an instruction.

    - `evaluate`: computes the value from the arguments: vectors `(*leading, coordinates)`, scalars `(*leading,)`. An
      operation on random parameters, on data or on the surrounding program has none; each reading has a rule for it.
    - `linear`: whether it acts on each coordinate separately and is jointly linear in its vectors.
    - `moves`: whether each vector of the result is a vector of an argument, or zero.
    - `multiplies`: whether it is a product of its arguments, summed over leading axes or coordinates, and so linear in
      each of them.
    """

    linear: ClassVar[bool] = False

    @property
    def moves(self) -> bool:
        return False

    @property
    def multiplies(self) -> bool:
        return False

    def evaluate(self, *args: Any) -> Array:
        raise NotImplementedError(type(self).__name__)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(portable(getattr(self, f.name), Op) for f in dataclasses.fields(self))

    def __copy__(self) -> Op:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Op:
        return self  # frozen


@dataclass(frozen=True)
class Linear(Op):
    """An instruction that is linear in its vectors, whatever its scalars are."""

    linear = True


@dataclass(frozen=True)
class Product(Op):
    """An instruction that is a product of its arguments, summed over leading axes or coordinates."""

    @property
    def multiplies(self) -> bool:
        return True


# --- scalars: plain numbers, data, and constants that moments converge to -------------------


@dataclass(frozen=True)
class Data(Op):
    """The data the network is applied to, entry `index` of the inputs; axis 0 is the batch."""

    index: int = 0


@dataclass(frozen=True)
class Constant(Op):
    """A number or an array of numbers: a hyper-parameter, a mask, a coefficient."""

    index: int


@dataclass(frozen=True)
class ScalarFunction(Op):
    """A function of scalars (softmax of attention scores, 1/√variance, …).

    Its arguments are broadcast as in NumPy. It mixes at most the last `mixes` axes: 0 if it is elementwise, `None` if
    it may mix any of them.
    """

    fn: Callable[..., Any]
    name: str
    mixes: int | None = None

    def evaluate(self, *args: Any) -> Any:
        return self.fn(*args)


@dataclass(frozen=True)
class Moment(Op):
    """θ = (1/n) Σ_α x_α, for each vector of the array. Converges to E Z^x (Master Theorem)."""

    def evaluate(self, x: Array) -> Array:
        return x.mean(axis=-1)


# --- sources: where randomness enters, and the limit is a new Gaussian ----------------------


@dataclass(frozen=True)
class Source(Op):
    """Vectors made by a parameter; `index` selects a matrix from an array of matrices."""

    parameter: int
    index: Shape = ()

    @property
    def matrix(self) -> tuple[int, Shape]:
        """Which parameter it uses, and which one of an array of matrices."""
        return self.parameter, self.index


@dataclass(frozen=True)
class InputMatMul(Source):
    """U ξ / √d: an input matrix applied to data, which gives an initial Gaussian vector for each row of the data."""


@dataclass(frozen=True)
class InitialVector(Source):
    """A parameter in R^n (a bias, a readout), or an array of independent ones."""


@dataclass(frozen=True)
class MatMul(Source):
    """W x / √n or Wᵀ x / √n, for each vector of the array."""

    transpose: bool = False

    @property
    def opposite(self) -> MatMul:
        """The same instruction with W and Wᵀ exchanged."""
        return MatMul(self.parameter, self.index, not self.transpose)


# --- Nonlin: everything that acts on each coordinate in the same way ----------------------


@dataclass(frozen=True)
class Nonlin(Op):
    """φ(x¹,…,xᵏ; θ¹,…,θˡ) on every coordinate, leading axes broadcast as in NumPy."""

    phi: Nonlinearity

    @property
    def multiplies(self) -> bool:
        return self.phi is multiply

    def evaluate(self, *args: Any) -> Array:
        vectors, scalars = args[: self.phi.arity], [jnp.asarray(s)[..., None] for s in args[self.phi.arity :]]
        value = self.phi.fn(*vectors, *scalars)
        shape = jnp.broadcast_shapes(*(jnp.shape(a) for a in (*vectors, *scalars)))
        return value if jnp.shape(value) == shape else jnp.broadcast_to(value, shape)  # φ may be constant


@dataclass(frozen=True)
class NonlinOfSeveral(Nonlin):
    """A Nonlin of several vectors, which can often be rewritten as Nonlins of one vector (`rewriting/several.py`)."""


@dataclass(frozen=True)
class BatchNorm(Op):
    """(x − mean)/std over one leading axis, with the biased variance (1/B) and no ε: a Nonlin of B vectors at once."""

    axis: int

    def evaluate(self, x: Array) -> Array:
        centred = x - jnp.mean(x, axis=self.axis, keepdims=True)
        return centred / jnp.sqrt(jnp.mean(centred**2, axis=self.axis, keepdims=True))


@dataclass(frozen=True)
class Shift(Op):
    """x + θ: the same number added to every coordinate."""

    def evaluate(self, x: Array, shift: Array) -> Array:
        return x + jnp.asarray(shift)[..., None]


@dataclass(frozen=True)
class Add(Linear):
    """x + y, leading axes broadcast as in NumPy."""

    def evaluate(self, x: Array, y: Array) -> Array:
        return x + y


@dataclass(frozen=True)
class Combination(Linear):
    """Σ c x with fixed numbers c, the same for all coordinates and positions; leading axes broadcast as in NumPy."""

    coefficients: tuple[float, ...]

    def evaluate(self, *args: Any) -> Any:
        terms = (x if c == 1 else -x if c == -1 else c * x for c, x in zip(self.coefficients, args, strict=True))
        return functools.reduce(operator.add, terms)


@dataclass(frozen=True)
class Scale(Product, Linear):
    """θ x, leading axes broadcast as in NumPy."""

    def evaluate(self, x: Array, factor: Array) -> Array:
        return x * jnp.asarray(factor)[..., None]


@dataclass(frozen=True)
class Contract(Product, Linear):
    """Σ θ x over leading axes, as `einsum` writes it (an attention-weighted sum, a graph's edges)."""

    subscripts: str

    def evaluate(self, x: Array, coefficients: Array) -> Array:
        theta, vectors, out = split_subscripts(self.subscripts)
        return jnp.einsum(f"{theta},{vectors}Z->{out}Z", jnp.asarray(coefficients, x.dtype), x)


def split_subscripts(subscripts: str) -> tuple[str, str, str]:
    """`"ij,jk->ik"` as `("ij", "jk", "ik")`."""
    operands, out = subscripts.split("->")
    theta, vectors = operands.split(",")
    return theta, vectors, out


@dataclass(frozen=True)
class Rearrange(Linear):
    """An `AxesMap` (indexing, reshaping, summing, …) of the leading axes of one array of vectors, or of scalars."""

    how: AxesMap
    shape_in: Shape
    shape_out: Shape

    @property
    def moves(self) -> bool:
        return self.how.moves

    def evaluate(self, x: Array) -> Any:
        """Works for scalars too, whose arrays lack the last axis."""
        return self.how(x, len(self.shape_in))


@dataclass(frozen=True)
class Join(Linear):
    """Stack arrays of vectors (or of scalars) along a new leading axis, or concatenate them along an existing one."""

    axis: int
    new_axis: bool

    @property
    def moves(self) -> bool:
        return True

    def evaluate(self, *args: Any) -> Any:
        xp = args[0].__array_namespace__()
        return xp.stack(args, axis=self.axis) if self.new_axis else xp.concat(args, axis=self.axis)


# --- loops and outputs ---------------------------------------------------------------------


@dataclass(frozen=True)
class OfLayers(Op):
    """Base class of the instructions for repeated layers, which are written once; `Program.unrolled` removes them."""


@dataclass(frozen=True)
class Repeat(OfLayers):
    """A number of identical layers, each with its own parameters: `body`, applied repeatedly.

    The arguments are the number of layers, the input vectors of the first layer, and the scalars that `body` needs from
    outside. Inside `body`, the running vectors and these scalars are its `Carry` and `Captured`. Since the number of
    layers is an argument, it can be a traced number.
    """

    body: Program = field(repr=False)


@dataclass(frozen=True)
class Carry(OfLayers):
    """Inside a `Repeat`: the running array of vectors."""


@dataclass(frozen=True)
class Captured(OfLayers):
    """Inside a `Repeat`: the `index`-th scalar captured from the enclosing program.

    `of_layer` takes the entry for this layer from an array whose first axis runs over the layers
    (`rewriting/folding.py`).
    """

    index: int
    of_layer: bool = False


@dataclass(frozen=True)
class Delayed(Linear):
    """In a loop over time that is written once (`rewriting/rolling.py`): the value that the instruction `source`, which
    comes later in the program, had at the previous step; at the first step, the argument."""

    source: int


@dataclass(frozen=True)
class Readout(Product):
    """f = vᵀx/√n, summed over the leading axes of v (each position has its own v).

    `evaluate` is the sum vᵀx alone; the factor depends on the reading.
    """

    def evaluate(self, v: Array, x: Array) -> Array:
        return (v * x).sum(axis=tuple(range(-v.ndim, 0)))


@functools.lru_cache(maxsize=4096)
def contracted_shape(subscripts: str, theta: Shape, vectors: Shape) -> Shape:
    """The leading shape of `einsum`; raises the exceptions of JAX."""
    return function_shape.__wrapped__(functools.partial(jnp.einsum, subscripts), (theta, vectors))


@functools.lru_cache(maxsize=4096)
def joined_shape(join: Join, shapes: tuple[Shape, ...]) -> Shape:
    """The leading shape of joined values; raises the exceptions of JAX."""
    return function_shape.__wrapped__(join.evaluate, shapes)  # a new method each time, which a cache would not find


@functools.lru_cache(maxsize=4096)
def function_shape(fn: Callable[..., Any], shapes: tuple[Shape, ...]) -> Shape:
    """The shape of the value of a function of scalars, from the shapes of its arguments."""
    return tuple(jax.eval_shape(fn, *(jax.ShapeDtypeStruct(s, "float64") for s in shapes)).shape)
