"""The Z calculus in exact algebra, for programs whose expectations are all formulas or integrals.

The calculus is that of `ntkviz.calculus.sampled`, but the limit Z of each vector is an `Expression` in basis Gaussians.
A MatMul makes new basis Gaussians Ẑ, with covariance σ² E[Z^x Z^y], and adds Ż = σ² Σ_y Z^y E[∂Z^x/∂Ẑ^{Wᵀy}] (Tensor
Programs III).
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float64

from ...gaussian.error import total
from ...language import instructions as ops
from ...language.axes import Shape
from ...language.gradients import instructions as grads
from ...language.gradients.backward import BackwardProgram
from ...language.nonlinearities.nonlinearity import multiply
from ...language.program import Instruction, Program
from ...language.rules import Rules
from ...language.zero import ZERO, Zero, linear, written
from ...networks.sampling import output_scale
from ...networks.uses import Matrix, ntk_from_uses
from ..limit_kernels import LimitKernels
from .expressions import NOTHING, Expectations, Expression

Vectors = np.ndarray  # of Expressions, in the leading shape


def exact_kernels(programs: tuple[BackwardProgram, BackwardProgram], readout_passes: bool) -> LimitKernels:
    """The NNGP and NTK between the outputs of two programs of one architecture.

    If an expectation is outside the algebra, `refused` has the reason and the numbers are meaningless.
    """
    calculus = ExactZ()
    runs = [calculus.run(p.program) for p in programs]
    expectations, (first, second) = calculus.expectations, [p.program for p in programs]
    zero = jnp.zeros((first.outputs, second.outputs))
    if expectations.beyond:
        return LimitKernels(zero, zero, total([]), tuple(expectations.beyond))
    nngp = (_nngp if readout_passes else _deterministic)(calculus, (first, second), runs)
    here, there = (_uses(p, values) for p, values in zip(programs, runs, strict=True))
    ntk = ntk_from_uses(first, here, there, lambda u, w: _pairs_of_uses(calculus, u, w), zero=zero)
    error = total([e.largest() for e in expectations.errors])
    return LimitKernels(nngp, ntk, error, tuple(expectations.beyond))


class ExactZ:
    """Evaluates programs that share parameters, value by value, in exact algebra, by the rules of `exact`."""

    def __init__(self) -> None:
        self.expectations = Expectations()
        self.families: dict[Any, list[tuple[Any, int]]] = {}  # arguments of each matrix, with the Gaussians they gave
        self.vectors: dict[str, Vectors] = {}
        self.size = 0

    def run(self, program: Program) -> list[Any]:
        """All values of a program: arrays of expressions for vectors, numbers or `ZERO` for scalars.

        Evaluation stops as soon as `expectations.beyond` has a reason.
        """
        values: list[Any] = []
        for index, instruction in enumerate(program.instructions):
            args = [values[a] for a in instruction.args]
            values.append(exact.of(instruction.op, index)(instruction.op, self, program, instruction, *args))
            if self.expectations.beyond:
                break
        return values

    def new_gaussian(self, family: Any, feature: Any, covariance: Callable[[Any, Any], Any]) -> Expression:
        """A Gaussian whose covariance with each earlier member of its family is `covariance(feature, …)`."""
        members = self.families.setdefault(family, [])
        basis, self.size = self.size, self.size + 1
        members.append((feature, basis))
        for other, earlier in members:
            value = covariance(feature, other)
            if value is not ZERO:
                self.expectations.covariances[earlier, basis] = value
        return Expression.gaussian(basis)


def _array(expressions: list[Expression], shape: Shape) -> Vectors:
    array = np.empty(len(expressions), dtype=object)
    array[:] = expressions
    return array.reshape(shape)


def _numbers(values: list[Any], shape: Shape) -> Any:
    """Numbers as one array of this shape; `ZERO` if all are `ZERO`."""
    if all(v is ZERO for v in values):
        return ZERO
    return jnp.stack([jnp.asarray(written(v, ())) for v in values]).reshape(shape)


# --- the rules: `(op, calculus, program, instruction, *values of the arguments)` ------------------------------

exact: Rules[Any] = Rules("a limit Z in exact algebra")
exact.refuse(ops.OfLayers, why="write the repeated layers out first (Program.unrolled)")
exact.refuse(ops.Delayed, why="the Z calculus takes the steps of a loop one after the other")


exact.rule(ops.Data)(lambda op, z, program, instruction: jnp.asarray(program.data[op.index], float))
exact.rule(ops.Constant)(lambda op, z, program, instruction: jnp.asarray(program.constants[op.index]))


@exact.rule(ops.ScalarFunction, grads.ScalarGradient, grads.OverRoot)
def _(op: Any, z: ExactZ, program: Program, instruction: Instruction, *args: Any) -> Any:
    """A linear function of a zero is zero."""
    if args[0] is ZERO and (not isinstance(op, ops.ScalarFunction) or op.fn is operator.neg):
        return ZERO
    shapes = (program.instructions[a].shape for a in instruction.args)
    return op.evaluate(*(written(a, s) for a, s in zip(args, shapes, strict=True)))


@exact.rule(grads.Identity)
def _(op: grads.Identity, z: ExactZ, program: Program, instruction: Instruction, f: Any) -> Any:
    return op.evaluate(written(f, program.instructions[instruction.args[0]].shape))


@exact.rule(ops.InputMatMul)
def _(op: ops.InputMatMul, z: ExactZ, program: Program, instruction: Instruction, data: Array) -> Vectors:
    parameter = program.parameters[op.parameter]
    sigma2 = program.variance(parameter)
    rows = data.reshape(-1, data.shape[-1])
    made = [z.new_gaussian(parameter.name, row, lambda a, b: sigma2 * jnp.dot(a, b)) for row in rows]
    return _array(made, data.shape[:-1])


@exact.rule(ops.InitialVector)
def _(op: ops.InitialVector, z: ExactZ, program: Program, instruction: Instruction) -> Vectors:
    parameter = program.parameters[op.parameter]
    if parameter.name not in z.vectors:
        sigma2 = jnp.asarray(program.variance(parameter) * parameter.fan)
        count = int(np.prod(parameter.shape, dtype=int))
        made = [z.new_gaussian((parameter.name, k), None, lambda a, b: sigma2) for k in range(count)]
        z.vectors[parameter.name] = _array(made, parameter.shape)
    return z.vectors[parameter.name]


@exact.rule(ops.MatMul)
def _(op: ops.MatMul, z: ExactZ, program: Program, instruction: Instruction, x: Vectors) -> Vectors:
    parameter = program.parameters[op.parameter]
    sigma2 = program.variance(parameter)
    family, made = (parameter.name, op.index), []
    for vector in x.flat:
        gaussian = z.new_gaussian((*family, op.transpose), vector, lambda a, b: sigma2 * z.expectations.product(a, b))
        for y, basis in z.families.get((*family, not op.transpose), []):
            slope = z.expectations.expected_derivative(vector, basis)
            gaussian = gaussian if slope is ZERO else gaussian + y.scaled(sigma2 * slope)
        made.append(gaussian)
    return _array(made, x.shape)


@exact.rule(ops.Nonlin)
def _(op: ops.Nonlin, z: ExactZ, program: Program, instruction: Instruction, *args: Any) -> Vectors | Zero:
    phi, shape = op.phi, instruction.shape
    vectors = [np.broadcast_to(a, shape) for a in args[: phi.arity]]
    if phi is multiply:
        return np.asarray(np.frompyfunc(operator.mul, 2, 1)(*vectors).reshape(shape))
    if phi.arity != 1:
        return z.expectations.refuse(f"{phi.name} of {phi.arity} vectors")
    scalars = [jnp.broadcast_to(written(a, ()), shape).ravel() for a in args[1:]]
    made = [x.apply(phi, tuple(s[k] for s in scalars)) for k, x in enumerate(vectors[0].flat)]
    if any(m is None for m in made):
        return z.expectations.refuse(f"{phi.name} of a non-Gaussian vector")
    return _array([m for m in made if m is not None], shape)


@exact.rule(ops.BatchNorm, grads.BatchNormGradient)
def _(op: Any, z: ExactZ, program: Program, instruction: Instruction, *args: Any) -> Zero:
    return z.expectations.refuse("batch normalisation")


@exact.rule(ops.Shift)
def _(op: ops.Shift, z: ExactZ, program: Program, instruction: Instruction, x: Vectors, shift: Any) -> Vectors:
    vectors = np.broadcast_to(x, instruction.shape)
    if shift is ZERO:
        return vectors
    numbers = jnp.broadcast_to(shift, instruction.shape).ravel()
    return _array([v + Expression.constant(numbers[k]) for k, v in enumerate(vectors.flat)], instruction.shape)


@exact.rule(grads.Fill)
def _(op: grads.Fill, z: ExactZ, program: Program, instruction: Instruction, theta: Any, x: Vectors) -> Vectors:
    if theta is ZERO:
        return np.full(instruction.shape, NOTHING, dtype=object)
    return _array([Expression.constant(t) for t in theta.ravel()], instruction.shape)


@exact.rule(ops.Moment)
def _(op: ops.Moment, z: ExactZ, program: Program, instruction: Instruction, x: Vectors) -> Any:
    return _numbers([z.expectations.mean(vector) for vector in x.flat], instruction.shape)


@exact.rule(grads.PairMoment)
def _(op: grads.PairMoment, z: ExactZ, program: Program, instruction: Instruction, x: Vectors, y: Vectors) -> Any:
    first, second, out = ops.split_subscripts(op.subscripts)
    sizes = dict(zip(first + second, x.shape + y.shape, strict=True))
    letters = sorted(sizes)
    totals: dict[Shape, Any] = dict.fromkeys(np.ndindex(*instruction.shape), ZERO)
    for indices in itertools.product(*(range(sizes[c]) for c in letters)):
        at = dict(zip(letters, indices, strict=True))
        value = z.expectations.product(x[tuple(at[c] for c in first)], y[tuple(at[c] for c in second)])
        key = tuple(at[c] for c in out)
        totals[key] = totals[key] + value
    return _numbers(list(totals.values()), instruction.shape)


@exact.rule(ops.Readout)
def _(op: ops.Readout, z: ExactZ, program: Program, instruction: Instruction, v: Vectors, x: Vectors) -> Array:
    products = np.frompyfunc(z.expectations.product, 2, 1)(np.broadcast_to(v, x.shape), x)
    numbers = _numbers(list(products.flat), x.shape)
    total = written(linear(lambda m: jnp.sum(m, axis=tuple(range(-v.ndim, 0))), numbers), instruction.shape)
    return total * output_scale(program, 1)


@exact.rule(ops.Linear)
def _(op: ops.Linear, z: ExactZ, program: Program, instruction: Instruction, *args: Any) -> Any:
    """A linear map of leading axes, as the matrix given by its action on unit vectors."""
    if instruction.kind == "scalar":
        if isinstance(op, ops.Join):
            shapes = [program.instructions[a].shape for a in instruction.args]
            return op.evaluate(*(written(a, s) for a, s in zip(args, shapes, strict=True)))
        return linear(op.evaluate, *args)
    vectors, scalars = ([a for a in args if _is_vectors(a) == wanted] for wanted in (True, False))
    entries = [v for array in vectors for v in array.flat]
    with jax.ensure_compile_time_eval():
        blocks = np.split(np.eye(len(entries)), np.cumsum([v.size for v in vectors])[:-1])
        units = [jnp.asarray(u.reshape((*v.shape, len(entries)))) for u, v in zip(blocks, vectors, strict=True)]
        ones = [jnp.ones(() if s is ZERO else np.shape(s)) for s in scalars]
        pattern = np.asarray(op.evaluate(*units, *ones)).reshape(-1, len(entries))
    if any(s is ZERO for s in scalars):
        return np.full(instruction.shape, NOTHING, dtype=object)
    matrix = op.evaluate(*units, *scalars).reshape(pattern.shape) if scalars else pattern
    made = [_combination(row, numbers, entries) for row, numbers in zip(pattern, matrix, strict=True)]
    return _array(made, instruction.shape)


def _is_vectors(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == object


def _combination(pattern: np.ndarray, numbers: Any, entries: list[Expression]) -> Expression:
    indices = np.flatnonzero(pattern).tolist()
    if len(indices) == 1 and isinstance(numbers, np.ndarray) and numbers[indices[0]] == 1.0:
        return entries[indices[0]]
    return sum((entries[k].scaled(numbers[k]) for k in indices), NOTHING)


# --- kernels -----------------------------------------------------------------------------------------


def _deterministic(
    calculus: ExactZ, programs: tuple[Program, Program], runs: list[list[Any]]
) -> Float64[Array, "outputs outputs_bar"]:
    f, f_bar = (written(run[p.output], (p.outputs,)) for p, run in zip(programs, runs, strict=True))
    return jnp.outer(f, f_bar)


def _nngp(
    calculus: ExactZ, programs: tuple[Program, Program], runs: list[list[Any]]
) -> Float64[Array, "outputs outputs_bar"]:
    (v, x), (_, y) = (p.instructions[p.output].args for p in programs)
    first, positions = programs[0], int(np.prod(programs[0].instructions[v].shape, dtype=int))
    rows, columns = (run[k].reshape(-1, positions) for run, k in zip(runs, (x, y), strict=True))
    products = [sum(map(calculus.expectations.product, row, column), ZERO) for row in rows for column in columns]
    moments = jnp.stack([jnp.asarray(written(m, ())) for m in products]).reshape(len(rows), len(columns))
    return moments * jnp.asarray(first.variance(first.parameter_of(v)))


class _Uses(NamedTuple):
    """All uses of one parameter, for each output; `b` has expressions or, for an input matrix, rows of data."""

    a: list[list[Any]]
    b: list[list[Any]]


def _uses(p: BackwardProgram, values: list[Any]) -> dict[Matrix, _Uses]:
    outputs = p.program.outputs

    def side(index: int | None, is_gradient: bool) -> list[list[Any]]:
        if index is None:
            return [[]] * outputs
        value = values[index]
        if is_gradient:
            return [list(row) for row in value.reshape(outputs, -1)]
        return [list(value.ravel() if _is_vectors(value) else value.reshape(-1, value.shape[-1]))] * outputs

    found: dict[Matrix, _Uses] = {}
    for use in p.uses:
        a, b = side(use.a, use.gradient_first), side(use.b, not use.gradient_first)
        before = found.get((use.parameter, use.index), _Uses([[]] * outputs, [[]] * outputs))
        found[use.parameter, use.index] = _Uses(
            *([x + y for x, y in zip(*m, strict=True)] for m in zip(before, (a, b), strict=True))
        )
    return found


def _pairs_of_uses(calculus: ExactZ, u: _Uses, w: _Uses) -> Float64[Array, "outputs outputs_bar"]:
    """Σ over pairs of uses of E[a ā] E[b b̄], for each pair of outputs."""
    product = calculus.expectations.product

    def entry(o: int, p: int) -> Any:
        found = ZERO
        for i, j in itertools.product(range(len(u.a[o])), range(len(w.a[p]))):
            if not u.b[o]:
                weight: Any = 1.0 if i == j else ZERO
            elif isinstance(u.b[o][i], Expression):
                weight = product(u.b[o][i], w.b[p][j])
            else:
                weight = jnp.dot(u.b[o][i], w.b[p][j])
            if weight is not ZERO:
                found = found + weight * product(u.a[o][i], w.a[p][j])
        return jnp.asarray(written(found, ()))

    return jnp.stack([jnp.stack([entry(o, p) for p in range(len(w.a))]) for o in range(len(u.a))])
