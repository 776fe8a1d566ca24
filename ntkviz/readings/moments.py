"""Means and second moments of the limits Z of two networks' vectors, and the tangents of the latter.

One copy of the network reads X, another X̄. The rules by which each instruction makes moments from those of
its arguments are here; `ntkviz.readings.forward` says why the tangents give the NTK.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import NoForwardLimitError
from ..gaussian.expectation import Expectation, pair_expectation, pair_with_slopes, single_expectation
from ..language import instructions as ops
from ..language.axes import Shape, on_both_sides
from ..language.nonlinearities import Nonlinearity, identity
from ..language.program import Program
from .aligned import Vector, aligned, are_moved_alike, moved, of_all_pairs, pick_aligned
from .dual import Dual, Law, sum_of
from .error import Error, largest_relative_error, none, total, weaker
from .rows import by_rows

Pair = tuple[int, int]
EVERY_PAIR: tuple[Pair, ...] = ((0, 0), (0, 1), (1, 1))
"""Of the two copies of a network."""


class Given(NamedTuple):
    """What the body of a `Repeat` is told about its inputs, for each copy (or pair of copies).

    The moments of the pairs of copies in `all_pairs` are of all pairs of places, those of the others of equal places.
    """

    moments: dict[Pair, Dual | None]
    means: dict[int, Array | None]
    scalars: dict[int, tuple[Array | None, ...]]
    carry_is_gaussian: bool
    all_pairs: frozenset[Pair] = frozenset(EVERY_PAIR)


class ForwardMoments:
    """Means and second moments of the Z's of two copies of a program, computed when asked for.

    A vector is named by its copy (0 for X, 1 for X̄) and its place in that copy's program.
    `None` stands for an exact, structural zero throughout: independence costs nothing, and no
    rounding makes a zero mean nonzero.
    """

    def __init__(self, programs: tuple[Program, Program], given: Given | None = None):
        self.programs = programs
        self.given = given
        self._moments: dict[tuple[int, int, int, int], Dual | None] = {}
        self._aligned: dict[tuple[Vector, Vector], Dual | None] = {}
        self._means: dict[tuple[int, int], Array | None] = {}
        self._scalars: dict[tuple[int, int], Array | None] = {}
        self._scales: dict[tuple[int, int], tuple[Array, Array]] = {}
        self._errors: list[Error] = []
        self._repeat_is_gaussian: dict[tuple[int, int], bool] = {}

    def relative_error(self) -> Error:
        """The sum of the relative errors of all expectations, to first order in each."""
        return total(self._errors)

    def instruction(self, copy: int, place: int):
        return self.programs[copy].instructions[place]

    def parameter(self, copy: int, place: int):
        """The parameter an instruction uses."""
        return self.programs[copy].parameter_of(place)

    # --- scalars and means: constants of one copy --------------------------------------------

    def scalar(self, copy: int, place: int) -> Array | None:
        """The limit of a scalar."""
        key = (copy, place)
        if key not in self._scalars:
            self._scalars[key] = self._scalar(copy, place)
        return self._scalars[key]

    def number(self, copy: int, place: int) -> Array:
        """The limit of a scalar, a structural zero written as 0."""
        value = self.scalar(copy, place)
        return jnp.zeros(self.instruction(copy, place).shape) if value is None else value

    def _scalar(self, copy: int, place: int) -> Array | None:
        program, instruction = self.programs[copy], self.instruction(copy, place)
        match instruction.op:
            case ops.Constant(index):
                return jnp.asarray(program.constants[index])
            case ops.Data(index):
                return jnp.asarray(program.data[index], dtype=float)
            case ops.Captured(index):
                assert self.given is not None
                return self.given.scalars[copy][index]
            case ops.Moment():
                return self.mean(copy, instruction.args[0])
            case ops.ScalarFunction(fn) if fn is operator.neg:
                value = self.scalar(copy, instruction.args[0])
                return None if value is None else -value
            case op:
                return op.evaluate(*(self.number(copy, a) for a in instruction.args))

    def mean(self, copy: int, place: int) -> Array | None:
        """E Z of a vector, of its leading shape; `None` if zero by the program's form."""
        key = (copy, place)
        if key not in self._means:
            self._means[key] = self._mean(copy, place)
        return self._means[key]

    def _mean(self, copy: int, place: int) -> Array | None:
        instruction = self.instruction(copy, place)
        match instruction.op:
            case ops.InputMatMul() | ops.InitialVector() | ops.MatMul() | ops.BatchNorm():
                return None
            case ops.Carry():
                assert self.given is not None
                return self.given.means[copy]
            case ops.Repeat():
                self._run_repeat(copy, place, set())
                return self._means[copy, place]
            case ops.Shift():
                x, shift = instruction.args
                return _plus(self.mean(copy, x), self.scalar(copy, shift), instruction.shape)
            case ops.Nonlin():
                return self._mean_of_nonlin(copy, place)
            case _:
                return self.linear_at_places(copy, place, [self.mean(copy, a) for a in self._vectors(copy, place)])

    def _mean_of_nonlin(self, copy: int, place: int) -> Array:
        instruction = self.instruction(copy, place)
        phi = instruction.op.phi
        if phi.name == "multiply":
            k = self.aligned(*((copy, a) for a in instruction.args))
            return jnp.zeros(instruction.shape) if k is None else k.value
        _, x, theta = self.unary(copy, place)
        result = single_expectation(phi, self.variance(copy, x), theta=theta, mean=self.mean(copy, x))
        self.add_error(result)
        return jnp.broadcast_to(result.value, instruction.shape)

    # --- second moments, within a copy and between the two ------------------------------------

    def variance(self, copy: int, place: int) -> Array:
        """Var Z of each vector of a Gaussian array."""
        k = self.aligned_covariance((copy, place), (copy, place))
        return jnp.zeros(self.instruction(copy, place).shape) if k is None else k.value

    def aligned_covariance(self, left: Vector, right: Vector) -> Dual | None:
        """Cov(Z^a, Z^b) at equal places."""
        means = self.mean(*left), self.mean(*right)
        k = self.aligned(left, right)
        return k if means[0] is None or means[1] is None else sum_of(k, Dual(-means[0] * means[1]))

    def aligned(self, left: Vector, right: Vector) -> Dual | None:
        """E[Z^a Z^b] at equal places, of the shape to which the leading axes of both broadcast."""
        if right < left:
            left, right = right, left
        if (left, right) not in self._aligned:
            self._aligned[left, right] = self._equal_places(left, right)
        return self._aligned[left, right]

    def _equal_places(self, left: Vector, right: Vector) -> Dual | None:
        return of_all_pairs(self, left, right) if (*left, *right) in self._moments else aligned(self, left, right)

    def covariance(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        """Cov(Z^a, Z^b) for all pairs: shape `(*leading of a, *leading of b)`."""
        k = self.moment(copy_a, a, copy_b, b)
        mean_a, mean_b = self.mean(copy_a, a), self.mean(copy_b, b)
        if mean_a is None or mean_b is None:
            return k
        product = _outer(mean_a, mean_b)
        return Dual(-product) if k is None else Dual(k.value - product, k.tangent)

    def moment(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        """E[Z^a Z^b] for all pairs: shape `(*leading of a, *leading of b)`."""
        if (copy_b, b) < (copy_a, a):
            return self._swap(self.moment(copy_b, b, copy_a, a), copy_b, b, copy_a, a)
        key = (copy_a, a, copy_b, b)
        if key not in self._moments:
            self._moments[key] = self._moment(copy_a, a, copy_b, b)
        return self._moments[key]

    def _swap(self, k: Dual | None, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        ndim_a, ndim_b = (len(self.instruction(c, i).shape) for c, i in ((copy_a, a), (copy_b, b)))
        order = (*range(ndim_a, ndim_a + ndim_b), *range(ndim_a))
        return None if k is None else k.map(lambda m: jnp.transpose(m, order))

    def _moment(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        op_a, op_b = self.instruction(copy_a, a).op, self.instruction(copy_b, b).op
        left, right = (copy_a, a), (copy_b, b)
        if math.prod(self.instruction(*left).shape) == 1 and are_moved_alike(self, left, right):
            k, shape = moved(self, left, right), self.instruction(*left).shape * 2
            return None if k is None else k.map(lambda m: m.reshape(shape))
        if isinstance(op_a, ops.Rearrange) and isinstance(op_b, ops.Rearrange):
            how = on_both_sides(op_a.how, len(op_a.shape_in), op_b.how, len(op_b.shape_in))
            if how is not None:
                (x,), (y,) = (self.instruction(*v).args for v in (left, right))
                k = self.moment(copy_a, x, copy_b, y)
                return None if k is None else k.map(lambda m: how(m, m.ndim))
        affine_a, affine_b = (op.linear or isinstance(op, ops.Shift) for op in (op_a, op_b))
        # Of two, the later one first: then all windows of a convolution meet in one moment of what they look at.
        if affine_a and (a >= b or not affine_b):
            return self._left(copy_a, a, copy_b, b)
        if isinstance(op_b, ops.Add):
            return self._added(left, right, side=1)
        if affine_b:
            return self._swap(self._left(copy_b, b, copy_a, a), copy_b, b, copy_a, a)
        if isinstance(op_a, ops.Repeat) or isinstance(op_b, ops.Repeat):
            return self._repeat_pair(copy_a, a, copy_b, b)
        if self.is_source(op_a) and self.is_source(op_b):
            return self.gaussian_pair(copy_a, a, copy_b, b)
        batchnorms = self._batchnorm_relu(copy_a, a), self._batchnorm_relu(copy_b, b)
        if all(x is not None for x in batchnorms):
            return self._batchnorm_pair(copy_a, batchnorms[0], copy_b, batchnorms[1])
        return self._unary_pair(copy_a, a, copy_b, b)

    def _left(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        """Take instruction a, linear or a shift, off the left side."""
        if isinstance(self.instruction(copy_a, a).op, ops.Add):
            return self._added((copy_a, a), (copy_b, b), side=0)
        if isinstance(self.instruction(copy_a, a).op, ops.Shift):
            return self._shifted(copy_a, a, copy_b, b)
        right = self.instruction(copy_b, b).shape
        ks = [self.moment(copy_a, x, copy_b, b) for x in self._vectors(copy_a, a)]

        def flat(part):
            arrays = [None if k is None else getattr(k, part) for k in ks]
            shapes = [self.instruction(copy_a, x).shape for x in self._vectors(copy_a, a)]
            return [
                None if k is None else k.reshape((*s, math.prod(right))) for k, s in zip(arrays, shapes, strict=True)
            ]

        value = self._linear(copy_a, a, flat("value"), right)
        return None if value is None else Dual(value, self._linear(copy_a, a, flat("tangent"), right))

    def linear_at_places(self, copy: int, place: int, numbers: list[Array | None]) -> Array | None:
        """Apply a linear instruction to one number for each place, as to a vector of one coordinate."""
        return self._linear(copy, place, [None if n is None else n[..., None] for n in numbers], ())

    def _linear(self, copy: int, place: int, vectors: list[Array | None], right: Shape) -> Array | None:
        """Apply a linear instruction to arrays whose last axis stands for the other side of a kernel."""
        if all(v is None for v in vectors):
            return None
        instruction = self.instruction(copy, place)
        width = next(v.shape[-1] for v in vectors if v is not None)
        places = self._vectors(copy, place)
        filled = [
            jnp.zeros((*self.instruction(copy, p).shape, width)) if v is None else v
            for p, v in zip(places, vectors, strict=True)
        ]
        scalars = [self.number(copy, a) for a in instruction.args if self.instruction(copy, a).kind == "scalar"]
        return instruction.op.evaluate(*filled, *scalars).reshape((*instruction.shape, *right))

    def _vectors(self, copy: int, place: int) -> list[int]:
        return [a for a in self.instruction(copy, place).args if self.instruction(copy, a).kind == "vector"]

    def _added(self, left: Vector, right: Vector, side: int) -> Dual | None:
        """Take the Add that is on the given side off it: the sum of the moments of what it adds."""
        sides, total = [left, right], None
        copy, place = sides[side]
        shapes = self.instruction(*left).shape, self.instruction(*right).shape
        for added in self.instruction(copy, place).args:
            sides[side] = copy, added
            k = self.moment(*sides[0], *sides[1])
            old = tuple(self.instruction(*v).shape for v in sides)
            total = sum_of(total, None if k is None else _grown(k, old, shapes))
        return total

    def _shifted(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        x, shift = self.instruction(copy_a, a).args
        shape, rest = self.instruction(copy_a, a).shape, self.instruction(copy_b, b).shape
        k, theta, mean = self.moment(copy_a, x, copy_b, b), self.scalar(copy_a, shift), self.mean(copy_b, b)
        if k is not None:
            k = _grown(k, (self.instruction(copy_a, x).shape, rest), (shape, rest))
        if theta is None or mean is None:
            return k
        product = jnp.broadcast_to(_outer(jnp.broadcast_to(theta, shape), mean), shape + rest)
        return sum_of(k, Dual(product))

    # --- sources of Gaussians: initial vectors and matrix multiplications ---------------------

    def is_source(self, op: ops.Op) -> bool:
        return isinstance(op, ops.Source | ops.Carry)

    def gaussian_pair(self, copy_a: int, a: int, copy_b: int, b: int, *, equal_places: bool = False) -> Dual | None:
        """Two vectors made by parameters: the same one correlates them, different ones do not."""
        op_a, op_b = self.instruction(copy_a, a).op, self.instruction(copy_b, b).op
        if isinstance(op_a, ops.Carry) and isinstance(op_b, ops.Carry):
            return self._running((copy_a, a), (copy_b, b), equal_places)
        if not _one_parameter(op_a, op_b):
            return None
        gram = self._gram((copy_a, a), (copy_b, b), equal_places)
        if gram is None:
            return None
        variance, rate = self._scale(copy_a, a)  # K ↦ m²s²K; tangent ↦ m²s²K̇ + lr m²K, the second term free of s
        if self.one_copy(copy_a, copy_b):
            return Dual(variance * gram.value)
        tangent = None if gram.tangent is None else variance * gram.tangent
        if self.parameter(copy_a, a).trainable:
            own = self.own_tangent(a, b, rate * gram.value)
            tangent = own if tangent is None else tangent + own
        return Dual(variance * gram.value, tangent)

    def _scale(self, copy: int, place: int) -> tuple[Array, Array]:
        """m²s² of the parameter that a source uses, and lr m²; of one input of a matrix."""
        op, parameter = self.instruction(copy, place).op, self.parameter(copy, place)
        key = (copy, op.parameter)
        if key not in self._scales:
            fan = 1 if isinstance(op, ops.InitialVector) else parameter.fan
            std, multiplier, lr = (self.number(copy, p) for p in (parameter.std, parameter.multiplier, parameter.lr))
            m2 = multiplier**2 / fan
            self._scales[key] = m2 * std**2, lr * m2
        return self._scales[key]

    def _gram(self, left: Vector, right: Vector, equal_places: bool) -> Dual | None:
        """⟨x, y⟩ of what one parameter is applied to on each side: for one that is a vector itself, the number 1."""
        op, shape = self.instruction(*left).op, self.instruction(*left).shape
        if isinstance(op, ops.InitialVector):
            ones: Any = np.ones(shape) if equal_places else np.eye(math.prod(shape)).reshape(shape * 2)
            return Dual(ones)
        x, y = ((copy, self.instruction(copy, place).args[0]) for copy, place in (left, right))
        if isinstance(op, ops.InputMatMul):
            data = self.number(*x), self.number(*y)
            return Dual(_gram_at_equal_places(*data) if equal_places else _gram(*data))
        return self.aligned(x, y) if equal_places else self.moment(*x, *y)

    def _running(self, left: Vector, right: Vector, equal_places: bool) -> Dual | None:
        """What a `Repeat` was told of the running arrays."""
        assert self.given is not None
        pair = left[0], right[0]
        k, (shape_a, shape_b) = self.given.moments[pair], (self.instruction(*v).shape for v in (left, right))
        if k is None or equal_places == (pair not in self.given.all_pairs):
            return k
        if equal_places:
            return k.map(lambda part: pick_aligned(part, shape_a, shape_b, shape_a))
        if math.prod(shape_a) > 1:
            raise NeedsAllPairs
        return k.map(lambda part: part.reshape(shape_a + shape_b))

    def one_copy(self, copy_a: int, copy_b: int) -> bool:
        """Whether two vectors are of one network, whose moments have no tangent."""
        return copy_a == copy_b

    def own_tangent(self, a: int, b: int, own: Array) -> Array:
        """What training a parameter adds to the tangent between its use at `a` in copy 0 and at `b` in copy 1."""
        return own

    # --- nonlinearities of one Gaussian --------------------------------------------------------

    def is_gaussian(self, copy: int, place: int) -> bool:
        """Whether a vector is an affine image of Gaussian sources, whatever the numbers."""
        op = self.instruction(copy, place).op
        if isinstance(op, ops.Carry):
            return self.given is not None and self.given.carry_is_gaussian
        if isinstance(op, ops.Repeat):
            return self._repeat_gaussian(copy, place)
        if self.is_source(op):
            return True
        if op.linear or isinstance(op, ops.Shift):
            return all(self.is_gaussian(copy, x) for x in self._vectors(copy, place))
        return False

    def unary(self, copy: int, place: int) -> tuple[Nonlinearity, int, tuple[Array, ...]]:
        """A vector as φ(x; θ) of one Gaussian vector x (φ = identity for a source)."""
        instruction = self.instruction(copy, place)
        if self.is_source(instruction.op) and self.is_gaussian(copy, place):
            return identity, place, ()
        if not isinstance(instruction.op, ops.Nonlin) or instruction.op.phi.arity != 1:
            raise NoForwardLimitError(
                f"Instruction {place} ({_name(instruction.op)}) is not a function of one Gaussian vector."
            )
        x, *thetas = instruction.args
        if not self.is_gaussian(copy, x):
            raise NoForwardLimitError(f"Instruction {place} applies {_name(instruction.op)} to a non-Gaussian vector.")
        return instruction.op.phi, x, tuple(self.number(copy, t) for t in thetas)

    def _unary_pair(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        """E[φ(x)ψ(y)] of all pairs, and its tangent."""
        (phi, x, theta), (psi, y, theta_bar) = self.unary(copy_a, a), self.unary(copy_b, b)
        k = self.covariance(copy_a, x, copy_b, y)
        if k is None:
            return _independent(self.mean(copy_a, a), self.mean(copy_b, b))
        shape_a, shape_b = self.instruction(copy_a, a).shape, self.instruction(copy_b, b).shape

        def left(m):
            return jnp.broadcast_to(m, shape_a).reshape(shape_a + (1,) * len(shape_b))

        def right(m):
            return jnp.broadcast_to(m, shape_b)

        of_x = Law(*(jax.tree.map(left, part) for part in self.law(copy_a, x, theta)))
        of_y = Law(*(jax.tree.map(right, part) for part in self.law(copy_b, y, theta_bar)))
        return self.of_functions(
            phi, psi, k, lambda function, kxy: by_rows(function, of_x, of_y, kxy, shape_a, shape_b)
        )

    def of_functions(self, phi: Nonlinearity, psi: Nonlinearity, k: Dual, evaluate: Callable[..., Any]) -> Dual:
        """E[φ(x)ψ(y)], and by Price's theorem the tangent E[φ′(x)ψ′(y)] K̇(x, y).

        `evaluate(function, kxy)` gives the laws of x and y to a function of those and the covariance.
        """
        slopes = k.tangent is not None
        if slopes and (phi.derivative() is None or psi.derivative() is None):
            raise NoForwardLimitError(
                f"{phi.name} has no derivative that is a function, so the NTK has no limit; "
                "use a continuous nonlinearity."
            )
        found = evaluate(functools.partial(_expectations, phi, psi, slopes), k.value)
        for expectation in found:
            self.add_error(expectation)
        return Dual(found[0].value, found[1].value * k.tangent if slopes else None)

    def law(self, copy: int, x: int, theta: tuple[Array, ...]) -> Law:
        return Law(self.variance(copy, x), self.mean(copy, x), theta)

    def add_error(self, result: Expectation) -> None:
        self._errors.append(largest_relative_error(result))

    # --- batch normalisation followed by relu: a nonlinearity of a whole batch ---------------

    def is_batchnorm_relu(self, copy: int, place: int) -> bool:
        """Whether a vector is relu of what batch normalisation made of a whole batch, which its moments need."""
        return self._batchnorm_relu(copy, place) is not None

    def _batchnorm_relu(self, copy: int, place: int) -> int | None:
        """The Gaussian batch x if the vector is relu(batchnorm(x)) over the only axis."""
        op = self.instruction(copy, place).op
        if not isinstance(op, ops.Nonlin) or op.phi.name != "relu":
            return None
        inner = self.instruction(copy, self.instruction(copy, place).args[0])
        if not isinstance(inner.op, ops.BatchNorm) or len(inner.shape) != 1:
            return None
        (x,) = inner.args
        return x if self.is_gaussian(copy, x) and self.mean(copy, x) is None else None

    def _batchnorm_pair(self, copy_a: int, x: Any, copy_b: int, y: Any) -> Dual | None:
        from ..gaussian.batchnorm import batchnorm_relu, batchnorm_relu_single

        k = self.covariance(copy_a, x, copy_b, y)
        if k is None:
            raise NoForwardLimitError("Two batch normalisations of independent vectors meet; use the general reading.")
        if copy_a == copy_b and x == y:
            value, error = batchnorm_relu_single(k.value)
            self._errors.append(Error(error, "estimate"))
            return Dual(value)
        k_aa, k_bb = self.covariance(copy_a, x, copy_a, x), self.covariance(copy_b, y, copy_b, y)
        assert k_aa is not None
        assert k_bb is not None
        tangent = jnp.zeros_like(k.value) if k.tangent is None else k.tangent
        result = batchnorm_relu(k_aa.value, k.value, k_bb.value, tangent)
        self._errors.append(Error(result.error, "estimate"))
        return Dual(result.value, None if k.tangent is None else result.tangent)

    # --- repeated layers ------------------------------------------------------------------------

    def _repeat_gaussian(self, copy: int, place: int) -> bool:
        key = (copy, place)
        if key not in self._repeat_is_gaussian:
            instruction = self.instruction(copy, place)
            body = instruction.op.body
            start = self.is_gaussian(copy, instruction.args[1])
            inside = ForwardMoments((body, body), Given({}, {}, {}, carry_is_gaussian=True))
            self._repeat_is_gaussian[key] = start and inside.is_gaussian(copy, body.output)
        return self._repeat_is_gaussian[key]

    def _repeat_pair(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        self._check_same_repeat((copy_a, a), (copy_b, b))
        self._run_repeat(copy_a, a, {(copy_a, copy_b)})
        return self._moments[copy_a, a, copy_b, b]

    def repeated_aligned(self, left: Vector, right: Vector) -> Dual | None:
        """What a `Repeat` makes of both copies, at equal places."""
        self._check_same_repeat(left, right)
        self._run_repeat(*left, set())
        key = (*left, *right)
        return of_all_pairs(self, left, right) if key in self._moments else self._aligned[left, right]

    def _check_same_repeat(self, left: Vector, right: Vector) -> None:
        repeats = [self._repeats(c) for c in (0, 1)]
        (copy_a, a), (copy_b, b) = left, right
        if a not in repeats[copy_a] or b not in repeats[copy_b] or repeats[copy_a].index(a) != repeats[copy_b].index(b):
            raise NeedsUnrolling

    def _repeats(self, copy: int) -> list[int]:
        return [k for k, i in enumerate(self.programs[copy].instructions) if isinstance(i.op, ops.Repeat)]

    def _run_repeat(self, copy: int, place: int, needed: set[Pair]) -> None:
        """Carry the moments of both copies through all layers of a `Repeat`, once.

        Of all pairs of places for the `needed` pairs of copies; for the others of equal places, if the layers do with
        that.
        """
        which = self._repeats(copy).index(place)
        places = tuple(self._repeats(c)[which] for c in (0, 1))
        shapes = {self.instruction(c, p).shape for c, p in enumerate(places)}
        enough = [pairs for pairs in ALL_PAIRS if needed <= pairs and ((0, 1) in pairs or len(shapes) == 1)]
        for all_pairs in enough:
            try:
                return self._carry_through(places, all_pairs)
            except NeedsAllPairs:
                pass

    def _carry_through(self, places: tuple[int, ...], all_pairs: frozenset[Pair]) -> None:
        loops = tuple(self.instruction(c, p) for c, p in enumerate(places))
        starts = tuple(loop.args[1] for loop in loops)
        scalars = {c: tuple(self.scalar(c, a) for a in loops[c].args[2:]) for c in (0, 1)}
        gaussian = all(self._repeat_gaussian(c, p) for c, p in enumerate(places))
        bodies = (loops[0].op.body, loops[1].op.body)

        def of(moments: ForwardMoments, vectors: tuple[int, ...]) -> dict[Pair, Dual | None]:
            pairs = {(c, d): ((c, vectors[c]), (d, vectors[d])) for c, d in EVERY_PAIR}
            return {
                pair: moments.moment(*left, *right) if pair in all_pairs else moments.aligned(left, right)
                for pair, (left, right) in pairs.items()
            }

        @functools.partial(jax.jit, inline=True)  # traced once: to see what it makes nonzero, and to calculate
        def layer(state):
            moments, means, error = state
            inside = ForwardMoments(bodies, Given(moments, means, scalars, gaussian, all_pairs))
            outs = tuple(body.output for body in bodies)
            new_moments = of(inside, outs)
            new_means = {c: inside.mean(c, outs[c]) for c in (0, 1)}
            return new_moments, new_means, error + inside.relative_error()

        state = of(self, starts), {c: self.mean(c, starts[c]) for c in (0, 1)}, none()
        state = with_zeros_of(layer, state)
        times = self.number(0, loops[0].args[0])
        moments, means, error = jax.lax.fori_loop(0, times, lambda _, s: fill(layer(s), s), state)
        self._errors.append(error)
        for c, d in EVERY_PAIR:
            if (c, d) in all_pairs:
                self._moments[c, places[c], d, places[d]] = moments[c, d]
            else:
                self._aligned[(c, places[c]), (d, places[d])] = moments[c, d]
        for c in (0, 1):
            self._means[c, places[c]] = means[c]


ALL_PAIRS: tuple[frozenset[Pair], ...] = frozenset(), frozenset({(0, 1)}), frozenset(EVERY_PAIR)
"""Pairs of copies of whose places a `Repeat` may carry all pairs, the fewest first."""


class NeedsAllPairs(Exception):
    """A layer lets different places meet, of which it was told only what equal ones have in common."""


class NeedsUnrolling(Exception):
    """A repeated block meets vectors outside it; the program must be written out."""


def with_zeros_of(layer, state):
    """Write structural zeros of the state as numbers where a layer makes them nonzero."""
    while True:
        filled = fill(state, jax.eval_shape(layer, state))
        if structure(filled) == structure(state):
            return jax.tree.map(lambda leaf: jnp.asarray(leaf, float), state)
        state = filled


def structure(tree: Any) -> Any:
    return jax.tree.structure(tree)


def fill(state, other):
    """`state` with zeros where it has a structural zero and `other` has numbers."""
    if state is None:
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), other)
    if other is None:
        return state
    if isinstance(state, dict):
        return {key: fill(state[key], other[key]) for key in state}
    if isinstance(state, Error):
        return Error(state.value, weaker(state.kind, other.kind))
    if isinstance(state, Dual):
        return Dual(*(fill(s, o) for s, o in zip(state, other, strict=True)))
    if isinstance(state, tuple):
        return tuple(fill(s, o) for s, o in zip(state, other, strict=True))
    return state


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _expectations(
    phi: Nonlinearity, psi: Nonlinearity, slopes: bool, of_x: Law, of_y: Law, kxy: Array
) -> tuple[Expectation, ...]:
    """E[φ(x)ψ(y)] and, with `slopes`, E[φ′(x)ψ′(y)]. A function of its own, so that alike layers are traced once."""
    moments = of_x.variance, kxy, of_y.variance
    laws: dict[str, Any] = {"theta": of_x.theta, "theta_bar": of_y.theta, "mean_x": of_x.mean, "mean_y": of_y.mean}
    if slopes:
        return pair_with_slopes(phi, psi, *moments, **laws)
    return (pair_expectation(phi, psi, *moments, **laws),)


def _one_parameter(op_a: ops.Op, op_b: ops.Op) -> bool:
    """Whether two sources are one parameter, applied in the same way."""
    return isinstance(op_a, ops.Source) and op_a == op_b


def _name(op: ops.Op) -> str:
    return op.phi.name if isinstance(op, ops.Nonlin) else type(op).__name__


def _outer(a: Array, b: Array) -> Array:
    return a.reshape(a.shape + (1,) * b.ndim) * b


def _grown(k: Dual, old: tuple[Shape, ...], new: tuple[Shape, ...]) -> Dual:
    """A moment whose two sides have the leading shapes `old`, each side broadcast to that of `new` as in NumPy."""
    filled = sum(((1,) * (len(n) - len(o)) + o for o, n in zip(old, new, strict=True)), ())
    return k.map(lambda m: jnp.broadcast_to(m.reshape(filled), sum(new, ())))


def _independent(mean_a: Array | None, mean_b: Array | None) -> Dual | None:
    return None if mean_a is None or mean_b is None else Dual(_outer(mean_a, mean_b))


def _plus(mean: Array | None, shift: Array | None, shape: Shape) -> Array | None:
    if mean is None and shift is None:
        return None
    return jnp.broadcast_to((0.0 if mean is None else mean) + (0.0 if shift is None else shift), shape)


def _gram_at_equal_places(x: Array, y: Array) -> Array:
    """⟨ξ, ξ̄⟩ of rows at equal places, of the leading shape of both; of one place without an axis for it, which XLA
    would move about when there are many pairs of inputs."""
    shape = jnp.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    if math.prod(shape) == 1:
        return jnp.dot(x.ravel(), y.ravel()).reshape(shape)
    return jnp.einsum("...d,...d->...", x, y)


def _gram(x: Array, y: Array) -> Array:
    """⟨ξ, ξ̄⟩ for all pairs of rows: `(*leading of x, *leading of y)`."""
    return jnp.tensordot(x, y, axes=((x.ndim - 1,), (y.ndim - 1,)))
