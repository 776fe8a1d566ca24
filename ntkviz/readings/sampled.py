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

from ..language import instructions as ops
from ..language.backward import BackwardProgram, Use
from ..language.program import Parameter, Program
from .parameters import ParameterNumbers


class Normals:
    """Hands out rows of a table of standard normal samples, `(dimensions, samples)`."""

    def __init__(self, table: Array):
        self.table, self.used = table, 0

    def take(self, rows: int) -> Array:
        """The next rows nobody has used."""
        self.used += rows
        return self.table[self.used - rows : self.used]


class GaussianFamily:
    """The Gaussians one parameter has made so far: rows of samples with covariance features·featuresᵀ."""

    def __init__(self, features: Array, samples: Array):
        self.features, self.samples = features, samples

    @classmethod
    def empty(cls, width: int, samples: int) -> GaussianFamily:
        """A family nobody has joined."""
        return cls(jnp.zeros((0, width)), jnp.zeros((0, samples)))

    def draw(self, features: Array, normals: Normals) -> Array:
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

    def expected_derivatives(self, x: Array) -> Array:
        """E[∂x/∂Ẑ] for rows of samples x and every member, by Stein's lemma."""
        moments = x @ self.samples.T / x.shape[-1]
        return moments @ _pseudo_inverse(self.features @ self.features.T)


def _spectrum(matrix: Array) -> tuple[Array, Array, Array]:
    if matrix.shape[0] == 0:
        return jnp.zeros((0,)), matrix, jnp.zeros(())
    eigenvalues, vectors = jnp.linalg.eigh((matrix + matrix.T) / 2)
    return eigenvalues, vectors, 1e-10 * jnp.maximum(jnp.max(jnp.abs(eigenvalues)), 1e-300)


def _pseudo_inverse(matrix: Array) -> Array:
    """The inverse on the range: identical inputs make equal Gaussians, an ordinary case."""
    eigenvalues, vectors, small = _spectrum(matrix)
    inverse = jnp.where(eigenvalues > small, 1 / jnp.where(eigenvalues > small, eigenvalues, 1.0), 0.0)
    return (vectors * inverse) @ vectors.T


def _square_root(matrix: Array) -> Array:
    eigenvalues, vectors, _ = _spectrum(matrix)
    return vectors * jnp.sqrt(jnp.maximum(eigenvalues, 0.0))


class SampledZ:
    """Runs programs that share parameters on one set of samples."""

    def __init__(self, normals: Array):
        self.normals = Normals(normals)
        self.samples = normals.shape[-1]
        self.families: dict[Any, GaussianFamily] = {}
        self.vectors: dict[str, Array] = {}

    def run(self, program: Program) -> list[Array]:
        """Every value of a program on a stack of examples.

        `program.data` carries a leading stack axis. Vectors come out as `(stack, *leading,
        samples)`, scalars as `(stack, *leading)`.
        """
        stack = len(program.data[0])
        values: list[Array] = []
        for instruction in program.instructions:
            args = [values[a] for a in instruction.args]
            match instruction.op:
                case ops.Data(index):
                    value = jnp.asarray(program.data[index])
                case ops.Constant(index):
                    constant = jnp.asarray(program.constants[index])
                    value = jnp.broadcast_to(constant, (stack, *constant.shape))
                case ops.InputMatMul(k):
                    value = self._input(program, program.parameters[k], args[0])
                case ops.InitialVector(k):
                    value = self._initial(program, program.parameters[k], stack)
                case ops.MatMul() as op:
                    value = self._matmul(program, op, args[0])
                case ops.Readout():
                    value = jax.vmap(instruction.op.evaluate)(*args) / self.samples
                case op if not args:
                    constant = op.evaluate()
                    value = jnp.broadcast_to(constant, (stack, *constant.shape))
                case op:
                    value = jax.vmap(op.evaluate)(*args)
            if instruction.kind == "vector":  # a vector that is the same in every coordinate, too
                value = jnp.broadcast_to(value, (*value.shape[:-1], self.samples))
            values.append(value)
        return values

    def _input(self, program: Program, parameter: Parameter, data: Array) -> Array:
        rows = data.reshape(-1, data.shape[-1]) * variance(program, parameter) ** 0.5
        family = self.families.setdefault(parameter.name, GaussianFamily.empty(rows.shape[-1], self.samples))
        return family.draw(rows, self.normals).reshape((*data.shape[:-1], self.samples))

    def _initial(self, program: Program, parameter: Parameter, stack: int) -> Array:
        if parameter.name not in self.vectors:
            drawn = self.normals.take(math.prod(parameter.shape)).reshape((*parameter.shape, self.samples))
            self.vectors[parameter.name] = drawn * (variance(program, parameter) * parameter.fan) ** 0.5
        vector = self.vectors[parameter.name]
        # The stored vector is multiplier·ω; `variance` divides by fan, which belongs to the readout.
        return jnp.broadcast_to(vector, (stack, *vector.shape))

    def _matmul(self, program: Program, op: ops.MatMul, x: Array) -> Array:
        parameter = program.parameters[op.parameter]
        key = (parameter.name, op.index)
        sigma2 = variance(program, parameter)
        rows = x.reshape(-1, self.samples)
        empty = GaussianFamily.empty(self.samples, self.samples)
        z = self.families.setdefault((*key, op.transpose), empty).draw(
            rows * (sigma2 / self.samples) ** 0.5, self.normals
        )
        opposite = self.families.get((*key, not op.transpose))
        if opposite is not None:
            # features = √(σ²/N)·y, so Ż = σ² D y = √(σ² N) D features.
            z = z + (sigma2 * self.samples) ** 0.5 * opposite.expected_derivatives(rows) @ opposite.features
        return z.reshape(x.shape)


def variance(program: Program, parameter: Parameter) -> Any:
    """σ²: the variance that a MatMul by the parameter gives to a vector of unit second moment."""
    numbers = ParameterNumbers(program)
    return (numbers(parameter.multiplier) * numbers(parameter.std)) ** 2 / parameter.fan


def dimensions(program: Program, stack: int) -> int:
    """How many normal samples a run takes at most."""
    size = 0
    for instruction in program.instructions:
        if isinstance(instruction.op, ops.InputMatMul | ops.MatMul | ops.InitialVector):
            size += math.prod(instruction.shape) * stack
    return size


# --- kernels from samples --------------------------------------------------------------------------


def sampled_kernels(programs: tuple[BackwardProgram, ...], readout_passes: bool, normals: Array) -> tuple[Array, Array]:
    """NNGP and NTK among all outputs of all programs, from one set of samples."""
    sampler = SampledZ(normals)
    runs = [(p, sampler.run(p.program)) for p in programs]
    nngp = [[_nngp(*first, *second, readout_passes) for second in runs] for first in runs]
    ntk = [[_ntk(*first, *second) for second in runs] for first in runs]
    return jnp.block(nngp), jnp.block(ntk)


def _nngp(p: BackwardProgram, values: list[Array], q: BackwardProgram, other: list[Array], passes: bool) -> Array:
    if not passes:  # f has a deterministic limit
        return jnp.outer(values[p.program.output], other[q.program.output])
    v, x = p.program.instructions[p.program.output].args
    _, y = q.program.instructions[q.program.output].args
    positions = len(p.program.instructions[v].shape)
    parameter = p.program.parameters[p.program.instructions[v].op.parameter]
    flat = [
        m.reshape((-1, math.prod(m.shape[m.ndim - 1 - positions : -1]), m.shape[-1])) for m in (values[x], other[y])
    ]
    return variance(p.program, parameter) * jnp.einsum("ipz,jpz->ij", *flat) / flat[0].shape[-1]


def _ntk(p: BackwardProgram, values: list[Array], q: BackwardProgram, other: list[Array]) -> Array:
    """Σ over pairs of uses of one parameter of lr m²n E[a ā] E[b b̄] (Tensor Programs II, eq. of the NTK)."""
    numbers = ParameterNumbers(p.program)
    total = jnp.zeros([m.program.instructions[m.program.output].shape[0] * len(m.program.data[0]) for m in (p, q)])
    for use in p.uses:
        parameter = p.program.parameters[use.parameter]
        rate = numbers(parameter.lr) * numbers(parameter.multiplier) ** 2
        rate = rate / parameter.fan if parameter.kind != "vector" else rate
        for use_bar in q.uses:
            if (parameter.name, use.index) == (q.program.parameters[use_bar.parameter].name, use_bar.index):
                total = total + rate * _pair_of_uses(p, use, values, q, use_bar, other)
    return total


def _pair_of_uses(
    p: BackwardProgram, use: Use, values: list[Array], q: BackwardProgram, use_bar: Use, other: list[Array]
) -> Array:
    """Σ over pairs of leading places of E[a ā] E[b b̄], `(outputs, outputs)`."""
    a, a_bar = (_side(m, u.a, u.gradient_first) for m, u in ((values, use), (other, use_bar)))
    in_a = jnp.einsum("eolz,fpmz->eofplm", a, a_bar) / a.shape[-1]
    if use.b is None or use_bar.b is None:
        size = in_a.shape[-1]
        in_b = jnp.eye(size).reshape(1, 1, 1, 1, size, size)
    else:
        b, b_bar = (_side(m, u.b, not u.gradient_first) for m, u in ((values, use), (other, use_bar)))
        samples = b.shape[-1] if p.program.parameters[use.parameter].kind == "matrix" else 1
        in_b = jnp.einsum("eolz,fpmz->eofplm", b, b_bar) / samples
    total = jnp.sum(in_a * in_b, axis=(-2, -1))
    return total.reshape(total.shape[0] * total.shape[1], -1)


def _side(values: list[Array], place: Any, is_gradient: bool) -> Array:
    """`(stack, outputs, places, samples)`, with one for `outputs` where there is no such axis."""
    value = values[place]
    outputs = value.shape[1] if is_gradient else 1
    return value.reshape(value.shape[0], outputs, -1, value.shape[-1])
