"""How much random networks of width n differ: the constant of the 1/√n law, from one calculation at infinite width.

A network of width n is the Z calculus on n samples (`sampled.py`): its kernel is Θ_n = T(P_n), a function of the
empirical measure P_n of independent normals, and the limit is Θ = T(P). So √n (Θ_n − Θ) tends to a Gaussian field with
the covariance of the influence function of T (the delta method; as an estimate the infinitesimal jackknife of Jaeckel
1972 and Efron 1982),

    V = E IF(z) IF(z)ᵀ,   IF(z_α) = n ∂T/∂w_α less its mean,

the derivatives in the weights w_α of evenly spread samples: one backward pass for each entry, all its coordinates at
once. A forward pass along w = (1 + tε)/n with normals ε draws from that field itself, whatever the number of entries.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float64

from ..distant.requests import check_wanted
from ..execution.memory_limit import bounded
from ..gaussian.sobol import sobol_normal
from ..language.gradients.backward import BackwardProgram
from ..language.gradients.instructions import PairMoment
from ..language.instructions import Moment
from ..language.program import Program
from ..networks.sampling import passes
from .general import differentiated, with_gradients
from .sampled import NOTHING_NEW, Known, Table, VirtualNetwork, dimensions, sampled_kernels

Kernel = Literal["ntk", "nngp"]
SCRAMBLES = 8
LOG2_SAMPLES = 13
"""Of a covariance."""
LOG2_SAMPLES_OF_DRAWS, DRAWS = 12, 32
"""Of the field: samples, and draws from each scramble."""
SHOWN = 1024
"""Samples whose influences are handed out: the first of a scramble are spread as evenly as all of them."""
SMALL = 1e-4
"""A vector has no new direction if this part of its square is new, where that depends on sampled Moments: they are off
by 1e-5 or so, which makes a direction of what has none in the limit."""
COARSER, COMPARED = {NOTHING_NEW: SMALL, SMALL: 10 * SMALL}, 2
"""What is no direction there, for comparison, on this many scrambles: the limit does not depend on it."""


class Influence(NamedTuple):
    """What each scramble of the samples says.

    - `kernels`: T, `(scrambles, B, B)`.
    - `covariances`: V over `pairs_of(B)`, `(scrambles, entries, entries)`; or `None`.
    - `shares`: Which part of its trace all samples but the most influential thousandth make, `(scrambles,)`; of draws,
      of the variance of a random combination of the entries.
    - `draws`: Of the limiting field instead, `(scrambles, draws, B, B)`; else empty.
    - `influences`: IF(z) of some samples z of the first scramble, over `pairs_of(B)`, `(entries, SHOWN)`; or `None`.
    - `coarser`: What the first `COMPARED` scrambles say where nearly dependent vectors count as dependent; of itself,
      `None`.
    """

    kernels: np.ndarray
    covariances: np.ndarray | None
    shares: np.ndarray
    draws: np.ndarray
    influences: np.ndarray | None
    coarser: Influence | None


def pairs_of(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries of a symmetric matrix that are not known from others."""
    return np.triu_indices(size)


def influence(programs: tuple[Program, ...], kernel: Kernel, limits: Known | None, *, covariance: bool) -> Influence:
    """The influence function of a kernel between all outputs of stacks of runs.

    `limits` are those of the programs' scalars by index, if they are all known. `covariance` asks for V, else draws.
    """
    held = _may_be_independent(programs[0])
    structures = [differentiated(p.structure, held).program if kernel == "ntk" else p for p in programs]
    known = _with_gradients_zero(programs, structures, limits, held)
    settled = all(set(_moments(s)) <= set(k) for s, k in zip(structures, known, strict=True))
    dimension = sum(dimensions(s, len(p.data[0])) for s, p in zip(structures, programs, strict=True))
    log2_samples = LOG2_SAMPLES if covariance else LOG2_SAMPLES_OF_DRAWS

    def of(scrambles: int, nothing_new: float) -> Influence:
        found: list[tuple[Array, ...]] = []
        for scramble in range(scrambles):
            check_wanted()
            normals = jnp.asarray(sobol_normal(dimension, log2_samples, seed=scramble))
            if covariance:
                found.append(_covariance(programs, known, normals, nothing_new, kernel=kernel, held=held))
            else:
                key = jax.random.key(scramble)
                found.append(_draws(programs, known, normals, nothing_new, key, kernel=kernel, held=held))
        kernels, fields, shares = (np.stack([np.asarray(f[k]) for f in found]) for k in range(3))
        if not covariance:
            return Influence(kernels, None, shares, draws=fields, influences=None, coarser=None)
        return Influence(kernels, fields, shares, np.empty(0), influences=np.asarray(found[0][3]), coarser=None)

    nothing_new = NOTHING_NEW if settled else SMALL
    return of(SCRAMBLES, nothing_new)._replace(coarser=of(COMPARED, COARSER[nothing_new]))


def _may_be_independent(program: Program) -> bool:
    """Whether gradients may be made by independent matrices, as the check allows: then less is conditioned on."""
    return passes(program)


def _moments(program: Program) -> list[int]:
    return [k for k, i in enumerate(program.instructions) if isinstance(i.op, Moment | PairMoment)]


def _with_gradients_zero(
    programs: tuple[Program, ...], structures: list[Program], limits: Known | None, held: bool
) -> Known:
    """Every Moment whose limit is known; those of gradients are odd in the readout, hence 0, if the check passes."""
    known: list[dict[int, Array]] = []
    for k, (program, structure) in enumerate(zip(programs, structures, strict=True)):
        stack, moments = len(program.data[0]), _moments(structure)
        forward = {m: limits[k][m] for m in moments if m < len(program)} if limits is not None else {}
        backward = [m for m in moments if m >= len(program)] if held else []
        known.append(forward | {m: jnp.zeros((stack, *structure.instructions[m].shape)) for m in backward})
    return tuple(known)


def _kernel(
    programs: tuple[Program, ...],
    known: Known,
    normals: Array,
    weights: Array,
    nothing_new: float | Array,
    *,
    kernel: Kernel,
    held: bool,
) -> Array:
    """T, as a function of the weights n w_α."""
    if kernel == "ntk":
        runs = tuple(with_gradients(program, held) for program in programs)
    else:
        runs = tuple(BackwardProgram(program, (), len(program)) for program in programs)
    z = VirtualNetwork(Table(normals), weights, nothing_new)
    nngp, ntk, _ = sampled_kernels(runs, passes(programs[0]), z, known)
    found = ntk if kernel == "ntk" else nngp
    return (found + found.T) / 2


@bounded(static_argnames=("kernel", "held"))
def _covariance(
    programs: tuple[Program, ...],
    known: Known,
    normals: Float64[Array, "dimensions samples"],
    nothing_new: float | Array,
    **options: Any,
) -> tuple[
    Float64[Array, "outputs outputs"],
    Float64[Array, "entries entries"],
    Float64[Array, ""],
    Float64[Array, "entries shown"],
]:
    samples = normals.shape[-1]
    kernel, pull = jax.vjp(lambda w: _kernel(programs, known, normals, w, nothing_new, **options), jnp.ones(samples))
    rows, columns = pairs_of(len(kernel))
    entries = jnp.zeros((len(rows), *kernel.shape)).at[jnp.arange(len(rows)), rows, columns].set(1.0)
    influences = samples * jax.vmap(lambda entry: pull(entry)[0])(entries)
    centred = influences - influences.mean(-1, keepdims=True)
    return kernel, centred @ centred.T / samples, _share_of_many(jnp.sum(centred**2, axis=0)), centred[:, :SHOWN]


@bounded(static_argnames=("kernel", "held"))
def _draws(
    programs: tuple[Program, ...],
    known: Known,
    normals: Float64[Array, "dimensions samples"],
    nothing_new: float | Array,
    key: Array,
    **options: Any,
) -> tuple[Float64[Array, "outputs outputs"], Float64[Array, "draws outputs outputs"], Float64[Array, ""]]:
    samples = normals.shape[-1]
    kernel, push = jax.linearize(
        lambda w: _kernel(programs, known, normals, w, nothing_new, **options), jnp.ones(samples)
    )

    def one(key: Array) -> Array:
        noise = jax.random.normal(key, (samples,))
        return jnp.asarray(push((noise - noise.mean()) * samples**0.5))

    of_combination, *keys = jax.random.split(key, DRAWS + 1)
    [influences] = jax.linear_transpose(push, jnp.ones(samples))(jax.random.normal(of_combination, kernel.shape))
    share = _share_of_many((influences - influences.mean()) ** 2)
    return kernel, jax.lax.map(one, jnp.stack(keys)), share


def _share_of_many(squares: Float64[Array, "samples"]) -> Float64[Array, ""]:
    """Which part of a sum all but its largest thousandth make."""
    largest, _ = jax.lax.top_k(squares, len(squares) // 1000)
    return 1 - jnp.sum(largest) / jnp.sum(squares)
