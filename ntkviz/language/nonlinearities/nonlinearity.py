"""Nonlinearities: the functions φ(x¹,…,xᵏ; θ¹,…,θˡ) that a program applies coordinate by coordinate.

A nonlinearity is a function with a name, which is only for printing. Readings at finite width, or on samples, call the
function; at infinite width it is recognised, as one of the objects below or by its formula (`recognition.py`), and a
function that is not recognised is integrated by quadrature.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

from ...distant.readings import read
from ...errors import HyperparameterError, shown
from ..lazy_jax import jax, jnp, norm, special
from ..travelling import portable
from .elementwise import traced_elementwise
from .formulas import NoFormulaError
from .recognition import Formula, formula_of, jumps_of

if TYPE_CHECKING:
    from jax import Array

    from ..values import Vector


@dataclass(frozen=True, eq=False)
class Nonlinearity:
    """A function applied to every coordinate of its vectors.

    Use the built-in ones (`nv.relu`, `nv.erf`, …) or make one from a plain JAX function with
    `nv.nonlinearity`. Calling it on vectors of a program records an instruction; calling it
    on arrays evaluates it.

    Two nonlinearities are equal only if they are the same object, since they are keys to compiled code.

    Attributes:
        name: Its name when printed.
        fn: The function, elementwise in all its arguments: `arity` vectors, then parameters θ.
        arity: The number of vectors that it takes.
        smooth: `False` declares a kink or a jump of `fn`. Expectations do not rely on it: they find kinks and jumps,
            wherever they are, in the jaxpr of `fn`.
        derivatives: Its partial derivatives as nonlinearities of the same signature, one for each vector; if empty,
            JAX differentiates `fn`. `None` stands for a derivative that is not a function, as that of a step.
        latex: Its name in LaTeX; if empty, `name` is used.
        coefficients: For a polynomial Σ cₖ xᵏ, its coefficients (c₀, c₁, …), by which it is recognised.
        derivative_of: The nonlinearity of which this is a partial derivative, and with respect to which argument.
    """

    name: str
    fn: Callable[..., Any]
    arity: int = 1
    smooth: bool = True
    derivatives: tuple[Nonlinearity | None, ...] = ()
    latex: str = ""
    coefficients: tuple[float, ...] = ()
    derivative_of: tuple[Nonlinearity, int] | None = None

    @overload
    def __call__(self, x: Vector, /, *others: Any) -> Vector: ...
    @overload
    def __call__(self, *args: Any) -> Array: ...
    def __call__(self, *args: Any) -> Any:
        """Record `φ(x¹,…,xᵏ; θ¹,…)` on a program's vectors, or evaluate it on arrays."""
        for arg in args:
            if hasattr(arg, "apply_nonlinearity"):
                return arg.apply_nonlinearity(self, args)
        return read("nonlinearity_values", self, *args)

    def __repr__(self) -> str:
        return f"nv.{self.name}" if globals().get(self.name) is self else f"<nonlinearity {self.name}>"

    def __post_init__(self) -> None:
        for argument, derivative in enumerate(self.derivatives):
            if derivative is not None and derivative.derivative_of is None:
                object.__setattr__(derivative, "derivative_of", (self, argument))

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle by reference where possible, so that unpickling gives the same object, the key to compiled code."""
        if globals().get(self.name) is self:
            return self.name
        if self.derivative_of:
            phi, argument = self.derivative_of
            return _slope, (phi, argument)
        if self.coefficients:
            return polynomial, (self.name, *self.coefficients)
        fn = portable(self.fn, Nonlinearity)
        if nonlinearity(self.fn, arity=self.arity, smooth=self.smooth) is self:
            return functools.partial(nonlinearity, arity=self.arity, smooth=self.smooth), (fn,)
        return Nonlinearity, (self.name, fn, self.arity, self.smooth, self.derivatives, self.latex)

    def __copy__(self) -> Nonlinearity:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Nonlinearity:
        return self  # frozen

    def derivative(self, argument: int = 0) -> Nonlinearity | None:
        """The partial derivative ∂φ/∂x with respect to a vector, or ∂φ/∂θ with respect to a parameter.

        Args:
            argument: The number of the vector, or of the parameter, among the arguments of `fn`, from 0.

        Returns:
            The derivative, of the same signature; `None` if it is not a function, because φ jumps.
        """
        if argument >= len(self.derivatives) and self.formula is not None and jumps_of(self.formula):
            return None  # JAX would ignore the jumps
        return _slope(self, argument)

    @functools.cached_property
    def formula(self) -> Formula | None:
        """The formula of a function of one vector without parameters, if it has one; see `recognition.py`."""
        return formula_of(self.fn) if self.arity == 1 else None

    def as_polynomial(self) -> tuple[float, ...] | None:
        """The coefficients of a function of one vector without parameters that is a polynomial, however it is written.

        Returns:
            At least one coefficient, the constant term first; `None` if it is not known to be a polynomial.
        """
        if self.formula is None or self.formula.breaks:
            return None
        try:
            return tuple(float(c.re) for c in self.formula.pieces[0].as_polynomial()) or (0.0,)
        except NoFormulaError:
            return None

    def as_it_is_now(self, parameters: int) -> Nonlinearity:
        """A nonlinearity for the function as it is now: a new one if variables that the function reads have changed.

        This prevents the use of code that was compiled for the old function.

        Args:
            parameters: The number of parameters θ that the function takes after its vectors.

        Returns:
            This object if the function is as it was first seen; otherwise a nonlinearity for the function as it is now.

        Raises:
            ProgramError: The function, with this number of parameters, is not elementwise.
        """
        if self.coefficients or globals().get(self.name) is self:
            return self
        text = traced_elementwise(self.fn, f"The nonlinearity {self.name}", self.arity, parameters)
        meanings: dict[int, dict[str, Nonlinearity]] = self.__dict__.setdefault("_meanings", {})
        known = meanings.setdefault(parameters, {})
        if text not in known:
            known[text] = dataclasses.replace(self) if known else self
        return known[text]


def nonlinearity_values(phi: Nonlinearity, *args: Any) -> Any:
    """Evaluate φ on arrays."""
    return phi.fn(*args)


def _slope(phi: Nonlinearity, argument: int) -> Nonlinearity | None:
    """A declared derivative, or one by JAX, without the check for jumps of `Nonlinearity.derivative`."""
    return phi.derivatives[argument] if argument < len(phi.derivatives) else _autodiff(phi, argument)


@functools.cache
def _autodiff(phi: Nonlinearity, argument: int) -> Nonlinearity:
    def fn(*args: Any) -> jax.Array:
        dtype = jnp.result_type(*args)
        same = jnp.broadcast_arrays(*args)
        flat = [jnp.ravel(jnp.asarray(a, dtype)) for a in same]
        slope: jax.Array = jax.vmap(jax.grad(phi.fn, argnums=argument))(*flat)
        return slope.reshape(same[0].shape)

    prime = "′" if phi.arity == 1 else f"_{argument + 1}"
    return Nonlinearity(phi.name + prime, fn, phi.arity, phi.smooth, derivative_of=(phi, argument))


def nonlinearity(fn: Callable[..., Any], *, arity: int = 1, smooth: bool = True) -> Nonlinearity:
    """Make a nonlinearity from a JAX function of `arity` coordinates (and parameters θ after them).

    ```python
    swish = nv.nonlinearity(lambda x: x * jax.nn.sigmoid(x))
    h = swish(W @ x)
    ```

    The same function always gives the same nonlinearity, so define it once, outside the
    architecture. Variables outside the function that it reads may change: it is traced again whenever
    an architecture is traced. A function with a jump has an NNGP but no NTK: computing the NTK then raises
    an error. Using a function that is not elementwise in a program raises `ProgramError`.

    Args:
        fn: A hashable function of `arity` arrays and any parameters after them, elementwise.
        arity: The number of vectors it takes, ≥ 1.
        smooth: `False` declares a kink or a jump; expectations do not rely on it.

    Returns:
        The nonlinearity, to be called on vectors of a program or on arrays.

    Raises:
        HyperparameterError: `fn` is not a function, `arity` not a whole number ≥ 1, or `smooth` not a bool.
    """
    if not callable(fn) or not isinstance(fn, Hashable):
        raise HyperparameterError(f"nv.nonlinearity takes a JAX function such as jnp.tanh, not {shown(fn)}.")
    if isinstance(arity, bool) or not isinstance(arity, int) or arity < 1:
        raise HyperparameterError(f"arity is {shown(arity)}; it must be a whole number ≥ 1.")
    if not isinstance(smooth, bool):
        raise HyperparameterError(f"smooth is {shown(smooth)}; it must be True or False.")
    return _made_of(_Itself(fn), arity, smooth)


class _Itself:
    """A function as a key, compared by identity: its own `__eq__` may equate different functions, or change."""

    def __init__(self, fn: Callable[..., Any]):
        self.fn = fn
        bound = getattr(fn, "__self__", None), getattr(fn, "__func__", None)
        self._parts = bound if isinstance(fn, types.MethodType) else (fn,)  # each access to a method makes a new object

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and tuple(map(id, self._parts)) == tuple(map(id, other._parts))

    def __hash__(self) -> int:
        return hash(tuple(map(id, self._parts)))


@functools.lru_cache(maxsize=1024)
def _made_of(fn: _Itself, arity: int, smooth: bool) -> Nonlinearity:
    return Nonlinearity(getattr(fn.fn, "__name__", "φ"), fn.fn, arity, smooth)


@functools.cache
def polynomial(name: str, *coefficients: float) -> Nonlinearity:
    """The polynomial Σ cₖ xᵏ, whose derivatives are polynomials too (down to the constant 0)."""

    def fn(x: Any) -> jax.Array:
        value = jnp.zeros_like(x)
        for c in reversed(coefficients):
            value = value * x + c
        return value

    if coefficients == (0.0,):
        return Nonlinearity(name, fn, coefficients=coefficients)
    slopes = tuple(k * c for k, c in enumerate(coefficients))[1:] or (0.0,)
    return Nonlinearity(name, fn, derivatives=(polynomial(name + "′", *slopes),), coefficients=coefficients)


step = Nonlinearity(
    "step", lambda x: jnp.where(x > 0, 1.0, 0.0).astype(jnp.result_type(x)), smooth=False, derivatives=(None,)
)
sign = Nonlinearity("sign", lambda x: jnp.sign(x), smooth=False, derivatives=(None,))
# relu and abs are written so that JAX's derivative at 0 agrees with step(0) = sign(0) = 0.
relu = Nonlinearity("relu", lambda x: jnp.where(x > 0, x, 0), smooth=False, derivatives=(step,))
abs = Nonlinearity("abs", lambda x: x * jnp.sign(x), smooth=False, derivatives=(sign,))
leaky_step = Nonlinearity(
    "leaky_step", lambda x, slope=0.2: jnp.where(x > 0, 1.0, slope), smooth=False, derivatives=(None,)
)
leaky_relu = Nonlinearity(
    "leaky_relu", lambda x, slope=0.2: jnp.where(x > 0, x, slope * x), smooth=False, derivatives=(leaky_step,)
)
erf_slope = Nonlinearity("erf_slope", lambda x: 2 / math.sqrt(math.pi) * jnp.exp(-x * x))
erf = Nonlinearity("erf", lambda x: special.erf(x), derivatives=(erf_slope,))
erf_gate_slope = Nonlinearity("erf_gate_slope", lambda x: jnp.exp(-x * x) / math.sqrt(math.pi))
erf_gate = Nonlinearity("erf_gate", lambda x: (1 + special.erf(x)) / 2, derivatives=(erf_gate_slope,))
gelu_slope = Nonlinearity("gelu_slope", lambda x: norm.cdf(x) + x * norm.pdf(x))
gelu = Nonlinearity("gelu", lambda x: x * norm.cdf(x), derivatives=(gelu_slope,))
sigmoid = Nonlinearity("sigmoid", lambda x: jax.nn.sigmoid(x))
tanh = Nonlinearity("tanh", lambda x: jnp.tanh(x))
minus_sin = Nonlinearity("minus_sin", lambda x: -jnp.sin(x))
cos = Nonlinearity("cos", lambda x: jnp.cos(x), derivatives=(minus_sin,))
sin = Nonlinearity("sin", lambda x: jnp.sin(x), derivatives=(cos,))
exp = Nonlinearity("exp", lambda x: jnp.exp(x))
object.__setattr__(exp, "derivatives", (exp,))  # its own derivative, which can be set only once it exists
identity = polynomial("identity", 0.0, 1.0)
square = polynomial("square", 0.0, 0.0, 1.0)
cube = polynomial("cube", 0.0, 0.0, 0.0, 1.0)
multiply = Nonlinearity("multiply", lambda x, y: x * y, arity=2)

BY_NAME: dict[str, Nonlinearity] = {
    phi.name: phi
    for phi in (
        relu,
        erf,
        abs,
        leaky_relu,
        gelu,
        sigmoid,
        tanh,
        sin,
        cos,
        exp,
        identity,
        square,
        cube,
        step,
        sign,
        erf_gate,
    )
}


def as_nonlinearity(phi: Any) -> Nonlinearity:
    """A nonlinearity from its name in `BY_NAME` or from a plain JAX function; a `Nonlinearity` is returned unchanged.

    Raises `HyperparameterError`, with a list of the known names, for anything else.
    """
    if isinstance(phi, Nonlinearity):
        return phi
    if isinstance(phi, str) and phi in BY_NAME:
        return BY_NAME[phi]
    if callable(phi):
        return nonlinearity(phi)
    raise HyperparameterError(
        f"The nonlinearity {shown(phi)} is unknown; use one of {', '.join(sorted(BY_NAME))}, or a JAX function."
    )
