"""The instructions of NETSOR⊤ with moments (Tensor Programs II §3, III §3), one class each.

An instruction takes earlier values of its program and gives a new one. What it *means* is its
`evaluate`: a function of arrays whose last axis runs over coordinates. At finite width there
are n coordinates; in the Z calculus a coordinate is a sample; and a *linear* instruction is
applied to one side of a kernel by letting the kernel's other side stand in for the coordinates.
So each meaning is written once, here.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from .nonlinearities import Nonlinearity
from .travelling import portable

if TYPE_CHECKING:
    from .program import Program

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Op:
    """What an instruction does. `linear` instructions are linear in their vectors, jointly."""

    linear = False

    def evaluate(self, *args: Any) -> Any:
        """The value from the arguments: vectors `(*leading, coordinates)`, scalars `(*leading,)`."""
        raise NotImplementedError(type(self).__name__)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(portable(getattr(self, f.name), Op) for f in dataclasses.fields(self))

    def __copy__(self) -> Op:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Op:
        return self  # frozen

    if TYPE_CHECKING:  # each kind of instruction has fields of its own

        def __getattr__(self, name: str) -> Any: ...


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

    Its arguments are broadcast as in NumPy. It mixes the last `mixes` axes at most, none if it is elementwise, and any
    of them if that is `None`.
    """

    fn: Callable[..., Any]
    name: str
    mixes: int | None = None

    def evaluate(self, *args):
        return self.fn(*args)


@dataclass(frozen=True)
class Moment(Op):
    """θ = (1/n) Σ_α x_α, for each vector of the array. Converges to E Z^x (Master Theorem)."""

    def evaluate(self, x):
        return x.mean(axis=-1)


# --- initial vectors and matrix multiplication: where randomness enters -------------------


@dataclass(frozen=True)
class InputMatMul(Op):
    """U ξ / √d: an input matrix on data, an initial Gaussian vector for each row of the data."""

    parameter: int


@dataclass(frozen=True)
class InitialVector(Op):
    """A parameter in R^n (a bias, a readout), or an array of independent ones."""

    parameter: int


@dataclass(frozen=True)
class MatMul(Op):
    """W x / √n or Wᵀ x / √n, for each vector of the array."""

    parameter: int
    index: Shape = ()
    transpose: bool = False


# --- Nonlin: everything that acts on each coordinate alike --------------------------------


@dataclass(frozen=True)
class Nonlin(Op):
    """φ(x¹,…,xᵏ; θ¹,…,θˡ) on every coordinate, leading axes broadcast as in NumPy."""

    phi: Nonlinearity

    def evaluate(self, *args):
        vectors, scalars = args[: self.phi.arity], [jnp.asarray(s)[..., None] for s in args[self.phi.arity :]]
        value = self.phi.fn(*vectors, *scalars)
        shape = jnp.broadcast_shapes(*(jnp.shape(a) for a in (*vectors, *scalars)))
        return value if jnp.shape(value) == shape else jnp.broadcast_to(value, shape)  # φ may be constant


@dataclass(frozen=True)
class BatchNorm(Op):
    """(x − mean)/std over one leading axis, std with 1/B and no ε: a Nonlin of B vectors at once."""

    axis: int

    def evaluate(self, x):
        centred = x - jnp.mean(x, axis=self.axis, keepdims=True)
        return centred / jnp.sqrt(jnp.mean(centred**2, axis=self.axis, keepdims=True))


@dataclass(frozen=True)
class Shift(Op):
    """x + θ: the same number added to every coordinate."""

    def evaluate(self, x, shift):
        return x + jnp.asarray(shift)[..., None]


@dataclass(frozen=True)
class Add(Op):
    """x + y, leading axes broadcast as in NumPy."""

    linear = True

    def evaluate(self, x, y):
        return x + y


@dataclass(frozen=True)
class Scale(Op):
    """θ x, leading axes broadcast as in NumPy."""

    linear = True

    def evaluate(self, x, factor):
        return x * jnp.asarray(factor)[..., None]


@dataclass(frozen=True)
class Contract(Op):
    """Σ θ x over leading axes, as `einsum` writes it (an attention-weighted sum, a graph's edges)."""

    subscripts: str
    linear = True

    def evaluate(self, x, coefficients):
        theta, vectors, out = split_subscripts(self.subscripts)
        return jnp.einsum(f"{theta},{vectors}Z->{out}Z", jnp.asarray(coefficients, x.dtype), x)


def split_subscripts(subscripts: str) -> tuple[str, str, str]:
    operands, out = subscripts.split("->")
    theta, vectors = operands.split(",")
    return theta, vectors, out


@dataclass(frozen=True)
class Rearrange(Op):
    """Indexing, reshaping, summing … the leading axes of one array of vectors (or of scalars)."""

    rule: Rule
    shape_in: Shape
    shape_out: Shape
    linear = True

    def evaluate(self, x):
        """Also for scalars, whose arrays lack the last axis."""
        return self.rule(x, len(self.shape_in))


@dataclass(frozen=True)
class Join(Op):
    """Stack arrays of vectors (or of scalars) along a new leading axis, or concatenate along an old one."""

    axis: int
    new_axis: bool
    linear = True

    def evaluate(self, *args):
        xp = args[0].__array_namespace__()
        return xp.stack(args, axis=self.axis) if self.new_axis else xp.concat(args, axis=self.axis)


# --- loops and outputs ---------------------------------------------------------------------


@dataclass(frozen=True)
class Repeat(Op):
    """The same few instructions `times` over, with fresh parameters each time (alike layers).

    `body` takes the running array of vectors and the scalars it needs from outside as inputs
    (its `Carry` and `Captured`), so that the number of layers can be a traced number.
    """

    body: Program = field(repr=False)


@dataclass(frozen=True)
class Carry(Op):
    """Inside a `Repeat`: the running array of vectors."""


@dataclass(frozen=True)
class Captured(Op):
    """Inside a `Repeat`: the `index`-th scalar taken from the program around it."""

    index: int


@dataclass(frozen=True)
class Readout(Op):
    """f = vᵀx/√n, summed over the leading axes that v has (each position with its own v)."""

    def evaluate(self, v, x):
        return (v * x).sum(axis=tuple(range(-v.ndim, 0)))


# --- rules of rearrangement -----------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """A linear map of leading axes, given how many there are (`ndim`); NumPy or JAX arrays."""

    def __call__(self, x, ndim: int):
        raise NotImplementedError


@dataclass(frozen=True)
class Index(Rule):
    """x[key]; `key` uses the leading axes only."""

    key: tuple

    def __call__(self, x, ndim):
        return x[tuple(_thaw(k) for k in self.written_out(ndim))]

    def written_out(self, ndim: int) -> tuple:
        """The key with an entry for each of `ndim` axes."""
        key = self.key if Ellipsis in self.key else (*self.key, Ellipsis)
        used = sum(1 for k in key if k is not None and k is not Ellipsis)
        position = key.index(Ellipsis)
        rest = (freeze(slice(None)),) * (ndim - used)
        return (*key[:position], *rest, *key[position + 1 :])

    def check(self, shape: Shape) -> None:
        """Raise `IndexError` if the key does not fit: JAX would clamp an index that is too large."""
        entries = [k for k in self.written_out(len(shape)) if k is not None]
        slices = [isinstance(k, Frozen) and k.kind == "slice" for k in entries]
        lengths = [1 if free else n for n, free in zip(shape, slices, strict=True)]  # not a whole batch to try it on
        self(np.broadcast_to(False, lengths), len(shape))

    @property
    def takes_axes_apart(self) -> bool:
        """Whether each axis is indexed by itself: arrays would be broadcast with those of other axes."""
        return not any(isinstance(k, Frozen) and k.kind == "array" for k in self.key)


@dataclass(frozen=True)
class Frozen:
    """A slice or an integer array inside an index, in a form that can be hashed."""

    kind: str
    value: tuple


def freeze(key: Any) -> Any:
    """Make one entry of an index hashable."""
    if isinstance(key, slice):
        return Frozen("slice", (key.start, key.stop, key.step))
    if key is None or key is Ellipsis or isinstance(key, int):
        return key
    array = np.asarray(key)
    return Frozen("array", (tuple(array.ravel().tolist()), array.shape, str(array.dtype)))


def _thaw(key: Any) -> Any:
    if not isinstance(key, Frozen):
        return key
    if key.kind == "slice":
        return slice(*key.value)
    values, shape, dtype = key.value
    return np.asarray(values, dtype=dtype).reshape(shape)


@dataclass(frozen=True)
class Reshape(Rule):
    """Reshape the leading axes."""

    shape: Shape

    def __call__(self, x, ndim):
        return x.reshape(self.shape + x.shape[ndim:])


@dataclass(frozen=True)
class Permute(Rule):
    """Permute the leading axes."""

    axes: Shape

    def __call__(self, x, ndim):
        return x.transpose((*self.axes, *range(ndim, x.ndim)))


@dataclass(frozen=True)
class BroadcastTo(Rule):
    """Broadcast the leading axes."""

    shape: Shape

    def __call__(self, x, ndim):
        grown = x.reshape((1,) * (len(self.shape) - ndim) + x.shape)
        return x.__array_namespace__().broadcast_to(grown, self.shape + x.shape[ndim:])


@dataclass(frozen=True)
class Sum(Rule):
    """Sum (or average) over some leading axes."""

    axes: Shape
    average: bool = False

    def __call__(self, x, ndim):
        return x.mean(axis=self.axes) if self.average else x.sum(axis=self.axes)


@dataclass(frozen=True)
class Pad(Rule):
    """Zeros before and after along each leading axis."""

    widths: tuple[tuple[int, int], ...]

    def __call__(self, x, ndim):
        pad = np.pad if isinstance(x, np.ndarray) else jnp.pad
        return pad(x, self.widths + ((0, 0),) * (x.ndim - ndim))


def on_both_sides(left: Op, right: Op) -> Rule | None:
    """One rule for kernels whose first axes `left` rearranges and whose others `right`; `None` if it takes two."""
    if not (isinstance(left, Rearrange) and isinstance(right, Rearrange)):
        return None
    match left.rule, right.rule:
        case Index() as one, Index() as other if one.takes_axes_apart and other.takes_axes_apart:
            return Index(one.written_out(len(left.shape_in)) + other.written_out(len(right.shape_in)))
        case Pad(widths), Pad(others):
            return Pad(widths + others)
    return None


@functools.lru_cache(maxsize=4096)
def rearranged_shape(rule: Rule, shape: Shape) -> Shape:
    """The leading shape after `rule`; raises what NumPy would."""
    return jax.eval_shape(lambda x: rule(x, len(shape)), jax.ShapeDtypeStruct(shape, "float32")).shape


@functools.lru_cache(maxsize=4096)
def contracted_shape(subscripts: str, theta: Shape, vectors: Shape) -> Shape:
    """The leading shape of `einsum`; raises what JAX does."""
    return function_shape.__wrapped__(functools.partial(jnp.einsum, subscripts), (theta, vectors))


@functools.lru_cache(maxsize=4096)
def function_shape(fn: Callable[..., Any], shapes: tuple[Shape, ...]) -> Shape:
    """The shape of a function of scalars."""
    return jax.eval_shape(fn, *(jax.ShapeDtypeStruct(s, "float64") for s in shapes)).shape
