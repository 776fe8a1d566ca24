"""The Z calculus by sampling: a sample of Z is treated as a coordinate of a network without end.

A program's limit vectors Z (Tensor Programs III, Theorem "NETSOR⊤ Master Theorem") are drawn in
program order. Nonlinearities and linear maps act on samples as they act on coordinates, Moments
are averages, and a MatMul Wx adds two parts, Z^{Wx} = Ẑ^{Wx} + Ż^{Wx}:

- Ẑ is Gaussian, independent of everything but the Ẑ's of the same W, with covariance
  σ² E[Z^x Z^y]: it is drawn conditionally on those drawn before;
- Ż = σ² Σ_y Z^y E[∂Z^x/∂Ẑ^{Wᵀy}] over the earlier uses of the transpose. The expected
  derivatives come from Stein's lemma, E[∂Z^x/∂Ẑ] = Cov(Ẑ)⁻¹ E[Ẑ Z^x], smooth or not.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float64

from ..language import instructions as ops
from ..language.gradients.backward import BackwardProgram, Use
from ..language.program import Program
from ..language.rules import Rules
from ..networks.uses import Matrix, Uses, ntk_from_uses, of_vector, pairs_of_uses, side_by_side
from .checked import Seen, seen


class Normals:
    """Hands out rows of a table of standard normal samples, `(dimensions, samples)`."""

    def __init__(self, table: Float64[Array, "dimensions samples"]):
        self.table, self.used = table, 0

    def take(self, rows: int) -> Float64[Array, "rows samples"]:
        """The next rows nobody has used."""
        self.used += rows
        return self.table[self.used - rows : self.used]


class GaussianFamily:
    """The Gaussians one parameter has made so far: rows of samples with covariance features·featuresᵀ."""

    def __init__(self, features: Float64[Array, "members features"], samples: Float64[Array, "members samples"]):
        self.features, self.samples = features, samples

    @classmethod
    def empty(cls, width: int, samples: int) -> GaussianFamily:
        """A family nobody has joined."""
        return cls(jnp.zeros((0, width)), jnp.zeros((0, samples)))

    def draw(self, features: Float64[Array, "new features"], normals: Normals) -> Float64[Array, "new samples"]:
        """Samples of new members, jointly Gaussian with the old ones."""
        new = normals.take(len(features))
        across = features @ self.features.T
        regression = across @ _pseudo_inverse(self.features @ self.features.T)
        residual = features @ features.T - regression @ across.T
        drawn = regression @ self.samples + _square_root(residual) @ new
        # Zero has to stay zero: to normalise a rounding would make numbers of what has no limit.
        drawn = jnp.where(jnp.all(features == 0, axis=-1, keepdims=True), 0.0, drawn)
        self.features = jnp.concatenate([self.features, features])
        self.samples = jnp.concatenate([self.samples, drawn])
        return drawn

    def expected_derivatives(self, x: Float64[Array, "rows samples"]) -> Float64[Array, "rows members"]:
        """E[∂x/∂Ẑ] for rows of samples x and every member, by Stein's lemma."""
        moments = x @ self.samples.T / x.shape[-1]
        return moments @ _pseudo_inverse(self.features @ self.features.T)


def _spectrum(
    matrix: Float64[Array, "rows rows"],
) -> tuple[Float64[Array, "rows"], Float64[Array, "rows rows"], Float64[Array, ""]]:
    if matrix.shape[0] == 0:
        return jnp.zeros((0,)), matrix, jnp.zeros(())
    eigenvalues, vectors = jnp.linalg.eigh((matrix + matrix.T) / 2)
    return eigenvalues, vectors, 1e-10 * jnp.maximum(jnp.max(jnp.abs(eigenvalues)), 1e-300)


def _pseudo_inverse(matrix: Float64[Array, "rows rows"]) -> Float64[Array, "rows rows"]:
    """The inverse on the range: identical inputs make equal Gaussians, an ordinary case."""
    eigenvalues, vectors, small = _spectrum(matrix)
    inverse = jnp.where(eigenvalues > small, 1 / jnp.where(eigenvalues > small, eigenvalues, 1.0), 0.0)
    return (vectors * inverse) @ vectors.T


def _square_root(matrix: Float64[Array, "rows rows"]) -> Float64[Array, "rows rows"]:
    eigenvalues, vectors, _ = _spectrum(matrix)
    return vectors * jnp.sqrt(jnp.maximum(eigenvalues, 0.0))


class SampledZ:
    """Runs programs that share parameters on one set of samples; what a rule of `sampled` reads."""

    def __init__(self, normals: Float64[Array, "dimensions samples"]):
        self.normals = Normals(normals)
        self.samples = normals.shape[-1]
        self.families: dict[Any, GaussianFamily] = {}
        self.vectors: dict[str, Array] = {}

    def run(self, program: Program) -> list[Array]:
        """Every value of a program on a stack of examples.

        `program.data` carries a leading stack axis. Vectors come out as `(stack, *leading,
        samples)`, scalars as `(stack, *leading)`.
        """
        values: list[Array] = []
        for index, instruction in enumerate(program.instructions):
            args = [values[a] for a in instruction.args]
            value = sampled.of(instruction.op, index)(instruction.op, self, program, *args)
            if instruction.kind == "vector":  # a vector that is the same in every coordinate, too
                value = jnp.broadcast_to(value, (*value.shape[:-1], self.samples))
            values.append(value)
        return values

    def family(self, key: Any, width: int) -> GaussianFamily:
        """The Gaussians made so far by what `key` names, with features of a given length."""
        return self.families.setdefault(key, GaussianFamily.empty(width, self.samples))


sampled: Rules[Array] = Rules("a limit Z from samples")
"""The samples of a value, by `(the sampler, the program, *samples of the arguments)`."""
sampled.refuse(ops.OfLayers, why="write the repeated layers out first (Program.unrolled)")
sampled.refuse(ops.Delayed, why="the Z calculus takes the steps of a loop one after the other")


def _stacked(value: Any, program: Program) -> Array:
    """The same value for each example of the stack."""
    value = jnp.asarray(value)
    return jnp.broadcast_to(value, (len(program.data[0]), *value.shape))


@sampled.rule(ops.Op)
def _(op: ops.Op, z: SampledZ, program: Program, *args: Array) -> Array:
    return jax.vmap(op.evaluate)(*args) if args else _stacked(op.evaluate(), program)


sampled.rule(ops.Data)(lambda op, z, program: jnp.asarray(program.data[op.index]))
sampled.rule(ops.Constant)(lambda op, z, program: _stacked(program.constants[op.index], program))
sampled.rule(ops.Readout)(lambda op, z, program, v, x: jax.vmap(op.evaluate)(v, x) / z.samples)


@sampled.rule(ops.InputMatMul)
def _(op: ops.InputMatMul, z: SampledZ, program: Program, data: Array) -> Array:
    parameter = program.parameters[op.parameter]
    rows = data.reshape(-1, data.shape[-1]) * program.variance(parameter) ** 0.5
    made = z.family(parameter.name, rows.shape[-1]).draw(rows, z.normals)
    return made.reshape((*data.shape[:-1], z.samples))


@sampled.rule(ops.InitialVector)
def _(op: ops.InitialVector, z: SampledZ, program: Program) -> Array:
    parameter = program.parameters[op.parameter]
    if parameter.name not in z.vectors:
        drawn = z.normals.take(math.prod(parameter.shape)).reshape((*parameter.shape, z.samples))
        # The stored vector is multiplier·ω; `variance` divides by fan, which belongs to the readout.
        z.vectors[parameter.name] = drawn * (program.variance(parameter) * parameter.fan) ** 0.5
    return _stacked(z.vectors[parameter.name], program)


@sampled.rule(ops.MatMul)
def _(op: ops.MatMul, z: SampledZ, program: Program, x: Array) -> Array:
    parameter = program.parameters[op.parameter]
    key, sigma2 = (parameter.name, op.index), program.variance(parameter)
    rows = x.reshape(-1, z.samples)
    drawn = z.family((*key, op.transpose), z.samples).draw(rows * (sigma2 / z.samples) ** 0.5, z.normals)
    opposite = z.families.get((*key, not op.transpose))
    if opposite is not None:
        # features = √(σ²/N)·y, so Ż = σ² D y = √(σ² N) D features.
        drawn = drawn + (sigma2 * z.samples) ** 0.5 * opposite.expected_derivatives(rows) @ opposite.features
    return drawn.reshape(x.shape)


def dimensions(program: Program, stack: int) -> int:
    """How many normal samples a run takes at most."""
    return stack * sum(math.prod(i.shape) for i in program.instructions if isinstance(i.op, ops.Source))


# --- kernels from samples --------------------------------------------------------------------------


def sampled_kernels(
    programs: tuple[BackwardProgram, ...],
    readout_passes: bool,
    normals: Float64[Array, "dimensions samples"],
    indices: tuple[tuple[int, ...], ...],
) -> tuple[Float64[Array, "outputs outputs"], Float64[Array, "outputs outputs"], list[list[Seen]]]:
    """NNGP and NTK among all outputs of all programs, from one set of samples, and what these say of the instructions
    at some indices of each."""
    sampler = SampledZ(normals)
    runs = [(p, sampler.run(p.program)) for p in programs]
    nngp = [[_nngp(*first, *second, readout_passes) for second in runs] for first in runs]
    uses = [_uses(*run) for run in runs]
    program = programs[0].program
    sizes = [len(p.program.data[0]) * p.program.outputs for p in programs]
    # A sample is a coordinate of a network; its gradients are √n or n times those of f.
    ntk = [
        [
            ntk_from_uses(program, u, w, pairs_of_uses, width=sampler.samples, zero=jnp.zeros((rows, columns)))
            for w, columns in zip(uses, sizes, strict=True)
        ]
        for u, rows in zip(uses, sizes, strict=True)
    ]
    found = [seen(p.program, some, values) for (p, values), some in zip(runs, indices, strict=True)]
    return jnp.block(nngp), jnp.block(ntk) / sampler.samples, found


def _nngp(
    p: BackwardProgram, values: list[Array], q: BackwardProgram, other: list[Array], passes: bool
) -> Float64[Array, "outputs outputs_bar"]:
    if not passes:  # f has a deterministic limit
        return jnp.outer(values[p.program.output], other[q.program.output])
    v, x = p.program.instructions[p.program.output].args
    _, y = q.program.instructions[q.program.output].args
    positions = len(p.program.instructions[v].shape)
    flat = [
        m.reshape((-1, math.prod(m.shape[m.ndim - 1 - positions : -1]), m.shape[-1])) for m in (values[x], other[y])
    ]
    moments = jnp.einsum("ipz,jpz->ij", *flat)
    nngp: Array = p.program.variance(p.program.parameter_of(v)) * moments / flat[0].shape[-1]
    return nngp


def _uses(p: BackwardProgram, values: list[Array]) -> dict[Matrix, Uses]:
    """What goes into each parameter and the gradients at what comes out, `(stack·outputs, uses, samples)`."""

    def side(index: int, is_gradient: bool) -> Array:
        value = values[index]
        stack, outputs = len(value), p.program.outputs
        if not is_gradient:
            value = jnp.broadcast_to(value[:, None], (stack, outputs, *value.shape[1:]))
        return value.reshape(stack * outputs, -1, value.shape[-1])

    def use(u: Use) -> tuple[Matrix, Uses]:
        a = side(u.a, u.gradient_first)
        return (u.parameter, u.index), of_vector(a) if u.b is None else Uses(a, side(u.b, not u.gradient_first))

    return side_by_side(map(use, p.uses))
