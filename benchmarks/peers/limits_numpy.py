"""The limits of `benchmarks/infinite_against_numpy.py` in plain NumPy, one pair of inputs after the other.

It follows the formulas of Tensor Programs II, appendix on kernels of architectures, in the way of its reference code: a
Python loop over pairs of inputs, and NumPy operations on whole arrays within a pair. What depends on one input alone
(variances, attention) is computed once for each input and not for each pair.

- RNN: over time t, the whole row of all times s at once, since (t, s) needs (t − 1, s − 1) alone.
- Transformer: matrices of tokens × tokens.
- BatchNorm and relu: Laplace's integrals for the two norms (`ntkviz/gaussian/batchnorm.py` has the formulas), by the
  trapezoid rule in log s and log t, the tilted covariances of all t at once.

Parametrization "ntk"; hyper-parameters as in the calls there.
"""

import numpy as np
from worker import serve


def prepare(inputs, settings):
    """The kernels of all pairs of `x1` and `x2`."""
    return prepared(inputs, settings, {"rnn": rnn, "transformer": transformer}, batchnorm_relu)


def prepared(inputs, settings, pairs, across_batches):
    """As `prepare`, with given functions for one pair: `pairs` by network, and `across_batches` for two batches."""
    network, hyper = settings["network"], settings["hyper"]
    x1, x2 = inputs["x1"], inputs["x2"]

    def calculate():
        if network == "batchnorm_mlp":
            return batchnorm_mlp(x1, x2, across_batches, **hyper)
        own = {"rnn": rnn_variances, "transformer": transformer_layers}[network]
        own1, own2 = ([own(x, **hyper) for x in xs] for xs in (x1, x2))
        kernels = np.array(
            [
                [pairs[network](a, b, of_a, of_b, **hyper) for b, of_b in zip(x2, own2, strict=True)]
                for a, of_a in zip(x1, own1, strict=True)
            ]
        )
        return {"nngp": kernels[..., 0], "ntk": kernels[..., 1]}

    return calculate


# --- erf, relu ----------------------------------------------------------------------------------------


def erf_erf(k11, k12, k22):
    """E[erf x erf y], E[erf′x erf′y]."""
    product = (1 + 2 * k11) * (1 + 2 * k22)
    return 2 / np.pi * np.arcsin(2 * k12 / np.sqrt(product)), 4 / np.pi / np.sqrt(product - 4 * k12**2)


def relu_relu(k11, k12, k22):
    """E[relu x relu y], E[relu′x relu′y]."""
    size = np.sqrt(k11 * k22)
    cosine = np.clip(k12 / size, -1, 1)
    angle = np.arccos(cosine)
    return size * (np.sqrt(1 - cosine**2) + (np.pi - angle) * cosine) / (2 * np.pi), (np.pi - angle) / (2 * np.pi)


# --- RNN: hᵗ = Uξᵗ + W erf(hᵗ⁻¹) + b, averaged over time ---------------------------------------------


def rnn_variances(x, sigma_w, sigma_u, sigma_b, sigma_v):
    """Var hᵗ."""
    given = sigma_u**2 * np.sum(x * x, axis=1) / x.shape[1] + sigma_b**2
    variances = np.empty(len(x))
    state = 0.0
    for t in range(len(x)):
        variances[t] = given[t] + sigma_w**2 * state
        state = erf_erf(variances[t], variances[t], variances[t])[0]
    return variances


def rnn(x, y, variances_x, variances_y, sigma_w, sigma_u, sigma_b, sigma_v):
    """NNGP and NTK of two sequences."""
    given = sigma_u**2 * (x @ y.T) / x.shape[1] + sigma_b**2
    k, theta = np.zeros((2, len(y)))  # of the states s^{t−1} with all s̄^{s−1}
    nngp = ntk = 0.0
    for t in range(len(x)):
        h = given[t] + sigma_w**2 * k
        h_theta = h + sigma_w**2 * theta
        state, slope = erf_erf(variances_x[t], h, variances_y)
        state_theta = slope * h_theta
        nngp += state.sum()
        ntk += state_theta.sum()
        k[1:], theta[1:] = state[:-1], state_theta[:-1]
    count = len(x) * len(y)
    return sigma_v**2 * nngp / count, sigma_v**2 * (nngp + ntk) / count


# --- Transformer: k = Ux; y = k + softmax(kk/temperature)k; z = LN y; x = LN(W² relu(W¹z) + z) ---------


def transformer_layers(x, depth, sigma_u, sigma_w, sigma_v, temperature):
    """For each layer: I + attention, and the variances that the two LNs divide by and relu reads."""
    layers = []
    k = x @ x.T / x.shape[1]
    for _ in range(depth):
        k = sigma_u**2 * k
        scores = np.exp((k - k.max(axis=1, keepdims=True)) / temperature)
        mix = np.eye(len(k)) + scores / scores.sum(axis=1, keepdims=True)
        k = mix @ k @ mix.T
        first = np.diagonal(k).copy()
        k = k / np.sqrt(np.outer(first, first))
        inner = sigma_w**2 * np.diagonal(k).copy()
        k = sigma_w**2 * relu_relu(inner[:, None], sigma_w**2 * k, inner[None, :])[0] + k
        second = np.diagonal(k).copy()
        k = k / np.sqrt(np.outer(second, second))
        layers.append((mix, first, inner, second))
    return layers


def transformer(x, y, layers_x, layers_y, depth, sigma_u, sigma_w, sigma_v, temperature):
    """NNGP and NTK of two sequences of tokens."""
    k, theta = x @ y.T / x.shape[1], 0.0
    for (mix, first, inner, second), (mix_y, first_y, inner_y, second_y) in zip(layers_x, layers_y, strict=True):
        k, theta = sigma_u**2 * k, sigma_u**2 * (k + theta)
        k, theta = mix @ k @ mix_y.T, mix @ theta @ mix_y.T
        size = np.sqrt(np.outer(first, first_y))
        z, z_theta = k / size, theta / size
        g, g_theta = sigma_w**2 * z, sigma_w**2 * (z + z_theta)
        k, slope = relu_relu(inner[:, None], g, inner_y[None, :])
        k, theta = sigma_w**2 * k + z, sigma_w**2 * (k + slope * g_theta) + z_theta
        size = np.sqrt(np.outer(second, second_y))
        k, theta = k / size, theta / size
    return sigma_v**2 * k.mean(), sigma_v**2 * (k + theta).mean()


# --- BatchNorm and relu ---------------------------------------------------------------------------------

STEP = 0.5
LOG_NODES = np.arange(-36, 16, STEP)
"""Values to 1e-7, where the covariances of the preactivations have trace 1."""


def batchnorm_mlp(x1, x2, across_batches, depth, sigma_w, sigma_v):
    """NNGP and NTK between the rows of two batches."""
    k11, k12, k22 = (sigma_w**2 * (a @ b.T) / a.shape[1] for a, b in ((x1, x1), (x1, x2), (x2, x2)))
    theta = k12
    for layer in range(depth):
        k12, theta = across_batches(k11, k12, k22, theta)
        k11, k22 = batchnorm_relu_within(k11), batchnorm_relu_within(k22)
        if layer < depth - 1:
            k11, k22 = sigma_w**2 * k11, sigma_w**2 * k22
            k12, theta = sigma_w**2 * k12, sigma_w**2 * (k12 + theta)
    return {"nngp": sigma_v**2 * k12, "ntk": sigma_v**2 * (k12 + theta)}


def centred(k):
    """GkG."""
    k = k - k.mean(axis=0)
    return k - k.mean(axis=1, keepdims=True)


def relu_table(variances1, cross, variances2):
    """The expectations of relu · relu, step · step, delta · relu and relu · delta, for all pairs."""
    v1, v2 = variances1[..., :, None], variances2[..., None, :]
    size = np.sqrt(v1 * v2)
    cosine = np.clip(cross / size, -1, 1)
    angle, sine = np.arccos(cosine), np.sqrt(1 - cosine**2)
    value = size * (sine + (np.pi - angle) * cosine) / (2 * np.pi)
    edge = sine / (2 * np.pi)
    return value, (np.pi - angle) / (2 * np.pi), edge * np.sqrt(v2 / v1), edge * np.sqrt(v1 / v2)


def batchnorm_relu_within(k):
    """E[φφᵀ] within a batch: one integral."""
    c, batch = centred(k), len(k)
    c = c / np.trace(c)
    s = np.exp(LOG_NODES)[:, None, None]
    tilt = np.eye(batch) + 2 * s * c
    sigma = c @ np.linalg.inv(tilt)
    variances = np.diagonal(sigma, axis1=1, axis2=2)
    value = relu_table(variances, sigma, variances)[0]
    return batch * STEP * np.sum(s * value / np.sqrt(np.linalg.det(tilt))[:, None, None], axis=0)


def normalised(k11, k12, k22, theta):
    """The covariance of both batches, and Θ, centred and with the trace of each batch 1."""
    c11, c22 = centred(k11), centred(k22)
    scale1, scale2 = np.trace(c11), np.trace(c22)
    c12, m = (centred(k) / np.sqrt(scale1 * scale2) for k in (k12, theta))
    return np.block([[c11 / scale1, c12], [c12.T, c22 / scale2]]), m


def batchnorm_relu(k11, k12, k22, theta):
    """E[φφ̄ᵀ] and E[J Θ J̄ᵀ] across two batches: two integrals, over s in a loop and over t at once."""
    b1, b2 = k12.shape
    c, m = normalised(k11, k12, k22, theta)
    value, tangent = np.zeros((2, b1, b2))
    t = np.exp(LOG_NODES)
    for s in t:
        d = np.concatenate([np.full((len(t), b1), s), np.repeat(t[:, None], b2, axis=1)], axis=1)
        tilt = np.eye(b1 + b2) + 2 * d[:, :, None] * c
        sigma = c @ np.linalg.inv(tilt)
        weight = STEP**2 * np.sqrt(s * t) / np.sqrt(np.linalg.det(tilt))
        uu, uv, vv = sigma[:, :b1, :b1], sigma[:, :b1, b1:], sigma[:, b1:, b1:]
        relu, both, edge1, edge2 = relu_table(np.diagonal(uu, axis1=1, axis2=2), uv, np.diagonal(vv, axis1=1, axis2=2))
        tt = t[:, None, None]
        left, right = np.eye(b1) - 2 * s * uu, np.eye(b2) - 2 * tt * vv
        here = (
            both * (left @ m @ right + 4 * s * tt * (uv @ m.T @ uv))
            + 4 * s * tt * np.sum(m * uv, axis=(1, 2))[:, None, None] * relu
            - 2 * tt * np.sum((left @ m) * uv, axis=2)[:, :, None] * edge1
            - 2 * s * np.sum(uv * (m @ right), axis=1)[:, None, :] * edge2
        )
        value += np.sum(weight[:, None, None] * relu, axis=0)
        tangent += np.sum(weight[:, None, None] * here, axis=0)
    front = np.sqrt(b1 * b2) / np.pi
    return front * value, front * tangent


if __name__ == "__main__":
    serve(prepare)
