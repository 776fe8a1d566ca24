"""The Z calculus on samples: a network of width n, exactly in law, without its matrices.

A network reads each of its Gaussian matrices A only through what A and Aᵀ make of a few vectors. Given what they have
made so far, what A makes next is Gaussian (Tensor Programs III, the conditioning trick of its Master Theorem). With
orthonormal bases q of the inputs of A so far, and p of those of Aᵀ, in the inner product ⟨x, y⟩ = Σ_α w_α x_α y_α with
weights w_α = 1/n, a new input r orthonormal to all q has

    A r = z + Σ_p (⟨r, Aᵀp⟩ − ⟨z, p⟩) p,   z of n independent normals of variance σ²,

and A is linear. Everything else acts coordinate by coordinate, or averages. So a run on n samples of the normals has
the law of a network of width n (`virtual.py`); on many evenly spread samples it approximates the limit (`general.py`),
where ⟨r, Aᵀp⟩ p is Ż and z is Ẑ; and its derivative in the weights is how much each coordinate counts
(`influence.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
from ..networks.uses import Matrix, Uses, ntk_from_uses, of_vector, pairs_of_uses, side_by_side
from .checked import Seen, seen
from .smoothed_jumps import nonlin

Dot = Callable[[Array, Array], Array]

NOTHING_NEW = 1e-12
"""A vector has no new direction if this part of its square, or less, is new: that is rounding."""


class Normals(Protocol):
    """Where standard normal samples come from."""

    samples: int

    def take(self, rows: int) -> Float[Array, "rows samples"]:
        """New ones, `(rows, samples)`."""
        ...


class Table:
    """Normals that are the rows of a table `(dimensions, samples)`, one after the other."""

    def __init__(self, table: Float[Array, "dimensions samples"]):
        self.table, self.used, self.samples = table, 0, table.shape[-1]

    def take(self, rows: int) -> Float[Array, "rows samples"]:
        """The next rows that are unused."""
        self.used += rows
        return self.table[self.used - rows : self.used]


class Drawn:
    """Independent normals, drawn when they are needed."""

    def __init__(self, key: Array, samples: int):
        self.key, self.taken, self.samples = key, 0, samples

    def take(self, rows: int) -> Float[Array, "rows samples"]:
        """New ones; in single precision, like the parameters of networks, for that takes half the memory."""
        self.taken += 1
        return jax.random.normal(jax.random.fold_in(self.key, self.taken), (rows, self.samples), jnp.float32)


class VirtualNetwork:
    """Runs programs that share parameters on one set of samples; what a rule of `sampled` reads.

    - `weights`: n w_α for each sample, `(samples,)`; all 1 if there are none.
    - `nothing_new`: which part of a vector's square counts as nothing. What is no new direction in the limit is
      something on samples as soon as it depends on a sampled Moment.
    """

    def __init__(
        self, normals: Normals, weights: Float[Array, "samples"] | None = None, nothing_new: float | Array = NOTHING_NEW
    ):
        self.normals, self.samples, self.nothing_new = normals, normals.samples, nothing_new
        self.weights = weights
        self.matrices: dict[Any, RandomMatrix] = {}
        self.vectors: dict[str, Array] = {}

    def run(self, program: Program, known: Mapping[int, Array] | None = None) -> list[Array]:
        """Every value of a program on a stack of examples.

        `program.data` carries a leading stack axis. Vectors come out as `(stack, *leading, samples)`, scalars as
        `(stack, *leading)`. Scalars that are `known` have that value, and the derivative of the sampled one.
        """
        values: list[Array] = []
        for index, instruction in enumerate(program.instructions):
            args = [values[a] for a in instruction.args]
            value = sampled.of(instruction.op, index)(instruction.op, self, program, *args)
            if instruction.kind == "vector":  # a vector that is the same in every coordinate, too
                value = jnp.broadcast_to(value, (*value.shape[:-1], self.samples))
            if known and index in known:
                value = known[index] + (value - jax.lax.stop_gradient(value))
            values.append(value)
        return values

    def weighted(self, x: Array) -> Array:
        """n w_α x_α, whose plain averages are those of x with the weights."""
        return x if self.weights is None else x * self.weights

    def dot(self, x: Float[Array, "rows samples"], y: Float[Array, "others samples"]) -> Float[Array, "rows others"]:
        """⟨x, y⟩ of rows, `(rows of x, rows of y)`."""
        return jnp.matmul(self.weighted(x), y.T, precision="highest") / self.samples

    def matrix(self, name: Any, inputs: int) -> RandomMatrix:
        """What is known of a matrix, whose inputs are of some length."""
        return self.matrices.setdefault(name, RandomMatrix(inputs, self.samples))

    def new_directions(self, x: Array, new: Array, dot: Dot) -> Array:
        """Orthonormal vectors that span the rows of `new`, the parts of the rows of x that are new; others are zero.

        The coefficients are taken as constants; a step of the Gram–Schmidt process, to first order, corrects what they
        make: it changes nothing, and has the derivative that the coefficients are missing. It goes from the largest
        direction to the smallest. A derivative along one of size ε has length 1/ε; so it turns that direction and
        leaves the larger ones, of which vectors hold much more, where they are. (A symmetric step would turn both, and
        what vectors are made into by 1/ε: no part of the law, whose normals may be turned, but all the noise of them.)
        """
        size = jax.lax.stop_gradient(jnp.diagonal(dot(x, x))) ** 0.5
        scale = jnp.where(size > 0, 1 / jnp.where(size > 0, size, 1), 0.0)
        gram = jax.lax.stop_gradient(dot(new, new)) * scale[:, None] * scale
        eigenvalues, vectors = jnp.linalg.eigh((gram + gram.T) / 2)  # in ascending order
        is_new = eigenvalues > self.nothing_new
        roots = jnp.where(is_new, jnp.where(is_new, eigenvalues, 1.0) ** -0.5, 0.0)
        made: Array = ((vectors * roots).T * scale) @ new
        excess = dot(made, made) - jnp.diag(is_new.astype(made.dtype))
        return made - (jnp.triu(excess, 1) + jnp.diag(jnp.diagonal(excess) / 2)) @ made


class RandomMatrix:
    """A Gaussian matrix A as far as it is known: by direction (A, Aᵀ) orthonormal inputs, and what it made of them."""

    def __init__(self, inputs: int, outputs: int):
        self.known = {
            transpose: (jnp.zeros((0, length)), jnp.zeros((0, other)))
            for transpose, length, other in ((False, inputs, outputs), (True, outputs, inputs))
        }

    def times(self, x: Array, sigma: Array, z: VirtualNetwork, *, transpose: bool = False) -> Array:
        """A x or Aᵀ x for rows x of samples."""
        p, made_of_p = self.known[not transpose]
        normals = sigma * z.normals.take(len(x))

        def made(r: Array) -> Array:
            return normals + (z.dot(r, made_of_p) - z.dot(normals, p)) @ p if len(p) else normals

        return self._extended(x, z.dot, z, transpose, made)

    def times_data(self, x: Array, sigma: Array, z: VirtualNetwork) -> Array:
        """A x for rows x of data, whose coordinates are not samples."""
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
"""The samples of a value, by `(the virtual network, the program, *samples of the arguments)`."""
sampled.refuse(ops.OfLayers, why="write the repeated layers out first (Program.unrolled)")
sampled.refuse(ops.Delayed, why="the Z calculus takes the steps of a loop one after the other")


def _stacked(value: Any, program: Program) -> Array:
    """The same value for each example of the stack."""
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
    """How many normal samples a run takes at most."""
    return stack * sum(math.prod(i.shape) for i in program.instructions if isinstance(i.op, ops.Source))


# --- kernels from samples --------------------------------------------------------------------------


Known = tuple[Mapping[int, Array], ...]
"""For each program, the scalars that are known."""


def sampled_kernels(
    programs: tuple[BackwardProgram, ...],
    readout_passes: bool,
    z: VirtualNetwork,
    known: Known = (),
    watched: tuple[tuple[int, ...], ...] = (),
) -> tuple[Float[Array, "outputs outputs"], Float[Array, "outputs outputs"], list[list[Seen]]]:
    """NNGP and NTK among all outputs of all programs, from one set of samples, and what these say of the instructions
    of each program that are watched."""
    runs = [(p, z.run(p.program, known[k] if known else None)) for k, p in enumerate(programs)]
    nngp = [[_nngp(*first, *second, readout_passes, z) for second in runs] for first in runs]
    uses = [uses_of(*run, z) for run in runs]
    program = programs[0].program
    sizes = [len(p.program.data[0]) * p.program.outputs for p in programs]
    # A sample is a coordinate of a network; its gradients are √n or n times those of f.
    ntk = [
        [
            ntk_from_uses(program, u, w, pairs_of_uses, width=z.samples, zero=jnp.zeros((rows, columns)))
            for w, columns in zip(uses, sizes, strict=True)
        ]
        for u, rows in zip(uses, sizes, strict=True)
    ]
    seen_of_each = [seen(p.program, indices, values) for (p, values), indices in zip(runs, watched, strict=False)]
    return jnp.block(nngp), jnp.block(ntk) / z.samples, seen_of_each


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


def uses_of(p: BackwardProgram, values: list[Array], z: VirtualNetwork) -> dict[Matrix, Uses]:
    """What goes into each parameter and the gradients at what comes out, `(stack·outputs, uses, samples)`.

    Vectors are times √(n w), so that their plain products are n⟨ , ⟩.
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

    return side_by_side(map(use, p.uses))
