"""Expectations of BatchNorm followed by relu, within one batch and across two.

Batch normalisation acts on the preactivations h in R^B of one neuron over a batch, with the biased variance (1/B) and
no epsilon:

    BN(h) = √B u/|u|,   u = G h,   G = I − 11ᵀ/B,   φ(h) = relu(BN(h)).

A limit kernel needs E[φ φ̄ᵀ] for jointly Gaussian h in R^B and h̄ in R^B̄, and its derivative by Price's
theorem, E[J K̇ J̄ᵀ] with J = ∂φ/∂h. Yang et al. 2019 (*A Mean Field Theory of Batch Normalization*,
arXiv:1902.08129) remove the norms with Laplace's integrals

    |u|⁻¹ = Γ(1/2)⁻¹ ∫₀^∞ s^(−1/2) exp(−s|u|²) ds,   |u|⁻³ = Γ(3/2)⁻¹ ∫₀^∞ s^(1/2) exp(−s|u|²) ds.

The exponential *tilts* the Gaussian into another Gaussian, under which the rest has a closed form. With C the
covariance of (u, ū), D = diag(s I, t I) and Σ = C(I + 2DC)⁻¹ the tilted covariance,

    E[φ φ̄ᵀ]   = √(B B̄)/π ∫∫ (st)^(−1/2) det(I + 2DC)^(−1/2) E_Σ[relu(u) relu(ū)ᵀ] ds dt,
    E[J K̇ J̄ᵀ] = √(B B̄)/π ∫∫ (st)^(−1/2) det(I + 2DC)^(−1/2) T(s, t) ds dt,

where T(s, t) is derived in `_tilted_moments`. Within one batch one variable suffices (`batchnorm_relu_single`).

**Integration.** The integrals are nested, each by the trapezoidal rule in log s, whose error falls like exp(−π²/step),
since the integrand is analytic for |arg s| < π/2. Beyond the spectrum of the covariance the integrand is a power of s,
and there the nodes spread out double-exponentially (Takahasi and Mori 1974).

**Accuracy.** No singular matrix is inverted: C = F Fᵀ is represented by its factor F, and tilting multiplies the
columns of F by numbers in (0, 1]. So singular covariances (the same batch twice, equal rows) are no special case.
Correlations of ±1 are none either, since angles are computed from differences of rows of F, not from a rounded
correlation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike
from jaxtyping import Bool, Float64, Int64

from ntkviz.gaussian.arctangent import arctan2

STEP = 1 / 3
"""The step of the trapezoidal rule in log s: exp(−π²/STEP) is about 1e-13."""
MARGIN = 2.5
"""The distance in log s from the ends of the spectrum to the points where the nodes begin to spread out."""
CUTOFF = 30.0
"""The integrals end where the integrand has fallen by exp(−CUTOFF), about 1e-13."""
ABSENT = 1e-11
"""Variances below this fraction of the largest count as rounding noise, and their directions as absent."""
ROUNDING, EPSILON = 1e-14, 2.0**-52


class BatchNormMoments(NamedTuple):
    """The cross block of a covariance and its tangent after a layer of BatchNorm and relu.

    Attributes:
        value: E[φ(h) φ(h̄)ᵀ], (B, B̄).
        tangent: Σ_kl E[∂_kφ_i(h) ∂_lφ_j(h̄)] K̇_kl, (B, B̄).
        error: An estimate of the largest absolute error of an entry of `value` and, if finite, of `tangent`; a scalar.
    """

    value: Float64[Array, "batch batch_bar"]
    tangent: Float64[Array, "batch batch_bar"]
    error: Float64[Array, ""]


@jax.jit
def batchnorm_relu(
    k11: Float64[Array, "batch batch"],
    k12: Float64[Array, "batch batch_bar"],
    k22: Float64[Array, "batch_bar batch_bar"],
    k12_dot: Float64[Array, "batch batch_bar"],
) -> BatchNormMoments:
    """Second moments of relu(BatchNorm) across two batches, and their tangent (arXiv:1902.08129; module docstring).

    `k11` (B, B), `k12` (B, B̄), `k22` (B̄, B̄) are the covariances of the two batches' preactivations, and `k12_dot`
    (B, B̄) is the tangent of `k12`. For the same batch twice, pass the same array as all three blocks.

    **Infinite tangents.** J is of size 1/|u|, so E[J K̇ J̄ᵀ] is finite only if the centred preactivations span enough
    directions: two in each batch and three in both together. One batch of three rows, taken twice, spans only two:
    E|u|⁻² diverges logarithmically, and the NTK of such a layer *is* infinite at infinite width, as is that of any
    batch of inputs in a plane. Then every entry of `tangent` is inf (the signs of single entries are not resolved),
    while `value` is still correct. With a single direction (two rows) relu(BN) is a constant pattern of 0s and 1s
    and the tangent is 0. A batch without variance is normalised to 0.

    **Nearly equal batches.** The tangent depends on the *square root* of the distance between the blocks, since relu′
    jumps: if blocks that should be equal differ by 1e-10, it is off by 1e-5.
    """
    k11, k12, k22, k12_dot = (jnp.asarray(k, dtype=float) for k in (k11, k12, k22, k12_dot))
    batch1, batch2 = k12.shape
    (c11, scale1), (c22, scale2) = _unit_trace(k11), _unit_trace(k22)  # BN is invariant under scaling
    c12, m = _centred(k12) / (scale1 * scale2), _centred(k12_dot) / (scale1 * scale2)

    variances, axes = _spectrum(jnp.block([[c11, c12], [c12.T, c22]]))
    f1, f2 = jnp.split(axes * jnp.sqrt(variances), [batch1])
    lam1, rotation1 = _column_variances(f1, ABSENT)
    f1, f2 = jnp.where(lam1 > 0, f1 @ rotation1, 0.0), f2 @ rotation1  # orthogonal columns in f1, which s scales
    spectrum1, axes1 = _spectrum(c11)
    spectrum2, axes2 = _spectrum(c22)
    rank1, rank2, rank = (jnp.sum(v > 0) for v in (spectrum1, spectrum2, variances))

    def tilted_by_first(s: Array) -> _TwoSteps:
        shrink1 = 1 / jnp.sqrt(1 + 2 * s * lam1)
        g1, g2 = f1 * shrink1, f2 * shrink1
        lam2, rotation2 = _column_variances(g2, 0.1 * ABSENT / (1 + 2 * s))
        g1, g2 = g1 @ rotation2, jnp.where(lam2 > 0, g2 @ rotation2, 0.0)

        def tilted_by_both(t: Array) -> _TwoSteps:
            shrink2 = 1 / jnp.sqrt(1 + 2 * t * lam2)
            density = jnp.prod(shrink1) * jnp.prod(shrink2) / jnp.sqrt(s * t)
            moments = density * _tilted_moments(g1 * shrink2, g2 * shrink2, m, s, t)
            return _TwoSteps(moments, moments)

        return _integrate(tilted_by_both, _log_grid(lam2, lam2, 0.5 * (rank2 - 1)), _chunk(batch1 + batch2))

    grid = _log_grid(spectrum1, variances, 0.5 * jnp.minimum(rank1 - 1, rank - 2))
    integrals = _integrate(tilted_by_first, grid, 1)
    (value, tangent), (value_error, tangent_error) = _value_and_error(integrals)
    tangent_error = tangent_error + EPSILON * _condition(variances) * jnp.max(jnp.abs(tangent))
    front = jnp.sqrt(1.0 * batch1 * batch2) / jnp.pi

    no_variance = (rank1 == 0) | (rank2 == 0)
    no_tangent = no_variance | jnp.all(m == 0) | _annihilated(spectrum1, axes1, m) | _annihilated(spectrum2, axes2, m.T)
    finite = (rank1 >= 2) & (rank2 >= 2) & (rank >= 3)
    tangent_error = jnp.where(finite & ~no_tangent, tangent_error, 0.0)
    return BatchNormMoments(
        value=jnp.where(no_variance, 0.0, front * value),
        tangent=jnp.where(no_tangent, 0.0, jnp.where(finite, front * tangent, jnp.inf)),
        error=jnp.where(no_variance, 0.0, front * jnp.maximum(value_error, tangent_error)),
    )


@jax.jit
def batchnorm_relu_single(k: Float64[Array, "batch batch"]) -> tuple[Float64[Array, "batch batch"], Float64[Array, ""]]:
    """E[φ(h) φ(h)ᵀ] within one batch, (B, B), and an estimate of its largest absolute error (arXiv:1902.08129).

    `k` (B, B) is the covariance of the batch's preactivations. Both factors share one norm, so a single integral
    suffices: B E[relu(u) relu(u)ᵀ/|u|²] = B ∫ det(I + 2sC)^(−1/2) E_Σ[relu(u) relu(u)ᵀ] ds. It equals
    `batchnorm_relu(k, k, k, ...).value`, and is always finite. A batch without variance is normalised to 0.
    """
    c, _ = _unit_trace(jnp.asarray(k, dtype=float))
    batch = c.shape[0]
    lam, axes = _spectrum(c)

    def tilted(s: Array) -> _TwoSteps:
        shrink = 1 / jnp.sqrt(1 + 2 * s * lam)
        rows = axes * (jnp.sqrt(lam) * shrink)
        moment = (jnp.prod(shrink) * _relu_moments(rows, rows).value)[None]
        return _TwoSteps(moment, moment)

    rank = jnp.sum(lam > 0)
    integrals = _integrate(tilted, _log_grid(lam, lam, 0.5 * rank), _chunk(batch))
    (value,), (error,) = _value_and_error(integrals)
    return jnp.where(rank == 0, 0.0, batch * value), batch * error


# --- Under the tilted Gaussian: closed forms ----------------------------------------------------------------


class _ReluMoments(NamedTuple):
    """For (x_i, y_j) Gaussian: E[relu x relu y], E[1(x>0) 1(y>0)], E[δ(x) relu y], E[relu x δ(y)], each (B, B̄)."""

    value: Float64[Array, "batch batch_bar"]
    both: Float64[Array, "batch batch_bar"]
    edge1: Float64[Array, "batch batch_bar"]
    edge2: Float64[Array, "batch batch_bar"]


def _relu_moments(
    rows1: Float64[Array, "batch directions"], rows2: Float64[Array, "batch_bar directions"]
) -> _ReluMoments:
    """Arc-cosine kernels (Cho and Saul 2009) of x = rows1 ξ and y = rows2 ξ, ξ ~ N(0, I).

    The angle θ between two rows is computed from |a ∓ b| of the unit rows a and b. So it has full relative accuracy
    near 0 and π, where the arccosine of the correlation would lose half the digits.
    """
    norm1, norm2 = jnp.linalg.norm(rows1, axis=1), jnp.linalg.norm(rows2, axis=1)
    unit1, unit2 = rows1 / _or_one(norm1)[:, None], rows2 / _or_one(norm2)[:, None]
    sign = jnp.where(unit1 @ unit2.T < 0, -1.0, 1.0)
    chord = jnp.sum((unit1[:, None, :] - sign[:, :, None] * unit2[None, :, :]) ** 2, axis=2) / 4
    sin_half, cos_half = jnp.sqrt(chord), jnp.sqrt(jnp.maximum(1 - chord, 0.0))
    acute = 2 * arctan2(sin_half, cos_half)
    sin, cos = 2 * sin_half * cos_half, sign * (1 - 2 * chord)
    supplement = jnp.where(sign < 0, acute, jnp.pi - acute)  # π − θ

    n1, n2 = norm1[:, None], norm2[None, :]
    edge = sin / (2 * jnp.pi)
    return _ReluMoments(
        value=n1 * n2 * (sin + supplement * cos) / (2 * jnp.pi),
        both=supplement / (2 * jnp.pi),
        edge1=edge * n2 / _or_one(n1),
        edge2=edge * n1 / _or_one(n2),
    )


def _tilted_moments(
    rows1: Float64[Array, "batch directions"],
    rows2: Float64[Array, "batch_bar directions"],
    m: Float64[Array, "batch batch_bar"],
    s: Float64[Array, ""],
    t: Float64[Array, ""],
) -> Float64[Array, "2 batch batch_bar"]:
    """The value E_Σ[relu(u) relu(v)ᵀ] and the tangent T(s, t), stacked as (2, B, B̄); u = rows1 ξ, v = rows2 ξ.

    With M = G K̇ Ḡ and J = √B diag(1(u>0)) (G − uuᵀ/|u|²)/|u|, Laplace's integrals of the four terms of J K̇ J̄ᵀ give

        T_ij = E_Σ[1ᵢ1̄ⱼ Mᵢⱼ − 2s relu(uᵢ) 1̄ⱼ (Mᵀu)ⱼ − 2t 1ᵢ (Mv)ᵢ relu(vⱼ) + 4st relu(uᵢ) relu(vⱼ) uᵀMv].

    Stein's lemma, E[w g] = Σ Cov(w, ·) E[∂g], removes the factors u and v that are outside 1(·) and relu. With
    L = I − 2sΣᵤᵤ, R = I − 2tΣᵥᵥ and ∘ the entrywise product,

        T = E[1 1̄ᵀ] ∘ (L M R + 4st Σᵤᵥ Mᵀ Σᵤᵥ) + 4st tr(MᵀΣᵤᵥ) E[relu reluᵀ]
            − 2t diag(L M Σᵥᵤ) ∘ E[δ(u) relu(v)ᵀ] − 2s E[relu(u) δ(v)ᵀ] ∘ diag(Σᵥᵤ M R).

    No term is singular at correlation ±1.
    """
    relu = _relu_moments(rows1, rows2)
    cross = rows1 @ rows2.T
    left_m = m - 2 * s * (rows1 @ (rows1.T @ m))
    m_right = m - 2 * t * ((m @ rows2) @ rows2.T)
    left_m_right = left_m - 2 * t * ((left_m @ rows2) @ rows2.T)
    diag1 = jnp.sum(left_m * cross, axis=1)[:, None]
    diag2 = jnp.sum(m_right * cross, axis=0)[None, :]
    tangent = (
        relu.both * (left_m_right + 4 * s * t * (cross @ m.T @ cross))
        + 4 * s * t * jnp.sum(m * cross) * relu.value
        - 2 * t * diag1 * relu.edge1
        - 2 * s * diag2 * relu.edge2
    )
    return jnp.stack([relu.value, tangent])


# --- Integration over (0, ∞) --------------------------------------------------------------------------------


class _TwoSteps(NamedTuple):
    """One integral by the trapezoidal rule with step h and with step 2h."""

    fine: Float64[Array, "integrals batch batch_bar"]
    coarse: Float64[Array, "integrals batch batch_bar"]


class _LogGrid(NamedTuple):
    """Nodes log s = τ + exp(τ − high) − exp(low − τ) at τ = start + STEP k, k = 0 … nodes − 1."""

    low: Float64[Array, ""]
    high: Float64[Array, ""]
    start: Float64[Array, ""]
    nodes: Int64[Array, ""]


def _log_grid(
    upper: Float64[Array, "variances"], lower: Float64[Array, "variances_bar"], decay: Float64[Array, ""]
) -> _LogGrid:
    """Nodes for an integrand that is a power of s below 1/Σ`upper` and above 1/min `lower`, given two spectra.

    Below, s × integrand rises at least like s^(1/2); above, it falls like s^(−`decay`), with `decay` at least 1/2.
    """
    smallest = jnp.min(jnp.where(lower > 0, lower, jnp.inf))
    low = -jnp.log(2 * _or_one(jnp.sum(upper))) - MARGIN
    high = -jnp.log(2 * jnp.where(jnp.isinf(smallest), 1.0, smallest)) + MARGIN
    start = low - jnp.log(2 * CUTOFF)
    stop = high + jnp.log(CUTOFF / jnp.maximum(decay, 0.5))
    return _LogGrid(low, high, start, jnp.ceil((stop - start) / STEP).astype(int) + 1)


def _integrate(integrand: Callable[[Array], _TwoSteps], grid: _LogGrid, chunk: int) -> _TwoSteps:
    """∫₀^∞ integrand(s) ds, `chunk` nodes at a time; the number of chunks is dynamic, as it depends on the spectrum."""

    def term(k: Array) -> _TwoSteps:
        tau = grid.start + STEP * jnp.minimum(k, grid.nodes - 1)  # the padding of the last chunk has weight 0
        s = jnp.exp(tau + jnp.exp(tau - grid.high) - jnp.exp(grid.low - tau))
        weight = STEP * s * (1 + jnp.exp(tau - grid.high) + jnp.exp(grid.low - tau)) * (k < grid.nodes)
        value = integrand(s)
        return _TwoSteps(weight * value.fine, 2 * weight * (k % 2 == 0) * value.coarse)

    def add_chunk(index: Array, total: _TwoSteps) -> _TwoSteps:
        terms = jax.vmap(term)(index * chunk + jnp.arange(chunk))
        return _TwoSteps(*(sums + jnp.sum(new, axis=0) for sums, new in zip(total, terms, strict=True)))

    shape = jax.eval_shape(integrand, grid.low)
    zero = _TwoSteps(*(jnp.zeros(leaf.shape, leaf.dtype) for leaf in shape))
    return _TwoSteps(*lax.fori_loop(0, -(-grid.nodes // chunk), add_chunk, zero))


def _value_and_error(
    integrals: _TwoSteps,
) -> tuple[Float64[Array, "integrals batch batch_bar"], Float64[Array, "integrals"]]:
    """The finer integrals, (k, B, B̄), and an estimate of the largest error of each of the k.

    Halving the step squares the relative error, so the error with step h is the square of the difference between the
    two; the power 3/2 leaves a margin.
    """
    size = jnp.max(jnp.abs(integrals.fine), axis=(1, 2))
    difference = jnp.max(jnp.abs(integrals.fine - integrals.coarse), axis=(1, 2))
    return integrals.fine, size * ((difference / _or_one(size)) ** 1.5 + ROUNDING)


def _chunk(rows: int) -> int:
    """The number of nodes to evaluate at once, for matrices with this number of rows."""
    return max(1, min(64, 2**13 // rows**2))


# --- Linear algebra -----------------------------------------------------------------------------------------


def _centred(k: Float64[Array, "rows columns"]) -> Float64[Array, "rows columns"]:
    """G k Ḡ."""
    k = k - jnp.mean(k, axis=0, keepdims=True)
    return k - jnp.mean(k, axis=1, keepdims=True)


def _or_one(x: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
    """x, or 1 where x = 0: a divisor for numbers that are 0 there anyway."""
    return jnp.where(x == 0, 1.0, x)


def _unit_trace(k: Float64[Array, "batch batch"]) -> tuple[Float64[Array, "batch batch"], Float64[Array, ""]]:
    """G k G scaled to trace 1, and the scale of u that was divided out; (0, 1) for a batch without variance."""
    c = _centred(k)
    trace = jnp.trace(c)
    varies = trace > ROUNDING * jnp.trace(k)
    scale = jnp.sqrt(jnp.where(varies, trace, 1.0))
    return jnp.where(varies, c / scale**2, 0.0), scale


def _spectrum(c: Float64[Array, "rows rows"]) -> tuple[Float64[Array, "rows"], Float64[Array, "rows rows"]]:
    """Eigenvalues, exactly 0 for absent directions, and eigenvectors as columns."""
    values, vectors = jnp.linalg.eigh(c)
    return jnp.where(values > ABSENT * jnp.max(values), values, 0.0), vectors


def _condition(spectrum: Float64[Array, "variances"]) -> Float64[Array, ""]:
    """The ratio of the largest variance to the smallest.

    The tangent, which is dominated by small |u|, amplifies rounding errors of the input by this factor.
    """
    smallest = jnp.min(jnp.where(spectrum > 0, spectrum, jnp.inf))
    return jnp.max(spectrum) / smallest


def _column_variances(
    factor: Float64[Array, "rows columns"], absent: ArrayLike
) -> tuple[Float64[Array, "columns"], Float64[Array, "columns columns"]]:
    """The squared lengths (m,) of the columns of `factor` (n, m) after a rotation that makes them orthogonal, and it.

    Lengths below the fraction `absent` of the largest are exactly 0. The rotation is (m, m).
    """
    _, sigma, rotation = jnp.linalg.svd(factor, full_matrices=True)
    squares = jnp.zeros(factor.shape[1]).at[: sigma.size].set(sigma**2)
    noise = jnp.maximum(absent, 1e-30) * jnp.max(squares)  # 1e-30: the square of a zero singular value after rounding
    return jnp.where(squares > noise, squares, 0.0), rotation.T


def _annihilated(
    spectrum: Float64[Array, "rows"], axes: Float64[Array, "rows rows"], m: Float64[Array, "rows columns"]
) -> Bool[Array, ""]:
    """Whether J m = 0 because u has a single direction e (or none) and m has no other: (I − eeᵀ) m = 0."""
    within = jnp.where(spectrum > 0, axes, 0.0)
    rest = m - within @ (within.T @ m)
    return jnp.logical_and(jnp.sum(spectrum > 0) <= 1, jnp.linalg.norm(rest) <= ABSENT * jnp.linalg.norm(m))
