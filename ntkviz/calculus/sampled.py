"""The Z calculus on samples, which has exactly the law of a network of width n, without its matrices.

A network depends on each of its Gaussian matrices A only through the products of A and Aᵀ with a few vectors. Given the
products so far, the next product is Gaussian (the Gaussian conditioning of the Master Theorem, Tensor Programs III).
Let q be an orthonormal basis of the inputs of A so far, and p one of those of Aᵀ, in the inner product
⟨x, y⟩ = Σ_α w_α x_α y_α with weights w_α = 1/n. For a new unit input r orthogonal to all q,

    A r = z + Σ_p (⟨r, Aᵀp⟩ − ⟨z, p⟩) p,   with n independent normals z_α of variance σ²,

and A is linear. All other instructions act coordinate by coordinate, or average over coordinates. So a run on n samples
of the normals has the law of a network of width n (`virtual.py`); on many evenly spread samples it approximates the
limit (`general.py`), where ⟨r, Aᵀp⟩ p is Ż and z is Ẑ; and its derivative in the weights is the influence of each
coordinate (`influence.py`).
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from ..language import instructions as ops
from ..language.gradients import instructions as grads
from ..language.gradients.backward import BackwardProgram, Use
from ..language.program import Parameter, Program
from ..language.rules import Rules
from ..networks.sampling import output_scale
from ..networks.uses import Matrix, Uses, concatenated, ntk_from_uses, of_vector, pairs_of_uses, without_output_biases
from .checked import SampleStatistics, sample_statistics
from .gaussian_sums import GaussianSums, plan
from .smoothed_jumps import nonlin

Dot = Callable[[Array, Array], Array]

NEW_DIRECTION = 1e-12
"""A vector has no new direction if at most this fraction of its square is new: that is rounding."""


class Normals(Protocol):
    """A source of standard normal samples."""

    samples: int

    def take(self, rows: int) -> Float[Array, "rows samples"]:
        """New normals, `(rows, samples)`."""
        ...


class Table:
    """Normals from the rows of a table `(dimensions, samples)`, in order."""

    def __init__(self, table: Float[Array, "dimensions samples"]):
        self.table, self.used, self.samples = table, 0, table.shape[-1]

    def take(self, rows: int) -> Float[Array, "rows samples"]:
        """The next unused rows."""
        self.used += rows
        return self.table[self.used - rows : self.used]


class Drawn:
    """Independent normals, drawn when they are needed."""

    def __init__(self, key: Array, samples: int):
        self.key, self.taken, self.samples = key, 0, samples

    def take(self, rows: int) -> Float[Array, "rows samples"]:
        """New normals; in single precision, like the parameters of networks, which takes half the memory."""
        self.taken += 1
        return jax.random.normal(jax.random.fold_in(self.key, self.taken), (rows, self.samples), jnp.float32)


class VirtualNetwork:
    """Runs programs that share parameters on one set of samples; passed to the rules of `sampled`.

    Attributes:
        normals: The source of normals.
        samples: The number of samples.
        weights: n w_α for each sample, `(samples,)`; `None` if all are 1.
        threshold: The threshold for new directions: the largest fraction of a vector's square that counts as zero.
            A vector that depends on earlier ones in the limit may differ from them on samples if it depends on a
            sampled Moment.
        matrices: The matrices so far, by parameter name and index.
        vectors: The parameter vectors so far, by name.
    """

    def __init__(
        self, normals: Normals, weights: Float[Array, "samples"] | None = None, threshold: float | Array = NEW_DIRECTION
    ):
        self.normals, self.samples, self.threshold = normals, normals.samples, threshold
        self.weights = weights
        self.matrices: dict[Any, RandomMatrix] = {}
        self.vectors: dict[str, Array] = {}

    def run(
        self,
        program: Program,
        known: Mapping[int, Array] | None = None,
        start: Sequence[Array] = (),
        sums: GaussianSums | None = None,
    ) -> list[Any]:
        """Every value of a program on a stack of examples; those in `start` are the first ones.

        `program.data` have an additional first axis, over the stack. Vectors are `(stack, *leading, samples)`, scalars
        `(stack, *leading)`. Scalars that are `known`, by index, get that value, with the derivative of the sampled one.
        Those parts of `sums` that are not drawn are `None`.
        """
        values: list[Any] = list(start)
        for index, instruction in enumerate(program.instructions[len(values) :], start=len(values)):
            if sums is not None and index in sums.plan.gaussian:
                values.append(sums.value(index, values))
                continue
            args = [values[a] for a in instruction.args]
            value = sampled.of(instruction.op, index)(instruction.op, self, program, *args)
            if instruction.kind == "vector":  # also one that is equal in every coordinate
                value = jnp.broadcast_to(value, (*value.shape[:-1], self.samples))
            if known and index in known:
                value = known[index] + (value - jax.lax.stop_gradient(value))
            values.append(value)
        return values

    def weighted(self, x: Array) -> Array:
        """n w_α x_α, whose unweighted averages are the weighted averages of x."""
        return x if self.weights is None else x * self.weights

    def dot(self, x: Float[Array, "rows samples"], y: Float[Array, "others samples"]) -> Float[Array, "rows others"]:
        """⟨x, y⟩ for all pairs of rows, `(rows of x, rows of y)`."""
        return jnp.einsum("ia,ja->ij", self.weighted(x), y, precision="highest") / self.samples

    def is_new(self, eigenvalues: Array) -> Array:
        """Which eigenvalues of a Gram matrix of new parts, relative to the vectors' squares, are not zero."""
        return eigenvalues > self.threshold

    def matrix(self, name: Any, inputs: int) -> RandomMatrix:
        """The matrix of this name, whose inputs have this length; a new one if it is not known yet."""
        return self.matrices.setdefault(name, RandomMatrix(inputs, self.samples))

    def new_directions(self, x: Array, new: Array, dot: Dot) -> Array:
        """Orthonormal vectors that span the rows of `new`, the parts of the rows of x that are new; others are zero."""
        combinations, is_new = self._orthonormal(dot(new, new), jnp.diagonal(dot(x, x)))
        made: Array = combinations @ new
        return made - _turn(dot(made, made), is_new) @ made

    def root(self, k: Float[Array, "rows rows"]) -> Float[Array, "rows directions"]:
        """L with L Lᵀ = K, a covariance; if K = ⟨x, x⟩, the products ⟨x, q⟩ with the `new_directions` q of all rows."""
        combinations, is_new = self._orthonormal(k, jnp.diagonal(k))
        products = k @ combinations.T
        return products - products @ _turn(combinations @ products, is_new).T

    def _orthonormal(self, gram: Array, squares: Array) -> tuple[Array, Array]:
        """Combinations of vectors with this Gram matrix that are orthonormal, and which of them are new; others are 0.

        The coefficients are treated as constants. A step of the Gram–Schmidt process, to first order, corrects for
        this: it does not change the value, and has the derivative that constant coefficients lack. It goes from the
        largest direction to the smallest. The derivative of a direction of size ε has length 1/ε, so this order turns
        that direction and leaves in place the larger ones, along which vectors have larger components. (A symmetric
        step would turn both, and so change the products with vectors by order 1/ε. That would not change the law, since
        the normals may be rotated, but it would dominate the noise.)
        """
        size = jax.lax.stop_gradient(squares) ** 0.5
        scale = jnp.where(size > 0, 1 / jnp.where(size > 0, size, 1), 0.0)
        relative = jax.lax.stop_gradient(gram) * scale[:, None] * scale
        eigenvalues, vectors = jnp.linalg.eigh((relative + relative.T) / 2)  # in ascending order
        is_new = self.is_new(eigenvalues)
        roots = jnp.where(is_new, jnp.where(is_new, eigenvalues, 1.0) ** -0.5, 0.0)
        return (vectors * roots).T * scale, is_new


def _turn(products: Array, is_new: Array) -> Array:
    """The step of the Gram–Schmidt process for nearly orthonormal vectors with these products."""
    excess = products - jnp.diag(is_new.astype(products.dtype))
    return jnp.triu(excess, 1) + jnp.diag(jnp.diagonal(excess) / 2)


class RandomMatrix:
    """A Gaussian matrix A as far as it is known: for A and for Aᵀ, orthonormal inputs and the products with them."""

    def __init__(self, inputs: int, outputs: int):
        self.known = {
            transpose: (jnp.zeros((0, length)), jnp.zeros((0, other)))
            for transpose, length, other in ((False, inputs, outputs), (True, outputs, inputs))
        }

    def times(self, x: Array, sigma: Array, z: VirtualNetwork, *, transpose: bool = False) -> Array:
        """A x or Aᵀ x, for rows x of samples."""
        p, made_of_p = self.known[not transpose]
        normals = sigma * z.normals.take(len(x))

        def made(r: Array) -> Array:
            return normals + (z.dot(r, made_of_p) - z.dot(normals, p)) @ p if len(p) else normals

        return self._extended(x, z.dot, z, transpose, made)

    def times_data(self, x: Array, sigma: Array, z: VirtualNetwork) -> Array:
        """A x, for rows x of data, whose coordinates are not samples."""
        normals = sigma * z.normals.take(len(x))
        return self._extended(x, lambda a, b: a @ b.T, z, False, lambda r: normals)

    def _extended(
        self, x: Array, dot: Dot, z: VirtualNetwork, transpose: bool, made: Callable[[Array], Array]
    ) -> Array:
        q, made_of_q = self.known[transpose]
        new = z.new_directions(x, x - dot(x, q) @ q if len(q) else x, dot)
        q, made_of_q = jnp.concatenate([q, new]), jnp.concatenate([made_of_q, made(new)])
        self.known[transpose] = q, made_of_q
        return dot(x, q) @ made_of_q


sampled: Rules[Array] = Rules("a limit Z from samples")
"""The samples of a value, given `(op, virtual network, program, *samples of the arguments)`."""
sampled.refuse(ops.OfLayers, why="write the repeated layers out first (Program.unrolled)")
sampled.refuse(ops.Delayed, why="the Z calculus takes the steps of a loop one after the other")


def _stacked(value: Any, program: Program) -> Array:
    """A value repeated for each example of the stack."""
    value = jnp.asarray(value)
    return jnp.broadcast_to(value, (len(program.data[0]), *value.shape))


@sampled.rule(ops.Op)
def _(op: ops.Op, z: VirtualNetwork, program: Program, *args: Array) -> Array:
    return jax.vmap(op.evaluate)(*args) if args else _stacked(op.evaluate(), program)


sampled.rule(ops.Data)(lambda op, z, program: jnp.asarray(program.data[op.index]))
sampled.rule(ops.Constant)(lambda op, z, program: _stacked(program.constants[op.index], program))
sampled.rule(ops.Moment)(lambda op, z, program, x: jnp.mean(z.weighted(x), axis=-1))
sampled.rule(ops.Nonlin)(lambda op, z, program, *args: jax.vmap(lambda *one: nonlin(op, *one))(*args))


@sampled.rule(ops.Readout)
def _(op: ops.Readout, z: VirtualNetwork, program: Program, v: Array, x: Array) -> Array:
    return jax.vmap(op.evaluate)(v, z.weighted(x)) * output_scale(program, z.samples)


@sampled.rule(grads.PairMoment)
def _(op: grads.PairMoment, z: VirtualNetwork, program: Program, x: Array, y: Array) -> Array:
    return jax.vmap(op.evaluate)(x, z.weighted(y))


@sampled.rule(ops.InputMatMul)
def _(op: ops.InputMatMul, z: VirtualNetwork, program: Program, data: Array) -> Array:
    parameter = program.parameters[op.parameter]
    rows = data.reshape(-1, data.shape[-1])
    made = z.matrix(parameter.name, rows.shape[-1]).times_data(rows, _sigma(program, parameter), z)
    return made.reshape((*data.shape[:-1], z.samples))


@sampled.rule(ops.InitialVector)
def _(op: ops.InitialVector, z: VirtualNetwork, program: Program) -> Array:
    parameter = program.parameters[op.parameter]
    if parameter.name not in z.vectors:
        drawn = z.normals.take(math.prod(parameter.shape)).reshape((*parameter.shape, z.samples))
        # The stored vector is multiplier·ω; `variance` divides by fan, which belongs to the readout.
        z.vectors[parameter.name] = drawn * (_sigma(program, parameter) * parameter.fan**0.5)
    return _stacked(z.vectors[parameter.name], program)


@sampled.rule(ops.MatMul)
def _(op: ops.MatMul, z: VirtualNetwork, program: Program, x: Array) -> Array:
    parameter = program.parameters[op.parameter]
    matrix = z.matrix((parameter.name, op.index), z.samples)
    rows = x.reshape(-1, z.samples)
    return matrix.times(rows, _sigma(program, parameter), z, transpose=op.transpose).reshape(x.shape)


def _sigma(program: Program, parameter: Parameter) -> Any:
    return program.variance(parameter) ** 0.5


def dimensions(program: Program, stack: int) -> int:
    """The largest number of rows of normals that a run takes."""
    return stack * sum(math.prod(i.shape) for i in program.instructions if isinstance(i.op, ops.Source))


def dimensions_of_kernels(programs: Sequence[BackwardProgram], stacks: Sequence[int]) -> int:
    """The largest number of rows of normals that `sampled_kernels` takes, with sums drawn at once."""
    if len(programs) > 1:
        return sum(dimensions(p.program, stack) for p, stack in zip(programs, stacks, strict=True))
    [p], [stack] = programs, stacks
    planned = plan(p.program.structure, p.uses)
    return sum(
        math.prod(i.shape) * (1 if isinstance(i.op, ops.InitialVector) else stack)
        for k, i in enumerate(p.program.instructions)
        if k in planned.drawn or (isinstance(i.op, ops.Source) and k not in planned.gaussian)
    )


# --- kernels from samples --------------------------------------------------------------------------


Known = tuple[Mapping[int, Array], ...]
"""For each program, the known scalars, by index."""


def sampled_kernels(
    programs: tuple[BackwardProgram, ...],
    readout_passes: bool,
    z: VirtualNetwork,
    known: Known = (),
    watched: tuple[tuple[int, ...], ...] = (),
    *,
    at_once: bool = False,
) -> tuple[Float[Array, "outputs outputs"], Float[Array, "outputs outputs"], list[list[SampleStatistics]]]:
    """The NNGP and NTK between all outputs of all programs, from one set of samples.

    With `at_once`, sums of Gaussian vectors are drawn at once (`gaussian_sums.py`), unless programs of several shapes
    use the same parameters. Also returns the statistics of the samples for the `watched` instructions of each program.
    """
    sums = GaussianSums(programs[0], z) if at_once and len(programs) == 1 else None
    runs = [(p, z.run(p.program, known[k] if known else None, sums=sums)) for k, p in enumerate(programs)]
    nngp = [[_nngp(*first, *second, readout_passes, z) for second in runs] for first in runs]
    ntk = _ntk(runs, z) if sums is None else _ntk_of_one(*runs[0], sums)
    statistics = [
        sample_statistics(p.program, indices, values) for (p, values), indices in zip(runs, watched, strict=False)
    ]
    # A sample is a coordinate of a network; its gradients are √n or n times those of f.
    return jnp.block(nngp), ntk / z.samples, statistics


def _nngp(
    p: BackwardProgram, values: list[Array], q: BackwardProgram, other: list[Array], passes: bool, z: VirtualNetwork
) -> Array:
    if not passes:  # f has a deterministic limit
        return jnp.outer(values[p.program.output], other[q.program.output])
    v, x = p.program.instructions[p.program.output].args
    _, y = q.program.instructions[q.program.output].args
    positions = len(p.program.instructions[v].shape)
    flat = [
        m.reshape((-1, math.prod(m.shape[m.ndim - 1 - positions : -1]), m.shape[-1])) for m in (values[x], other[y])
    ]
    products = jnp.einsum("ipz,jpz->ij", z.weighted(flat[0]), flat[1])
    return products * jnp.asarray(p.program.variance(p.program.parameter_of(v))) / z.samples


def _ntk(runs: list[tuple[BackwardProgram, list[Array]]], z: VirtualNetwork) -> Array:
    """n times the NTK."""
    program = runs[0][0].program
    uses, rates = zip(*(without_output_biases(program, uses_of(*run, z)) for run in runs), strict=True)
    of_biases = z.samples * rates[0]
    sizes = [len(p.program.data[0]) * p.program.outputs for p, _ in runs]
    return jnp.block(
        [
            [
                ntk_from_uses(program, u, w, pairs_of_uses, width=z.samples, zero=jnp.full((rows, columns), of_biases))
                for w, columns in zip(uses, sizes, strict=True)
            ]
            for u, rows in zip(uses, sizes, strict=True)
        ]
    )


def _ntk_of_one(p: BackwardProgram, values: list[Array], sums: GaussianSums) -> Array:
    """n times the NTK, from the products ⟨x, x⟩ that the run needed as well for matrices that are used once."""
    count = Counter((u.parameter, u.index) for u in p.uses)
    alone = {(u.parameter, u.index): u for u in p.uses if count[u.parameter, u.index] == 1 and sums.has_products(u)}
    alone = {m: u for m, u in alone.items() if not p.program.parameters[m[0]].output_bias}
    others = dataclasses.replace(p, uses=tuple(u for u in p.uses if (u.parameter, u.index) not in alone))
    of_others = _ntk([(others, values)], sums.z)
    return ntk_from_uses(
        p.program, alone, alone, lambda use, _: sums.product(use, values), width=sums.z.samples, zero=of_others
    )


def uses_of(p: BackwardProgram, values: list[Array], z: VirtualNetwork) -> dict[Matrix, Uses]:
    """The inputs of each parameter and the gradients at its values, `(stack·outputs, uses, samples)`.

    Vectors are multiplied by √(n w), so that their unweighted products are n⟨ , ⟩.
    """

    def side(index: int, is_gradient: bool) -> Array:
        value = values[index]
        if z.weights is not None and p.program.instructions[index].kind == "vector":
            value = value * jnp.sqrt(z.weights)
        stack, outputs = len(value), p.program.outputs
        if not is_gradient:
            value = jnp.broadcast_to(value[:, None], (stack, outputs, *value.shape[1:]))
        return value.reshape(stack * outputs, -1, value.shape[-1])

    def use(u: Use) -> tuple[Matrix, Uses]:
        a = side(u.a, u.gradient_first)
        return (u.parameter, u.index), of_vector(a) if u.b is None else Uses(a, side(u.b, not u.gradient_first))

    return concatenated(map(use, p.uses))
