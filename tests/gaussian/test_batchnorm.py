"""BatchNorm + relu against closed forms on symmetric covariances and against integrals in other variables.

Where the reference is exact enough, the reported error must cover the true one.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from selection import full

import ntkviz  # noqa: F401  (sets float64)
from ntkviz.gaussian.batchnorm import BatchNormMoments, batchnorm_relu, batchnorm_relu_single

ACCURACY = 1e-8


def centring(batch):
    return np.eye(batch) - 1 / batch


def blocks(x, y, dot=None):
    """Covariance blocks of h = W x/√d, h̄ = W y/√d, with the tangent K12 unless another is given."""
    d = x.shape[1]
    return x @ x.T / d, x @ y.T / d, y @ y.T / d, x @ y.T / d if dot is None else dot


def relative(got, want):
    return np.linalg.norm(np.asarray(got) - want) / np.linalg.norm(want)


def assert_right(got: BatchNormMoments, value, tangent):
    """Agreement to 1e-8 of the Frobenius norm and within the reported error, which is at most 1e-8 of the values."""
    assert relative(got.value, value) < ACCURACY
    assert relative(got.tangent, tangent) < ACCURACY
    deviation = max(np.abs(got.value - value).max(), np.abs(got.tangent - tangent).max())
    assert deviation <= got.error <= ACCURACY * max(np.abs(value).max(), np.abs(tangent).max())


def arc_cosine_moments(c):
    """E[relu x relu y] and P(x > 0, y > 0) for standard normal x, y of correlation c."""
    angle = np.arccos(np.clip(c, -1, 1))
    return (np.sqrt(np.clip(1 - c * c, 0, None)) + (np.pi - angle) * c) / (2 * np.pi), (np.pi - angle) / (2 * np.pi)


# --- Symmetric covariances: closed forms --------------------------------------------------------------------


@pytest.mark.parametrize("batch", [4, 8, full(64)])
def test_exchangeable_batch_is_uniform_on_a_sphere(batch):
    """K = aI + b11ᵀ: u/|u| is uniform on the sphere of R^(B−1), independent of |u|, and E|u|⁻² = 1/(a(B − 3))."""
    a, b, a_dot = 0.7, 0.3, 1.9
    k = a * np.eye(batch) + b
    g = centring(batch)
    relu, both = arc_cosine_moments(g * batch / (batch - 1))
    tangent = a_dot * batch / (a * (batch - 3)) * (both * g - relu / batch)
    assert_right(batchnorm_relu(k, k, k, a_dot * np.eye(batch) - 0.4), relu, tangent)
    value, error = batchnorm_relu_single(k)
    assert np.abs(value - relu).max() <= error < ACCURACY


def test_two_rows_are_one_and_zero():
    """B = 2: relu(BN) is (1, 0) or (0, 1), by the sign of h₁ − h₂."""
    x, y = np.array([[0.3, -1.0], [2.0, 0.5]]), np.array([[1.0, 1.0], [-0.2, 0.4]])
    d, e = x[0] - x[1], y[0] - y[1]
    _, same = arc_cosine_moments(d @ e / np.linalg.norm(d) / np.linalg.norm(e))
    got = batchnorm_relu(*blocks(x, y))
    np.testing.assert_allclose(got.value, [[same, 0.5 - same], [0.5 - same, same]], atol=1e-12)
    np.testing.assert_array_equal(got.tangent, 0)
    got = batchnorm_relu(*blocks(x, x))
    np.testing.assert_allclose(got.value, [[0.5, 0], [0, 0.5]], atol=1e-12)
    np.testing.assert_array_equal(got.tangent, 0)


# --- Small batches: integration over directions -------------------------------------------------------------


def plane_basis(batch):
    """Orthonormal columns of the space orthogonal to (1, …, 1)."""
    return np.linalg.svd(centring(batch))[0][:, : batch - 1]


def half_circle(normal, nodes=120):
    """Gauss–Legendre nodes over the angles θ with normal · (cos θ, sin θ) > 0: direction, its perpendicular, weight."""
    x, w = np.polynomial.legendre.leggauss(nodes)
    theta = np.arctan2(normal[1], normal[0]) + np.pi / 2 * x
    return (
        np.stack([np.cos(theta), np.sin(theta)], 1),
        np.stack([-np.sin(theta), np.cos(theta)], 1),
        np.pi / 2 * w,
    )


def test_two_batches_of_three_rows_in_polar_coordinates():
    """u = r ω, ū = r̄ ω̄ in two planes: the radial integrals are arc-cosine kernels, the angles Gauss–Legendre."""
    rng = np.random.default_rng(3)
    x, y, dot = rng.normal(size=(3, 6)), rng.normal(size=(3, 6)), rng.normal(size=(3, 3))
    y[:, :3] += 0.7 * x[:, :3]
    k11, k12, k22, dot = blocks(x, y, dot)
    q = plane_basis(3)
    cov = np.block([[q.T @ k11 @ q, q.T @ k12 @ q], [q.T @ k12.T @ q, q.T @ k22 @ q]])
    precision, m = np.linalg.inv(cov), q.T @ dot @ q
    value, tangent = np.zeros((3, 3)), np.zeros((3, 3))
    for i, j in itertools.product(range(3), repeat=2):
        (w1, p1, g1), (w2, p2, g2) = half_circle(q[i]), half_circle(q[j])
        a = np.einsum("nk,kl,nl->n", w1, precision[:2, :2], w1)[:, None]
        b = np.einsum("nk,kl,nl->n", w2, precision[2:, 2:], w2)[None, :]
        relu, both = arc_cosine_moments(-(w1 @ precision[:2, 2:] @ w2.T) / np.sqrt(a * b))
        # ∫∫ (r r̄)^k exp(−(a r² + b r̄² + 2c r r̄)/2) dr dr̄ is a Gaussian moment over the quadrant: k = 1 and k = 0.
        det = a * b - (w1 @ precision[:2, 2:] @ w2.T) ** 2
        weight = np.outer(g1, g2) / (2 * np.pi * np.sqrt(np.linalg.det(cov))) / np.sqrt(det)
        value[i, j] = 3 * np.sum(weight * np.outer(w1 @ q[i], w2 @ q[j]) * relu * np.sqrt(a * b) / det)
        tangent[i, j] = 3 * np.sum(weight * (p1 @ m @ p2.T) * np.outer(p1 @ q[i], p2 @ q[j]) * both)
    assert_right(batchnorm_relu(k11, k12, k22, dot), value, tangent)


def test_one_batch_of_four_rows_on_the_sphere():
    """Same batch: E over directions ω with density ∝ (ωᵀC⁻¹ω)^(−3/2), on the lune where ωᵢ > 0 and ωⱼ > 0."""
    rng = np.random.default_rng(4)
    x, dot = rng.normal(size=(4, 5)), rng.normal(size=(4, 4))
    k = x @ x.T / 5
    q = plane_basis(4)
    cov, m = q.T @ k @ q, q.T @ dot @ q
    precision = np.linalg.inv(cov)
    nodes, gauss = np.polynomial.legendre.leggauss(80)
    value, tangent = np.zeros((4, 4)), np.zeros((4, 4))
    for i, j in itertools.product(range(4), repeat=2):
        a, b = q[i] / np.linalg.norm(q[i]), q[j] / np.linalg.norm(q[j])
        other = b - (a @ b) * a if i != j else np.linalg.svd(a[None])[2][1]
        e1, e2 = a, other / np.linalg.norm(other)
        axis, beta = np.cross(e1, e2), np.arctan2(b @ e2, b @ e1)
        start, stop = max(-np.pi / 2, beta - np.pi / 2), min(np.pi / 2, beta + np.pi / 2)
        phi = (start + stop) / 2 + (stop - start) / 2 * nodes[:, None, None]
        theta = np.pi / 2 * (1 + nodes[None, :, None])
        omega = np.sin(theta) * (np.cos(phi) * e1 + np.sin(phi) * e2) + np.cos(theta) * axis
        area = np.outer(gauss, gauss) * (stop - start) / 2 * np.pi / 2 * np.sin(theta[..., 0])
        form = np.einsum("abk,kl,abl->ab", omega, precision, omega)
        norm = (2 * np.pi) ** 1.5 * np.sqrt(np.linalg.det(cov))
        density = area / norm * np.sqrt(np.pi / 2)  # ∫ r² exp(−f r²/2) dr = √(π/2) f^(−3/2), ∫ exp = √(π/2) f^(−1/2)
        slope_i, slope_j = (q[n] - omega * (omega @ q[n])[..., None] for n in (i, j))
        value[i, j] = 4 * np.sum(density * form**-1.5 * (omega @ q[i]) * (omega @ q[j]))
        tangent[i, j] = 4 * np.sum(density * form**-0.5 * np.einsum("abk,kl,abl->ab", slope_i, m, slope_j))
    assert_right(batchnorm_relu(k, k, k, dot), value, tangent)


# --- Larger and ill-conditioned batches ---------------------------------------------------------------------


def one_batch_in_extended_precision(k, dot):
    """Value and tangent within one batch from |u|⁻², |u|⁻⁴, |u|⁻⁶ as *one* integral each, with 18 digits.

    Eigenvalues by mpmath; a plain trapezoid rule in log s.
    """
    batch = k.shape[0]
    g = centring(batch).astype(np.longdouble)
    exact = mpmath.matrix((g @ k.astype(np.longdouble) @ g).astype(str).tolist())
    with mpmath.workdps(40):
        values, vectors = mpmath.eigsy((exact + exact.T) / 2)
        lam = np.array([np.longdouble(mpmath.nstr(v, 25)) for v in values])
        basis = np.array([[np.longdouble(mpmath.nstr(vectors[r, c], 25)) for c in range(batch)] for r in range(batch)])
    keep = lam > 1e-14 * lam.max()
    lam, basis, m = lam[keep], basis[:, keep], g @ dot @ g
    step, pi = np.longdouble(0.25), np.longdouble(mpmath.nstr(mpmath.pi, 25))
    low, high = -np.log(2 * lam.sum()) - 45, -np.log(2 * lam.min()) + 90 / (keep.sum() - 2)
    value, tangent = np.zeros((2, batch, batch), np.longdouble)
    for s in np.exp(np.arange(low, high, step)):
        tilted = lam / (1 + 2 * s * lam)
        cov = (basis * tilted) @ basis.T
        n = np.sqrt(np.maximum(np.diag(cov), np.longdouble(1e-300)))
        c = cov / np.outer(n, n)
        c = np.where(np.abs(c) > 1 - 1e-16, np.sign(c), c)  # equal rows: arccos would halve the digits
        angle, sine = np.arccos(c), np.sqrt(1 - c * c)
        relu, both = np.outer(n, n) * (sine + (pi - angle) * c) / (2 * pi), (pi - angle) / (2 * pi)
        edge = sine / (2 * pi) * n[:, None] / n[None, :]  # E[relu(u_i) δ(u_j)]
        cm, mc, cmc = cov @ m, m @ cov, cov @ m @ cov
        first = cm * both + edge * np.diag(mc)[None, :]
        second = mc * both + edge.T * np.diag(mc)[:, None]
        third = np.sum(m * cov) * relu + both * (cmc + cmc.T)
        third = third + edge.T * np.diag(cmc)[:, None] + edge * np.diag(cmc)[None, :]
        weight = batch * step * s * np.exp(-np.log1p(2 * s * lam).sum() / 2)
        value += weight * relu
        tangent += weight * (m * both - s * (first + second) + s * s / 2 * third)
    return value.astype(float), tangent.astype(float)


def ill_conditioned(batch, kind):
    x = np.random.default_rng(batch).normal(size=(batch, 12))
    if kind == "equal rows":
        x[1] = x[0]
    if kind == "outlier":
        x[2] *= 1e3
    if kind == "both":
        x[1], x[2] = x[0], 1e3 * x[2]
    return x


@pytest.mark.parametrize("kind", ["generic", "equal rows", "outlier", "both"])
def test_one_batch_against_one_integral(kind):
    x = ill_conditioned(8, kind)
    k11, k12, k22, dot = blocks(x, x)
    value, tangent = one_batch_in_extended_precision(k11, dot)
    assert_right(batchnorm_relu(k11, k12, k22, dot), value, tangent)
    single, error = batchnorm_relu_single(k11)
    assert np.abs(single - value).max() <= error < ACCURACY


def two_batches_by_brute_force(k11, k12, k22):
    """The value by a plain product rule in (log s, log t), with an inverse at each node."""
    q1, q2 = plane_basis(k11.shape[0]), plane_basis(k22.shape[0])
    cov = np.block([[q1.T @ k11 @ q1, q1.T @ k12 @ q2], [q2.T @ k12.T @ q1, q2.T @ k22 @ q2]])
    precision, (r1, r2) = np.linalg.inv(cov), (q1.shape[1], q2.shape[1])

    def nodes(k):
        lam = np.linalg.eigvalsh(k)
        return np.exp(np.arange(-np.log(lam.sum()) - 50, -np.log(lam.min()) + 48 / lam.size, 0.35))

    t = nodes(cov[r1:, r1:])
    value = 0
    for s in nodes(cov[:r1, :r1]):
        diagonal = np.concatenate([np.full((t.size, r1), 2 * s), np.repeat(2 * t[:, None], r2, 1)], 1)
        tilted = np.linalg.inv(precision + diagonal[:, :, None] * np.eye(r1 + r2))
        uu = np.einsum("ik,nkl,il->ni", q1, tilted[:, :r1, :r1], q1)
        vv = np.einsum("jk,nkl,jl->nj", q2, tilted[:, r1:, r1:], q2)
        norm = np.sqrt(uu[:, :, None] * vv[:, None, :])
        relu, _ = arc_cosine_moments((q1 @ tilted[:, :r1, r1:] @ q2.T) / norm)
        density = np.sqrt(np.linalg.det(tilted) / np.linalg.det(cov) * s * t) * 0.35**2
        value = value + np.einsum("n,nij->ij", density, norm * relu)
    return np.sqrt(k11.shape[0] * k22.shape[0]) / np.pi * value


@pytest.mark.parametrize("outlier", [1.0, 1e3])
def test_two_batches_against_brute_force_and_price(outlier):
    """The value against the product rule; the tangent against a difference quotient of values, Price's theorem."""
    rng = np.random.default_rng(5)
    x, y, dot = rng.normal(size=(5, 12)), rng.normal(size=(4, 12)), rng.normal(size=(5, 4))
    x[1] *= outlier
    y += 0.5 * x[[0, 2, 3, 4]]
    k11, k12, k22, dot = blocks(x, y, dot)
    got = batchnorm_relu(k11, k12, k22, dot)

    def value(step):
        return np.asarray(batchnorm_relu(k11, k12 + step * dot, k22, dot).value)

    def slope(h):
        return (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)

    assert relative(got.value, two_batches_by_brute_force(k11, k12, k22)) < ACCURACY
    assert relative(got.tangent, slope(2e-3)) < 3e-8  # the quotient is good to 1e-8 itself


def test_tangent_against_sampled_jacobians():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(5, 6)), rng.normal(size=(4, 6))
    w = rng.normal(size=(100_000, 6)) / np.sqrt(6)

    def jacobians(h):
        def layer(h):
            u = h - h.mean()
            return jax.nn.relu(u / jnp.sqrt(jnp.mean(u**2)))

        return np.asarray(jax.jit(jax.vmap(jax.jacobian(layer)))(jnp.asarray(h)))

    *covariances, dot = blocks(x, y)
    samples = np.einsum("nik,kl,njl->nij", jacobians(w @ x.T), dot, jacobians(w @ y.T), optimize=True)
    standard_error = samples.std(0) / np.sqrt(len(w))
    tangent = batchnorm_relu(*covariances, dot).tangent
    assert np.all(np.abs(samples.mean(0) - tangent) < 4 * standard_error)  # 20 entries: one beyond 3σ is not unusual
    assert np.mean(((samples.mean(0) - tangent) / standard_error) ** 2) < 2


# --- Structure ----------------------------------------------------------------------------------------------


def test_cross_batch_tends_to_the_same_batch():
    x = np.random.default_rng(7).normal(size=(5, 9))
    y = np.random.default_rng(8).normal(size=(5, 9))
    at_zero = batchnorm_relu(*blocks(x, x))
    gaps = [1e-2, 1e-4]
    found = [relative(batchnorm_relu(*blocks(x, x + gap * y)).tangent, at_zero.tangent) for gap in gaps]
    assert all(gap / 10 < f < 3 * gap for gap, f in zip(gaps, found, strict=True))


def test_too_few_directions_give_an_infinite_tangent_and_a_right_value():
    rng = np.random.default_rng(9)
    plane = rng.normal(size=(5, 2))
    got = batchnorm_relu(*blocks(plane, plane))
    assert np.all(np.isinf(got.tangent))
    value, _ = batchnorm_relu_single(plane @ plane.T / 2)
    np.testing.assert_allclose(got.value, value, atol=1e-10)
    assert np.isfinite(got.error)
    assert np.all(np.isfinite(batchnorm_relu(*blocks(plane, plane, np.zeros((5, 5)))).tangent))


def test_points_on_a_line_and_equal_points():
    line = np.array([[-1.0], [0.5], [0.5], [3.0], [0.7]])
    got = batchnorm_relu(*blocks(line, line))
    bn = (line[:, 0] - line.mean()) / line.std()
    want = (np.outer(np.maximum(bn, 0), np.maximum(bn, 0)) + np.outer(np.maximum(-bn, 0), np.maximum(-bn, 0))) / 2
    np.testing.assert_allclose(got.value, want, atol=1e-10)
    np.testing.assert_array_equal(got.tangent, 0)
    got = batchnorm_relu(*blocks(np.ones((5, 1)), line))
    assert np.all(got.value == 0)
    assert np.all(got.tangent == 0)
    assert got.error < ACCURACY
    assert np.all(batchnorm_relu_single(np.full((5, 5), 0.1))[0] == 0)


def test_symmetries():
    """Swapping the batches transposes, permuting rows permutes, and BN forgets means and scales."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(5, 12)), rng.normal(size=(4, 12))
    k11, k12, k22, dot = blocks(x, y)
    got = batchnorm_relu(k11, k12, k22, dot)
    swapped = batchnorm_relu(k22, k12.T, k11, dot.T)
    np.testing.assert_allclose(swapped.tangent.T, got.tangent, atol=1e-10)
    order = [3, 1, 4, 0, 2]
    permuted = batchnorm_relu(k11[order][:, order], k12[order], k22, dot[order])
    np.testing.assert_allclose(permuted.tangent, got.tangent[np.array(order)], atol=1e-10)
    moved = batchnorm_relu(*blocks(1e4 * (x + 3.0), 1e-3 * y - 1.0))
    np.testing.assert_allclose(moved.value, got.value, atol=1e-9)
    np.testing.assert_allclose(moved.tangent, got.tangent, atol=1e-9)


def test_two_planes_that_meet_in_a_line_in_either_order():
    """The norm of the first batch shrinks the shared direction of the second beside its other, but never away."""
    rng = np.random.default_rng(10)
    x, y = rng.normal(size=(3, 2)) @ np.eye(3)[:2], rng.normal(size=(3, 2)) @ np.eye(3)[1:]
    k11, k12, k22, dot = blocks(x, y)
    one, other = batchnorm_relu(k11, k12, k22, dot), batchnorm_relu(k22, k12.T, k11, dot.T)
    np.testing.assert_allclose(one.value, other.value.T, atol=1e-10)
    np.testing.assert_allclose(one.tangent, other.tangent.T, atol=1e-10)


# --- The paper's own code -----------------------------------------------------------------------------------

NTK4A = json.loads((Path(__file__).parent / "batchnorm_ntk4a.json").read_text())["cases"]


def batchnorm_mlp(x, y, depth):
    """NNGP and NTK across two batches by hand: tangent ↦ tangent + K at each trained matrix, then BatchNorm + relu."""
    k11, k12, k22, dot = blocks(x, y)
    for _ in range(depth):
        moments = batchnorm_relu(k11, k12, k22, dot)
        k11, k22 = batchnorm_relu_single(k11)[0], batchnorm_relu_single(k22)[0]
        k12, dot = moments.value, moments.tangent + moments.value
        if x is y:
            k12 = k22 = k11  # one batch: one block, to the last digit
    return k12, dot


@pytest.mark.parametrize("case", NTK4A, ids=lambda case: f"depth {case['hyper']['depth']}")
def test_reference_values_of_the_paper(case):
    x1, x2 = np.array(case["x1"]), np.array(case["x2"])
    depth, expected, rtol = case["hyper"]["depth"], case["expected"], case["rtol"]
    pairs = {"": (x1, x2), "11": (x1, x1), "22": (x2, x2)}
    for suffix, (a, b) in pairs.items():
        nngp, ntk = batchnorm_mlp(a, b, depth)
        for name, kernel in (("nngp", nngp), ("ntk", ntk)):
            if name + suffix in expected:
                tolerance = rtol[name + ("11" if suffix else "")]
                assert relative(kernel, np.array(expected[name + suffix])) < tolerance, name + suffix
