"""How much random networks of width n differ: the constant of the 1/√n law, computed at infinite width.

A network of width n is the Z calculus on n samples (`sampled.py`): its kernel is Θ_n = T(P_n), a function of the
empirical measure P_n of independent normals, and the limit is Θ = T(P). So √n (Θ_n − Θ) tends to a Gaussian field with
the covariance of the influence function of T (the delta method; as an estimator, the infinitesimal jackknife of Jaeckel
1972 and Efron 1982),

    V = E IF(z) IF(z)ᵀ,   IF(z_α) = n ∂T/∂w_α minus its mean.

The derivatives are with respect to the weights w_α of evenly spread samples: one backward pass for each entry of the
kernel gives those for all samples. A forward pass along w = (1 + tε)/n, with normals ε, gives a draw of the field
itself, whatever the number of entries.
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
from .sampled import NEW_DIRECTION, Known, Table, VirtualNetwork, dimensions_of_kernels, sampled_kernels

Kernel = Literal["ntk", "nngp"]
SCRAMBLES = 8
LOG2_SAMPLES = 13
"""The samples for a covariance."""
LOG2_SAMPLES_OF_DRAWS, DRAWS = 12, 32
"""The samples for draws of the field, and the number of draws from each scramble."""
SHOWN = 1024
"""The number of samples whose influences are returned; the first of a scramble are spread as evenly as all of them."""
SMALL = 1e-4
"""The threshold for new directions (see `VirtualNetwork`) if they depend on sampled Moments.

Those have errors of about 1e-5, which give dependent vectors a spurious new direction.
"""
COARSER, COMPARED = {NEW_DIRECTION: SMALL, SMALL: 10 * SMALL}, 2
"""A larger threshold for each, and the number of scrambles for a comparison: the limit does not depend on it."""


class Influence(NamedTuple):
    """The result of each scramble of the samples.

    Attributes:
        kernels: T, `(scrambles, B, B)`.
        covariances: V over `pairs_of(B)`, `(scrambles, entries, entries)`; `None` if there are draws instead.
        shares: The share of the trace of V that is due to all samples but the most influential thousandth,
            `(scrambles,)`; with draws, the share of the variance of a random combination of the entries.
        draws: Draws of the limiting field, `(scrambles, draws, B, B)`; empty if there are covariances.
        influences: IF(z) for some samples z of the first scramble, over `pairs_of(B)`, `(entries, SHOWN)`; `None` if
            there are draws instead.
        coarser: The result of the first `COMPARED` scrambles when nearly dependent vectors count as dependent; `None`
            in that result.
    """

    kernels: np.ndarray
    covariances: np.ndarray | None
    shares: np.ndarray
    draws: np.ndarray
    influences: np.ndarray | None
    coarser: Influence | None


def pairs_of(size: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns of the independent entries of a symmetric matrix."""
    return np.triu_indices(size)


def influence(programs: tuple[Program, ...], kernel: Kernel, limits: Known | None, *, covariance: bool) -> Influence:
    """The influence function of a kernel between all outputs of stacks of runs.

    `limits` are those of the programs' scalars, by index, if all are known. `covariance` selects V instead of draws.
    """
    # If the check passes, gradients may use independent matrices, so that less has to be conditioned on.
    assume_gia = passes(programs[0])
    runs = [differentiated(p.structure, assume_gia) if kernel == "ntk" else _without_gradients(p) for p in programs]
    structures = [run.program for run in runs]
    known = _with_gradients_zero(programs, structures, limits, assume_gia)
    settled = all(set(_moments(s)) <= set(k) for s, k in zip(structures, known, strict=True))
    dimension = dimensions_of_kernels(runs, [len(p.data[0]) for p in programs])
    log2_samples = LOG2_SAMPLES if covariance else LOG2_SAMPLES_OF_DRAWS

    def one(scramble: int, threshold: float) -> tuple[Array, ...]:
        check_wanted()
        normals = jnp.asarray(sobol_normal(dimension, log2_samples, seed=scramble))
        options: dict[str, Any] = {"kernel": kernel, "assume_gia": assume_gia}
        if covariance:
            return _covariance(programs, known, normals, threshold, **options)
        return _draws(programs, known, normals, threshold, jax.random.key(scramble), **options)

    threshold = NEW_DIRECTION if settled else SMALL
    coarser = COARSER[threshold]
    found = [one(scramble, threshold) for scramble in range(SCRAMBLES)]
    # If all directions that count are larger, the result of a larger threshold is the same.
    compared = [f if f[-1] > coarser else one(scramble, coarser) for scramble, f in enumerate(found[:COMPARED])]
    return _collected(found, covariance)._replace(coarser=_collected(compared, covariance))


def _collected(found: list[tuple[Array, ...]], covariance: bool) -> Influence:
    """The results of several scrambles."""
    kernels, fields, shares = (np.stack([np.asarray(f[k]) for f in found]) for k in range(3))
    if not covariance:
        return Influence(kernels, None, shares, draws=fields, influences=None, coarser=None)
    return Influence(kernels, fields, shares, np.empty(0), influences=np.asarray(found[0][3]), coarser=None)


class Measured(VirtualNetwork):
    """A virtual network that measures its new directions.

    - `least`: The smallest fraction of a vector's square that counted as new.
    """

    least: Array = jnp.inf  # type: ignore[assignment]

    def is_new(self, eigenvalues: Array) -> Array:
        """Which eigenvalues exceed the threshold."""
        found = super().is_new(eigenvalues)
        self.least = jnp.minimum(self.least, jnp.min(jnp.where(found, eigenvalues, jnp.inf)))
        return found


def _moments(program: Program) -> list[int]:
    return [k for k, i in enumerate(program.instructions) if isinstance(i.op, Moment | PairMoment)]


def _with_gradients_zero(
    programs: tuple[Program, ...], structures: list[Program], limits: Known | None, assume_gia: bool
) -> Known:
    """The Moments whose limits are known; if the check passes, those of gradients are odd in the readout, hence 0."""
    known: list[dict[int, Array]] = []
    for k, (program, structure) in enumerate(zip(programs, structures, strict=True)):
        stack, moments = len(program.data[0]), _moments(structure)
        forward = {m: limits[k][m] for m in moments if m < len(program)} if limits is not None else {}
        backward = [m for m in moments if m >= len(program)] if assume_gia else []
        known.append(forward | {m: jnp.zeros((stack, *structure.instructions[m].shape)) for m in backward})
    return tuple(known)


def _without_gradients(program: Program) -> BackwardProgram:
    return BackwardProgram(program, (), len(program))


def _kernel(
    programs: tuple[Program, ...],
    known: Known,
    normals: Array,
    weights: Array,
    threshold: float | Array,
    *,
    kernel: Kernel,
    assume_gia: bool,
) -> tuple[Array, Array]:
    """T, as a function of the weights n w_α, and the size of the smallest new direction (`Measured`)."""
    if kernel == "ntk":
        runs = tuple(with_gradients(program, assume_gia) for program in programs)
    else:
        runs = tuple(map(_without_gradients, programs))
    z = Measured(Table(normals), weights, threshold)
    nngp, ntk, _ = sampled_kernels(runs, passes(programs[0]), z, known, at_once=True)
    found = ntk if kernel == "ntk" else nngp
    return (found + found.T) / 2, jnp.asarray(z.least, float)


@bounded(static_argnames=("kernel", "assume_gia"))
def _covariance(
    programs: tuple[Program, ...],
    known: Known,
    normals: Float64[Array, "dimensions samples"],
    threshold: float | Array,
    **options: Any,
) -> tuple[
    Float64[Array, "outputs outputs"],
    Float64[Array, "entries entries"],
    Float64[Array, ""],
    Float64[Array, "entries shown"],
    Float64[Array, ""],
]:
    samples = normals.shape[-1]
    kernel, pull, least = jax.vjp(
        lambda w: _kernel(programs, known, normals, w, threshold, **options), jnp.ones(samples), has_aux=True
    )
    rows, columns = pairs_of(len(kernel))
    entries = jnp.zeros((len(rows), *kernel.shape)).at[jnp.arange(len(rows)), rows, columns].set(1.0)
    influences = samples * jax.vmap(lambda entry: pull(entry)[0])(entries)
    centred = influences - influences.mean(-1, keepdims=True)
    share = _share_of_many(jnp.sum(centred**2, axis=0))
    return kernel, centred @ centred.T / samples, share, centred[:, :SHOWN], least


@bounded(static_argnames=("kernel", "assume_gia"))
def _draws(
    programs: tuple[Program, ...],
    known: Known,
    normals: Float64[Array, "dimensions samples"],
    threshold: float | Array,
    key: Array,
    **options: Any,
) -> tuple[
    Float64[Array, "outputs outputs"], Float64[Array, "draws outputs outputs"], Float64[Array, ""], Float64[Array, ""]
]:
    samples = normals.shape[-1]
    kernel, push, least = jax.linearize(
        lambda w: _kernel(programs, known, normals, w, threshold, **options), jnp.ones(samples), has_aux=True
    )

    def one(key: Array) -> Array:
        noise = jax.random.normal(key, (samples,))
        return jnp.asarray(push((noise - noise.mean()) * samples**0.5))

    of_combination, *keys = jax.random.split(key, DRAWS + 1)
    [influences] = jax.linear_transpose(push, jnp.ones(samples))(jax.random.normal(of_combination, kernel.shape))
    share = _share_of_many((influences - influences.mean()) ** 2)
    return kernel, jax.lax.map(one, jnp.stack(keys)), share, least


def _share_of_many(squares: Float64[Array, "samples"]) -> Float64[Array, ""]:
    """The share of a sum that is due to all but the largest thousandth of its terms."""
    largest, _ = jax.lax.top_k(squares, len(squares) // 1000)
    return 1 - jnp.sum(largest) / jnp.sum(squares)
