"""The Z calculus in exact algebra, for programs whose expectations can all be integrated.

The same calculus as in `ntkviz.readings.sampled`, but each vector's limit Z is an `Expression` in
basis Gaussians. A MatMul makes new basis Gaussians Ẑ, with covariance σ² E[Z^x Z^y], and adds
Ż = σ² Σ_y Z^y E[∂Z^x/∂Ẑ^{Wᵀy}] (Tensor Programs III).
"""

from __future__ import annotations

import itertools
import operator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..language import instructions as ops
from ..language.backward import BackwardProgram, Fill, PairMoment, ScalarGradient, TransposedOnScalars, Use
from ..language.nonlinearities import multiply
from ..language.program import Instruction, Parameter, Program
from .expressions import Expectations, Expression, NotExactError
from .forward import ForwardKernels
from .parameters import ParameterNumbers
from .sampled import variance

Vectors = np.ndarray  # of Expressions, in the leading shape


def exact_kernels(programs: tuple[BackwardProgram, BackwardProgram], readout_passes: bool) -> ForwardKernels:
    """NNGP and NTK between the outputs of two programs of one architecture.

    Raises `NotExactError` where an expectation is not in the algebra.
    """
    calculus = ExactZ()
    runs = [calculus.run(p.program) for p in programs]
    nngp = _nngp(calculus, programs, runs) if readout_passes else _deterministic(programs, runs)
    ntk = _ntk(calculus, programs, runs)
    error = sum((jnp.max(e) for e in calculus.expectations.errors), jnp.zeros(()))
    return ForwardKernels(nngp, ntk, error)


class ExactZ:
    """Runs programs that share parameters, value by value, in exact algebra."""

    def __init__(self) -> None:
        self.expectations = Expectations()
        self.families: dict[Any, list[tuple[Any, int]]] = {}  # what was multiplied, and the Gaussian it made
        self.vectors: dict[str, Vectors] = {}
        self.size = 0

    def run(self, program: Program) -> list[Any]:
        """Every value: arrays of expressions for vectors, numbers (`None` for zero) for scalars."""
        values: list[Any] = []
        for place, instruction in enumerate(program.instructions):
            values.append(self._evaluate(program, place, instruction, [values[a] for a in instruction.args]))
        return values

    def _evaluate(self, program: Program, place: int, instruction: Instruction, args: list[Any]) -> Any:
        match instruction.op:
            case ops.Data(index):
                return jnp.asarray(program.data[index], float)
            case ops.Constant(index):
                return jnp.asarray(program.constants[index])
            case ops.InputMatMul(k):
                return self._input(program, program.parameters[k], args[0])
            case ops.InitialVector(k):
                return self._initial(program, program.parameters[k])
            case ops.MatMul() as op:
                return self._matmul(program, op, args[0])
            case ops.Nonlin(phi):
                return _nonlinearity(phi, instruction, args)
            case ops.Shift():
                return _shift(instruction, *args)
            case Fill():
                return _fill(instruction, args[0])
            case ops.Moment():
                return self._numbers([self.expectations.mean(z) for z in args[0].flat], instruction.shape)
            case PairMoment(subscripts):
                return self._pair_moment(subscripts, args[0], args[1], instruction.shape)
            case ops.Readout():
                v, x = args
                products = np.frompyfunc(self.expectations.product, 2, 1)(np.broadcast_to(v, x.shape), x)
                positions = tuple(range(-v.ndim, 0)) if v.ndim else ()
                numbers = self._numbers(list(products.flat), x.shape)
                return jnp.zeros(instruction.shape) if numbers is None else jnp.sum(numbers, axis=positions)
            case op if instruction.kind == "vector" and op.linear:
                return _linear(op, instruction, args)
            case op if instruction.kind == "scalar":
                return _scalar(op, program, instruction, args)
            case op:
                raise NotExactError(f"instruction {place} ({type(op).__name__})")

    # --- Gaussians ---------------------------------------------------------------------------------

    def _new_gaussian(self, family: Any, feature: Any, covariance: Any) -> Expression:
        """A Gaussian whose covariance with each earlier member of its family is `covariance(feature, …)`."""
        members = self.families.setdefault(family, [])
        basis, self.size = self.size, self.size + 1
        members.append((feature, basis))
        for other, earlier in members:
            value = covariance(feature, other)
            if value is not None:
                self.expectations.covariances[earlier, basis] = value
        return Expression.gaussian(basis)

    def _input(self, program: Program, parameter: Parameter, data: Array) -> Vectors:
        sigma2 = variance(program, parameter)
        rows = data.reshape(-1, data.shape[-1])
        made = [self._new_gaussian(parameter.name, row, lambda a, b: sigma2 * jnp.dot(a, b)) for row in rows]
        return _array(made, data.shape[:-1])

    def _initial(self, program: Program, parameter: Parameter) -> Vectors:
        if parameter.name not in self.vectors:
            sigma2 = variance(program, parameter) * parameter.fan
            count = int(np.prod(parameter.shape, dtype=int))
            made = [
                self._new_gaussian((parameter.name, k), None, lambda a, b: jnp.asarray(sigma2)) for k in range(count)
            ]
            self.vectors[parameter.name] = _array(made, parameter.shape)
        return self.vectors[parameter.name]

    def _matmul(self, program: Program, op: ops.MatMul, x: Vectors) -> Vectors:
        parameter = program.parameters[op.parameter]
        sigma2 = variance(program, parameter)
        family = (parameter.name, op.index)

        def covariance(a: Expression, b: Expression):
            value = self.expectations.product(a, b)
            return None if value is None else sigma2 * value

        made = []
        for z in x.flat:
            gaussian = self._new_gaussian((*family, op.transpose), z, covariance)
            for y, basis in self.families.get((*family, not op.transpose), []):
                slope = self.expectations.expected_derivative(z, basis)
                if slope is not None:
                    gaussian = gaussian + y.scaled(sigma2 * slope)
            made.append(gaussian)
        return _array(made, x.shape)

    # --- moments -------------------------------------------------------------------------------------

    @staticmethod
    def _numbers(values: list[Any], shape: tuple[int, ...]) -> Array | None:
        if all(v is None for v in values):
            return None
        return jnp.stack([jnp.asarray(0.0 if v is None else v) for v in values]).reshape(shape)

    def _pair_moment(self, subscripts: str, x: Vectors, y: Vectors, shape: tuple[int, ...]) -> Array | None:
        operands, out = subscripts.split("->")
        first, second = operands.split(",")
        sizes = dict(zip(first + second, x.shape + y.shape, strict=True))
        letters = sorted(sizes)
        totals: dict[tuple[int, ...], Any] = {}
        for places in itertools.product(*(range(sizes[c]) for c in letters)):
            at = dict(zip(letters, places, strict=True))
            value = self.expectations.product(x[tuple(at[c] for c in first)], y[tuple(at[c] for c in second)])
            key = tuple(at[c] for c in out)
            if value is not None:
                totals[key] = totals[key] + value if key in totals else value
        return self._numbers([totals.get(key) for key in np.ndindex(*shape)], shape)


# --- instructions that need no expectation ----------------------------------------------------------


def _array(expressions: list[Expression], shape: tuple[int, ...]) -> Vectors:
    array = np.empty(len(expressions), dtype=object)
    array[:] = expressions
    return array.reshape(shape)


def _nonlinearity(phi: Any, instruction: Instruction, args: list[Any]) -> Vectors:
    vectors = [np.broadcast_to(a, instruction.shape) for a in args[: phi.arity]]
    if phi is multiply:
        return np.frompyfunc(operator.mul, 2, 1)(*vectors).reshape(instruction.shape)
    if phi.arity != 1:
        raise NotExactError(f"{phi.name} of {phi.arity} vectors")
    scalars = [jnp.broadcast_to(_number(a, ()), instruction.shape).ravel() for a in args[1:]]
    made = [z.apply(phi, tuple(s[k] for s in scalars)) for k, z in enumerate(vectors[0].flat)]
    return _array(made, instruction.shape)


def _shift(instruction: Instruction, x: Vectors, shift: Array | None) -> Vectors:
    vectors = np.broadcast_to(x, instruction.shape)
    if shift is None:
        return vectors
    numbers = jnp.broadcast_to(shift, instruction.shape).ravel()
    return _array([z + Expression.constant(numbers[k]) for k, z in enumerate(vectors.flat)], instruction.shape)


def _fill(instruction: Instruction, theta: Array | None) -> Vectors:
    count = int(np.prod(instruction.shape, dtype=int))
    if theta is None:
        return _array([Expression(()) for _ in range(count)], instruction.shape)
    return _array([Expression.constant(t) for t in theta.ravel()], instruction.shape)


def _linear(op: ops.Op, instruction: Instruction, args: list[Any]) -> Vectors:
    """A linear map of leading axes, read off as a matrix: its action on unit vectors."""
    vectors = [a for a in args if isinstance(a, np.ndarray) and a.dtype == object]
    scalars = [a for a in args if not (isinstance(a, np.ndarray) and a.dtype == object)]
    entries = [z for v in vectors for z in v.flat]
    with jax.ensure_compile_time_eval():
        blocks = np.split(np.eye(len(entries)), np.cumsum([v.size for v in vectors])[:-1])
        units = [jnp.asarray(u.reshape((*v.shape, len(entries)))) for u, v in zip(blocks, vectors, strict=True)]
        ones = [jnp.ones(np.shape(s) if s is not None else ()) for s in scalars]
        pattern = np.asarray(op.evaluate(*units, *ones)).reshape(-1, len(entries))
    if any(s is None for s in scalars):
        return _array([Expression(()) for _ in pattern], instruction.shape)
    matrix = op.evaluate(*units, *scalars).reshape(pattern.shape) if scalars else pattern
    made = [_combination(row, numbers, entries) for row, numbers in zip(pattern, matrix, strict=True)]
    return _array(made, instruction.shape)


def _combination(pattern: np.ndarray, numbers: Any, entries: list[Expression]) -> Expression:
    places = np.flatnonzero(pattern)
    if len(places) == 1 and isinstance(numbers, np.ndarray) and numbers[places[0]] == 1.0:
        return entries[places[0]]
    total = Expression(())
    for k in places:
        total = total + entries[k].scaled(numbers[k])
    return total


def _number(value: Array | None, shape: tuple[int, ...]) -> Array:
    return jnp.zeros(shape) if value is None else value


def _scalar(op: ops.Op, program: Program, instruction: Instruction, args: list[Any]) -> Array | None:
    """Functions of scalars; what is linear in a zero is zero."""
    linear_in_first = isinstance(op, ScalarGradient | TransposedOnScalars | ops.Rearrange)
    if args and (args[0] is None and (linear_in_first or getattr(op, "fn", None) is operator.neg)):
        return None
    shapes = [program.instructions[a].shape for a in instruction.args]
    return op.evaluate(*(_number(a, s) for a, s in zip(args, shapes, strict=True)))


# --- kernels -----------------------------------------------------------------------------------------


def _deterministic(programs: tuple[BackwardProgram, ...], runs: list[list[Any]]) -> Array:
    f, f_bar = (
        _number(run[p.program.output], p.program.instructions[p.program.output].shape)
        for p, run in zip(programs, runs, strict=True)
    )
    return jnp.outer(f, f_bar)


def _nngp(calculus: ExactZ, programs: tuple[BackwardProgram, BackwardProgram], runs: list[list[Any]]) -> Array:
    outs = [p.program.instructions[p.program.output].args for p in programs]
    v = programs[0].program.instructions[outs[0][0]]
    parameter = programs[0].program.parameters[v.op.parameter]
    flat = [run[x].reshape(-1, int(np.prod(v.shape, dtype=int))) for run, (_, x) in zip(runs, outs, strict=True)]
    rows = []
    for x in flat[0]:
        for y in flat[1]:
            products = [calculus.expectations.product(a, b) for a, b in zip(x, y, strict=True)]
            rows.append(sum((_number(m, ()) for m in products), jnp.zeros(())))
    return variance(programs[0].program, parameter) * jnp.stack(rows).reshape(len(flat[0]), len(flat[1]))


def _ntk(calculus: ExactZ, programs: tuple[BackwardProgram, BackwardProgram], runs: list[list[Any]]) -> Array:
    """Σ over pairs of uses of one parameter of lr m²n E[a ā] E[b b̄]."""
    first, second = programs
    numbers = ParameterNumbers(first.program)
    (rows,), (columns,) = (p.program.instructions[p.program.output].shape for p in programs)
    total: Any = jnp.zeros((rows, columns))
    for use in first.uses:
        parameter = first.program.parameters[use.parameter]
        rate = numbers(parameter.lr) * numbers(parameter.multiplier) ** 2
        rate = rate / parameter.fan if parameter.kind != "vector" else rate
        for use_bar in second.uses:
            if (parameter.name, use.index) == (second.program.parameters[use_bar.parameter].name, use_bar.index):
                total = total + rate * _pair_of_uses(calculus, use, runs[0], use_bar, runs[1], (rows, columns))
    return total


def _pair_of_uses(
    calculus: ExactZ, use: Use, run: list[Any], use_bar: Use, run_bar: list[Any], outputs: tuple[int, int]
) -> Array:
    entries = []
    for o, o_bar in itertools.product(range(outputs[0]), range(outputs[1])):
        a, b = _sides(use, run, o)
        a_bar, b_bar = _sides(use_bar, run_bar, o_bar)
        total: Any = jnp.zeros(())
        for place, place_bar in itertools.product(range(len(a)), range(len(a_bar))):
            if b is None:
                weight: Any = 1.0 if place == place_bar else None
            elif use.b is not None and not isinstance(b[place], Expression):
                weight = jnp.dot(b[place], b_bar[place_bar])
            else:
                weight = calculus.expectations.product(b[place], b_bar[place_bar])
            moment = None if weight is None else calculus.expectations.product(a[place], a_bar[place_bar])
            if moment is not None:
                total = total + weight * moment
        entries.append(total)
    return jnp.stack(entries).reshape(outputs)


def _sides(use: Use, run: list[Any], output: int) -> tuple[Any, Any]:
    """The two sides of a use, for one output: flat arrays of expressions, or rows of data."""

    def side(place: int, is_gradient: bool):
        value = run[place]
        if isinstance(value, np.ndarray) and value.dtype == object:
            return (value[output : output + 1] if is_gradient else value).reshape(-1)
        return value.reshape(-1, value.shape[-1])

    a = side(use.a, use.gradient_first)
    return a, None if use.b is None else side(use.b, not use.gradient_first)
