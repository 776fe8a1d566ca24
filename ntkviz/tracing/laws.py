"""The law of each parameter's entries, from the jaxpr of the model's own initialisation.

Each array of random bits is replaced by a quadrature grid over one random word. As long as only elementwise primitives
follow, all entries of a parameter are the same function of different words: the entries are independent and identically
distributed, and their moments are integrals over the grid, not estimates. Random keys are tracked too: two arrays drawn
with the same key have the same numbers, and parameters that share numbers are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal
from scipy.special import ndtr

from .expressions import ELEMENTWISE, frozen
from .jaxprs import called, evaluated

_Z = np.linspace(-6.5, 6.5, 5001)
_WEIGHTS = np.exp(-_Z * _Z / 2) / np.exp(-_Z * _Z / 2).sum()
_FAMILIES = {"normal": 3.0, "uniform": 1.8, "truncated normal": 2.3658, "sign": 1.0}
HEAVY_TAILS = "(heavy tails)"
_HEAVY = 1e5
"""A kurtosis that only tails of infinite variance have on the grid: a log-normal variable of σ = 1.5 has 10⁴."""


@dataclass(frozen=True)
class Law:
    """The law of the entries of a parameter.

    Attributes:
        mean: The mean of an entry.
        std: The standard deviation of an entry.
        kurtosis: E x⁴/(E x²)² of the centred entry; 3 if it is Gaussian.
        family: "normal", "uniform", …; "constant"; "fixed" (known numbers that differ); "orthogonal"; or, if the law is
            unknown, the operation that makes it so, in parentheses.
        draws: The draws of random bits that the entries depend on; parameters that share one are not independent.
        values: The numbers of a constant or fixed array.
    """

    mean: float
    std: float
    kurtosis: float
    family: str
    draws: frozenset[Any] = frozenset()
    values: np.ndarray | None = None

    @property
    def is_known(self) -> bool:
        """Whether the law is known."""
        return not self.family.startswith("(")

    @property
    def is_gaussian(self) -> bool:
        """Whether a single entry is Gaussian; an entry of an orthogonal matrix is, in the limit of large width."""
        return self.std == 0 or self.family in ("normal", "orthogonal")


@dataclass(frozen=True)
class _Fixed:
    """Known numbers or keys; `of_data` if they depend on the data that the model is initialised with."""

    value: Any
    of_data: bool = False


@dataclass(frozen=True)
class _Draws:
    """Entries that are the same function of different random words; `values` are those of the function on the grid.

    `origins` are the keys with which the words were drawn, and `moves` the operations that have rearranged them since.
    """

    shape: tuple[int, ...]
    values: Any
    origins: frozenset[Any]
    moves: tuple[Any, ...] = ()


@dataclass(frozen=True)
class _Mixed:
    """Random numbers that depend on several words each."""

    shape: tuple[int, ...]
    why: str
    origins: frozenset[Any]


_Value = _Fixed | _Draws | _Mixed


def laws_of(init: ClosedJaxpr) -> list[Law | None]:
    """The law of each output of an initialisation whose inputs are random keys and data; `None` for keys.

    A law whose family is `"(qr)"` may still be that of an orthogonal matrix; see `settled`.
    """
    args: list[_Value] = [
        _Fixed(jax.random.key(k)) if _is_key(v.aval) else _Fixed(np.zeros(v.aval.shape, v.aval.dtype), of_data=True)
        for k, v in enumerate(init.jaxpr.invars)
    ]
    return [_law(value) for value in _run(init.jaxpr, init.consts, args)]


def _law(value: _Value) -> Law | None:
    match value:
        case _Fixed(array) if _is_key(array):
            return None
        case _Fixed(_, of_data=True):
            return Law(0.0, math.nan, math.nan, "(they depend on the data)")
        case _Fixed(array):
            a = np.asarray(array, float)
            constant = a.size == 0 or bool(np.all(a == a.flat[0]))
            mean = float(a.flat[0]) if a.size else 0.0
            return Law(mean, 0.0, 0.0, "constant" if constant else "fixed", values=np.asarray(array))
        case _Mixed(_, why, origins):
            return Law(0.0, math.nan, math.nan, f"({why})", origins)
        case _Draws(_, values, origins, _):
            v = np.asarray(values, float)
            mean = float(_WEIGHTS @ v)
            second, fourth = (float(_WEIGHTS @ (v - mean) ** p) for p in (2, 4))
            mean = 0.0 if abs(mean) < 1e-6 * math.sqrt(second) else mean
            kurtosis = fourth / second**2 if second else 0.0
            if kurtosis > _HEAVY:
                return Law(0.0, math.nan, math.nan, HEAVY_TAILS, origins)
            size = float(np.max(np.abs(v)))
            if size and np.all(np.abs(v) == size) and abs(mean) <= 2 * size * float(_WEIGHTS.max()):
                mean, second, kurtosis = 0.0, size**2, 1.0  # fair signs: their jump lies between two nodes of the grid
            family = next((f for f, k in _FAMILIES.items() if abs(kurtosis - k) < 0.01), f"kurtosis {kurtosis:.3g}")
            return Law(mean, math.sqrt(second), kurtosis, family, origins)


def settled(law: Law, sample: np.ndarray) -> Law:
    """A law that the jaxpr does not determine, determined from a sample: orthogonal if its columns or rows are."""
    if law.is_known or ("qr" not in law.family and "householder" not in law.family):
        return law
    matrix = np.asarray(sample, float).reshape((-1, sample.shape[-1]))
    matrix = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    gram = matrix.T @ matrix
    scale = float(np.trace(gram)) / len(gram)
    symmetry = float(np.sum(matrix * matrix.T) / np.sum(matrix**2)) if len(set(matrix.shape)) == 1 else 0.0
    if scale == 0 or np.max(np.abs(gram / scale - np.eye(len(gram)))) > 1e-3 or abs(symmetry) > 0.1:
        return law
    kurtosis = np.mean(matrix**4) / np.mean(matrix**2) ** 2  # about 3 ± √(24/entries) for a uniform orthogonal matrix
    if abs(kurtosis - 3) > 6 * math.sqrt(24 / matrix.size) + 6 / matrix.shape[0]:
        return law
    return Law(0.0, math.sqrt(scale / matrix.shape[0]), 3.0, "orthogonal", law.draws)


# --- the walk through the initialisation ---------------------------------------------------------------------


def _is_key(aval: Any) -> bool:
    return bool(jnp.issubdtype(getattr(aval, "dtype", np.float32), jax.dtypes.prng_key))


def _run(jaxpr: Any, consts: Any, args: list[_Value]) -> list[_Value]:
    known: dict[Any, _Value] = dict(zip(jaxpr.invars, args, strict=True))
    known |= {v: _Fixed(c) for v, c in zip(jaxpr.constvars, consts, strict=True)}

    def read(v: Any) -> _Value:
        return _Fixed(v.val) if isinstance(v, Literal) else known[v]

    for equation in _needed(jaxpr):
        given = [read(v) for v in equation.invars]
        inner = called(equation)
        outs = _apply(equation, given) if inner is None else _run(inner.jaxpr, inner.consts, given)
        known |= dict(zip(equation.outvars, outs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _needed(jaxpr: Any) -> list[Any]:
    """The equations on which the results depend: an initialisation may run the model, whose outputs it drops."""
    wanted, found = {v for v in jaxpr.outvars if not isinstance(v, Literal)}, []
    for equation in reversed(jaxpr.eqns):
        if not wanted.isdisjoint(equation.outvars):
            found.append(equation)
            wanted.update(v for v in equation.invars if not isinstance(v, Literal))
    return found[::-1]


def _apply(equation: Any, args: list[_Value]) -> list[_Value]:
    name = equation.primitive.name
    shapes = [v.aval.shape for v in equation.outvars]
    if name == "random_bits":
        return [_bits(equation, args[0], shapes[0])]
    if name == "scan" and (looped := _loop(equation, args)) is not None:
        return looped
    if _draws_within(equation):
        keys = frozenset[Any]().union(*(_rows(a.value) for a in args if isinstance(a, _Fixed) and _is_key(a.value)))
        return [_Mixed(s, f"they are drawn within {name}", keys) for s in shapes]
    if all(isinstance(a, _Fixed) for a in args):
        of_data = any(a.of_data for a in args if isinstance(a, _Fixed))
        return [_Fixed(out, of_data) for out in evaluated(equation, [a.value for a in args if isinstance(a, _Fixed)])]
    if any(isinstance(a, _Fixed) and a.of_data for a in args):
        return [_Mixed(s, "they depend on the data", frozenset()) for s in shapes]
    drawn = _moved(equation, args, shapes[0]) or _elementwise(equation, args, shapes)
    if drawn is not None:
        return [drawn]
    origins = frozenset().union(*(a.origins for a in args if isinstance(a, _Draws | _Mixed)))
    why = next((a.why for a in args if isinstance(a, _Mixed)), name)
    why = name if name in ("qr", "householder_product") else why
    return [_Mixed(s, why, origins) for s in shapes]


def _bits(equation: Any, key: _Value, shape: tuple[int, ...]) -> _Value:
    width = equation.params["bit_width"]
    if not isinstance(key, _Fixed):
        return _Mixed(shape, "with keys that are random themselves", frozenset())
    keys = _rows(key.value)
    origins = frozenset(keys)
    if len(origins) < len(keys):
        return _Mixed(shape, "one random key for several numbers", origins)
    top = 53 if width == 64 else width
    words = np.minimum(ndtr(_Z) * 2.0**top, 2.0**top - 1).astype(np.uint64)
    values = (words << np.uint64(width - top)).astype(f"uint{width}")
    return _Draws(shape, values, origins)


def _loop(equation: Any, args: list[_Value]) -> list[_Value] | None:
    """The results of a loop over known rows, such as the keys of layers of the same form; `None` for other loops."""
    p = equation.params
    consts, kept = p["num_consts"], p["num_carry"]
    rows = args[consts + kept :]
    if p["length"] > _MOST_STEPS or not p["length"] or not all(isinstance(a, _Fixed) for a in rows):
        return None
    carry, steps = args[consts : consts + kept], []
    order = range(p["length"])
    for t in reversed(order) if p["reverse"] else order:
        row: list[_Value] = [_Fixed(a.value[t], a.of_data) for a in rows if isinstance(a, _Fixed)]
        outs = _run(p["jaxpr"].jaxpr, p["jaxpr"].consts, [*args[:consts], *carry, *row])
        carry = outs[:kept]
        steps.append(outs[kept:])
    stacked = [_stacked(list(values)) for values in zip(*(steps[::-1] if p["reverse"] else steps), strict=True)]
    return None if any(s is None for s in stacked) else [*carry, *(s for s in stacked if s is not None)]


def _stacked(values: list[_Value]) -> _Value | None:
    """Values stacked along a new axis; `None` unless all are known, or drawn alike with different keys."""
    fixed = [v for v in values if isinstance(v, _Fixed)]
    if len(fixed) == len(values) and not any(_is_key(v.value) for v in fixed):
        return _Fixed(jnp.stack([jnp.asarray(v.value) for v in fixed]), any(v.of_data for v in fixed))
    draws = [v for v in values if isinstance(v, _Draws)]
    if len(draws) < len(values):
        return None
    first, origins = draws[0], frozenset[Any]().union(*(d.origins for d in draws))
    alike = all(d.moves == first.moves and np.allclose(d.values, first.values, rtol=1e-6) for d in draws)
    if not alike or len(origins) < sum(len(d.origins) for d in draws):
        return None
    return _Draws((len(values), *first.shape), first.values, origins, (*first.moves, *(d.origins for d in draws)))


_MOST_STEPS = 256


def _rows(keys: Any) -> list[bytes]:
    data = np.asarray(jax.random.key_data(keys))
    return [row.tobytes() for row in data.reshape((-1, data.shape[-1]))]


def _draws_within(equation: Any) -> bool:
    """Whether a primitive draws random numbers inside, as in a loop or a branch, so that only its results are seen."""
    if equation.primitive.name in ("random_bits", "random_gamma", "threefry2x32", "rng_bit_generator"):
        return True
    inner: list[Any] = jax.tree.leaves(equation.params, is_leaf=lambda j: hasattr(j, "eqns"))
    return any(_draws_within(e) for jaxpr in inner if hasattr(jaxpr, "eqns") for e in jaxpr.eqns)


_MOVES = {"reshape", "transpose", "squeeze", "expand_dims", "rev", "copy", "copy_p", "slice", "broadcast_in_dim"}


def _moved(equation: Any, args: list[_Value], shape: tuple[int, ...]) -> _Value | None:
    """Draws rearranged without repetition; `None` if the operation does anything else."""
    name = equation.primitive.name
    draws = [a for a in args if isinstance(a, _Draws)]
    if len(draws) != len(args):
        return None
    first = draws[0]
    if name in _MOVES and len(args) == 1 and math.prod(shape) <= math.prod(first.shape):
        moves = (*first.moves, (name, frozen(equation.params)))
        return _Draws(shape, first.values, first.origins, moves)
    if name == "concatenate":  # several parameters with the same law, packed into one
        origins = frozenset().union(*(d.origins for d in draws))
        alike = all(np.allclose(d.values, first.values, rtol=1e-6) for d in draws)
        if alike and len(origins) == sum(len(d.origins) for d in draws):
            return _Draws(shape, first.values, origins, tuple(d.moves for d in draws))
    return None


def _elementwise(equation: Any, args: list[_Value], shapes: list[tuple[int, ...]]) -> _Value | None:
    """The same function of every entry of one draw, and of numbers that are equal for all entries; otherwise `None`."""
    draws = [a for a in args if isinstance(a, _Draws)]
    fixed = [a for a in args if isinstance(a, _Fixed)]
    elementwise = equation.primitive.name in ELEMENTWISE | {"shift_right_logical", "shift_left", "bitcast_convert_type"}
    if not elementwise or len(draws) + len(fixed) < len(args) or len({(d.origins, d.moves) for d in draws}) > 1:
        return None
    if any(a.shape not in ((), shapes[0]) for a in draws) or any(not _uniform(a.value) for a in fixed):
        return None
    if any(d.shape != draws[0].shape for d in draws):
        return None
    given = [
        a.values if isinstance(a, _Draws) else np.full(len(_Z), np.ravel(np.asarray(a.value))[0], v.aval.dtype)
        for a, v in zip(args, equation.invars, strict=True)
        if isinstance(a, _Draws | _Fixed)
    ]
    (values,) = evaluated(equation, given)
    return _Draws(shapes[0], values, draws[0].origins, draws[0].moves)


def _uniform(value: Any) -> bool:
    flat = np.ravel(np.asarray(value))
    return flat.size > 0 and bool(np.all(flat == flat[0]))
