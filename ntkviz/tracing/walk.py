"""Walks a model's jaxprs at two widths in step, and writes them as a tensor program."""

from __future__ import annotations

from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Literal

from ..errors import TraceError, phrase
from ..language.handle import Value
from ..language.network import Network
from ..language.nonlinearities.nonlinearity import BY_NAME
from ..language.values import Scalar, Vector
from . import expressions as ex
from .account import check_account
from .custom_derivatives import check_derivative
from .jaxprs import CUSTOM, Equation, called, check_precision, differing_parameter, needed, width_axes
from .options import Options
from .parameters import Parameters
from .rules.elementwise import written
from .rules.joining import written_joined
from .rules.table import RULES, RULES_OF_WEIGHTED
from .values import Findings, Joined, Known, Numbers, Par, Random, Readouts, Unfit, Vectors, Weighted

_BUILT_IN = frozenset(BY_NAME.values())
Traced = Known | Numbers | Vectors | Par | Readouts | Joined | Weighted | Random | Unfit


class Walk:
    """One attempt to write a model as a program.

    Attributes:
        net: The network that records the program.
        parameters: The model's parameters.
        options: The options of the trace.
        findings: The findings of earlier attempts.
        where: The line of the model that is being written, as ", at file.py:12".
        pieces: Parts of vectors that have been written, so that none is written twice.
    """

    def __init__(self, net: Network, parameters: Parameters, options: Options, findings: Findings):
        self.net, self.parameters, self.options, self.findings = net, parameters, options, findings
        self.where = ""
        self.pieces: dict[Any, Any] = {}

    # --- the walk ------------------------------------------------------------------------------------------

    def run(self, first: ClosedJaxpr, second: ClosedJaxpr, args: list[Traced]) -> list[Traced]:
        """The results of a jaxpr, given at both widths."""
        one, two = first.jaxpr, second.jaxpr
        names = [[e.primitive.name for e in jaxpr.eqns] for jaxpr in (one, two)]
        if names[0] != names[1]:
            n1, n2 = self.options.widths
            pairs = zip(*names, strict=False)
            at = next((phrase(f", first {a} and {b}{self.where}") for a, b in pairs if a != b), self.where)
            raise TraceError(
                f"The model runs different operations at widths {n1} and {n2}{at}; its structure must not "
                "depend on the width."
            )
        known: dict[Any, Traced] = dict(zip(one.invars, args, strict=True))
        known |= {v: _known(a, b) for v, a, b in zip(one.constvars, first.consts, second.consts, strict=True)}

        def read(a: Any, b: Any) -> Traced:
            return _known(a.val, b.val) if isinstance(a, Literal) else known[a]

        for equation in needed([Equation(a, b) for a, b in zip(one.eqns, two.eqns, strict=True)], one.outvars):
            if equation.is_empty:
                known |= {
                    v: Known(*map(np.zeros, s)) for v, s in zip(equation.first.outvars, equation.outs, strict=True)
                }
                continue
            given = list(map(read, equation.first.invars, equation.second.invars))
            self.where = equation.where or self.where
            outs = self.equation(equation, given)
            known |= dict(zip(equation.first.outvars, outs, strict=True))
        return list(map(read, one.outvars, two.outvars))

    def equation(self, eq: Equation, args: list[Traced]) -> list[Traced]:
        """The results of one equation."""
        check_precision([v.aval.dtype for v in eq.first.outvars], self.where)
        inner = called(eq.first), called(eq.second)
        if inner[0] is not None and inner[1] is not None:
            if eq.name in CUSTOM and not all(isinstance(a, Known) for a in args):
                check_derivative(eq, self.where)
            return self.run(inner[0], inner[1], args)
        if any(isinstance(a, Random) for a in args) or eq.name.startswith(("random_", "rng_", "threefry")):
            return [self._random(eq, v) for v in eq.first.outvars]
        if eq.name not in ("scan", "while", "cond") and all(isinstance(a, Known) for a in args):
            return _folded(eq, args)
        unfit = next((a for a in args if isinstance(a, Unfit)), None)
        if unfit is not None and eq.name not in ("scan", "cond"):
            self.refuse(f"{unfit.why}, where it is used{{where}}.")
        differing = differing_parameter(eq)
        if differing is not None:
            self.refuse(f"The operation {eq.name}{{where}} depends on the width through its parameter {differing}.")
        rule = RULES.get(eq.name)
        if rule is None and all(isinstance(a, Known | Numbers) for a in args):
            rule = RULES["of numbers"]
        if rule is None:
            raise TraceError(f"nv.trace cannot write the operation {eq.name}{self.where} as instructions.")
        args = [a if not isinstance(a, Weighted) or eq.name in RULES_OF_WEIGHTED else written(self, a) for a in args]
        takes_joined = eq.name in ("dot_general", "convert_element_type")
        args = [a if not isinstance(a, Joined) or takes_joined else written_joined(self, a) for a in args]
        made = rule(self, eq, *args)
        outs = list(made) if isinstance(made, list) else [made]
        for out, shapes in zip(outs, eq.outs, strict=True):
            check_account(out, shapes, f"{eq.name}{self.where}")
        return outs

    def _random(self, eq: Equation, v: Any) -> Random:
        if jnp.issubdtype(v.aval.dtype, jax.dtypes.prng_key) or eq.name in ("random_unwrap", "slice", "squeeze"):
            return Random()
        raise TraceError(
            f"The model draws random numbers while it runs ({eq.name}{self.where}); switch dropout and the like off."
        )

    def refuse(self, sentence: str) -> NoReturn:
        """Raise `TraceError` with a message that says what is wrong and what to do; "{where}" stands for the line."""
        raise TraceError(sentence.replace("{where}", self.where))

    # --- conversions ---------------------------------------------------------------------------------------

    def numbers(self, value: Traced) -> Numbers:
        """Known numbers, or a parameter that is a number, as numbers of the program."""
        if isinstance(value, Numbers):
            return value
        if isinstance(value, Known):
            return self._numbers(value)
        if isinstance(value, Par):
            return self._number_of_parameter(value)
        if isinstance(value, Readouts):
            self.refuse("The output of a readout is used further{where}; make it the last operation.")
        self.refuse("nv.trace expects a number{where}, not vectors or an output.")

    def _numbers(self, value: Known) -> Numbers:
        first, second = value.first, value.second
        for axis in width_axes(first.shape, second.shape):
            if any(v.size and np.any(v != v.take([0], axis)) for v in (first, second)):
                self.refuse(
                    "The model uses fixed numbers that differ from coordinate to coordinate{where}, such as sinusoidal "
                    "position encodings, but a tensor program treats all coordinates alike; make them random."
                )
            first, second = first.take([0], axis), second.take([0], axis)
        first = _decimal(first)
        second = _decimal(second)
        if np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
            return Numbers(ex.Literal(first), first.shape)
        same = first == second
        if not np.any(same & (first != 0)):
            with np.errstate(all="ignore"):
                ratios = np.asarray(second / first, float)[~same]
            if np.all(np.isfinite(ratios)):
                return Numbers(
                    ex.Literal(first), first.shape, self.options.order(ratios, phrase("A number"), self.where)
                )
        self.refuse("A number of the model depends on the width{where}, but is not proportional to a power of it.")

    def _number_of_parameter(self, par: Par) -> Numbers:
        law, name = self.parameters.law(par.leaf), self.parameters.name(par.leaf)
        if law.std:
            self.refuse(
                f"Parameter {name} is random and has no axis that grows with the width{{where}}, so that it stays "
                "random in the limit; start it at a constant, or give it such an axis."
            )
        if not law.is_known or law.values is None:
            self.refuse(f"Parameter {name} does not start at a known number{{where}}.")
        shape = tuple(1 if k in par.axes else s for k, s in enumerate(par.entries.shape))
        _, second = self.parameters.declared[par.leaf].laws or (law, law)
        differs = par.axes or not np.array_equal(law.values, second.values if second.values is not None else ())
        if law.family == "fixed" and differs:
            self.refuse(f"Parameter {name} starts at fixed numbers that are not all equal{{where}}.")
        order = par.order + self.parameters.order(par.leaf) if law.family == "constant" else par.order
        if law.family == "fixed":
            values = np.asarray(law.values, float).ravel()[par.entries] * par.factor
            self.parameters.fixed(par.leaf)
        else:
            values = np.full(shape, law.mean * par.factor)
            self.parameters.frozen(par.leaf)
        return Numbers(ex.Literal(values), shape, order)

    def vectors(self, par: Par, zero: bool = False, fan_in: int = 1) -> Vectors:
        """A parameter with one width axis as vectors of the program, `fan_in` of which are summed."""
        ((axis, own),) = par.axes.items()
        if zero:
            self.findings.zero.add(par.leaf)
        handle, order, mean = self.parameters.initial_vectors(par.leaf, fan_in)
        vector = handle if handle.ndim else handle.reshape((1,))
        everything = np.array_equal(par.entries, np.arange(par.entries.size)) and par.entries.size == len(vector)
        vector = vector if everything else vector[par.entries]
        inner = self.findings.blocks.get((par.leaf, own), (0, 1))[1]
        made = Vectors(ex.Leaf(vector), par.entries.shape, axis, par.sizes[axis], par.sources, order + par.order, inner)
        if mean:
            made.e = ex.Leaf(self.vector(made) + mean)
        if par.factor != 1:
            made.e = ex.Leaf(self.vector(made) * par.factor)
        return made

    def vector(self, v: Vectors) -> Vector:
        """Vectors as an instruction of their block shape."""
        h = self._written(v.e)
        if h.shape != v.shape:
            h = h.broadcast_to(v.shape)
        v.e = ex.Leaf(h)
        return h

    def _written(self, e: ex.Expression) -> Vector:
        """An expression of vectors as instructions; affine functions around or in a nonlinearity are Scale, Shift."""
        if isinstance(e, ex.Leaf):
            assert isinstance(e.handle, Vector)
            return e.handle
        outer = ex.line(e)
        if isinstance(outer.base, ex.Leaf):
            assert isinstance(outer.base.handle, Vector)
            return _affine(outer.base.handle, outer.slope, outer.shift)
        vectors, scalars = _split(ex.leaves(e))
        if len(vectors) == 1 and not scalars:
            phi = ex.nonlinearity(e, vectors, [])
            if phi in _BUILT_IN:  # checked first, since splitting off affine functions would hide gelu
                return _applied(phi, vectors, [])
        e = outer.base
        over = ex.lines_over_leaves(e)
        places = {h._index: h for h in vectors}
        new = {
            index: ex.Leaf(_affine(places[index], *next(iter(lines))))
            for index, lines in over.items()
            if index in places and len(lines) == 1 and lines != {(1.0, 0.0)}
        }
        e = ex.with_lines_as(e, new) if new else e
        vectors, scalars = _split(ex.leaves(e))
        return _affine(_applied(ex.nonlinearity(e, vectors, scalars), vectors, scalars), outer.slope, outer.shift)

    def scalar(self, n: Numbers) -> Scalar:
        """Numbers as an instruction of their block shape."""
        e = n.e
        if isinstance(e, ex.Literal):
            h = self.net.scalar(np.asarray(e.value, float))
        elif isinstance(e, ex.Leaf):
            assert isinstance(e.handle, Scalar)
            h = e.handle
        else:
            args = ex.leaves(e)
            h = self.net.scalar_function(ex.function(e, args), *args, name=e.name, mixes=0)
        h = h if h.shape == n.shape else h.broadcast_to(n.shape)
        n.e = ex.Leaf(h)
        return h


def _known(a: Any, b: Any) -> Known | Random:
    if jnp.issubdtype(getattr(a, "dtype", np.float32), jax.dtypes.prng_key):
        return Random()
    return Known(np.asarray(a), np.asarray(b))


def _folded(eq: Equation, args: list[Traced]) -> list[Traced]:
    """The results of an operation on known arrays."""
    known = [a for a in args if isinstance(a, Known)]
    pairs = (eq.first, [a.first for a in known]), (eq.second, [a.second for a in known])
    first, second = (
        equation.primitive.bind(
            *(jnp.asarray(a, v.aval.dtype) for a, v in zip(arrays, equation.invars, strict=True)), **equation.params
        )
        for equation, arrays in pairs
    )
    if not eq.first.primitive.multiple_results:
        first, second = [first], [second]
    return [Known(np.asarray(a), np.asarray(b)) for a, b in zip(first, second, strict=True)]


def _decimal(array: np.ndarray) -> np.ndarray:
    """Numbers in float64; those in float32 are read as the shortest decimals that represent them, such as 0.1."""
    if array.dtype == np.float32:
        return np.array([float(str(x)) for x in array.ravel()]).reshape(array.shape)
    return array


def _split(handles: list[Value]) -> tuple[list[Vector], list[Scalar]]:
    vectors = [h for h in handles if isinstance(h, Vector)]
    return vectors, [h for h in handles if isinstance(h, Scalar)]


def _affine(x: Vector, slope: float, shift: float) -> Vector:
    x = x if slope == 1 else x * slope
    return x if shift == 0 else x + shift


def _applied(phi: Any, vectors: list[Vector], scalars: list[Scalar]) -> Vector:
    made: Vector = phi(*vectors, *scalars)
    return made
