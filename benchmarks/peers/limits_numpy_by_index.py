"""The limits of `benchmarks/infinite_against_numpy.py` as the formulas stand, a Python loop for each of their indices.

- RNN: over pairs of inputs and pairs of times (t, s).
- Transformer: over pairs of inputs and, where a nonlinearity acts entry by entry, pairs of tokens; matrix products by
  NumPy.
- BatchNorm and relu: over pairs of nodes (s, t) of Laplace's integrals; matrices of a batch by NumPy.

What depends on one input alone is calculated once for it. The arrays within a pair at once: `limits_numpy.py`.
"""

import math

import limits_numpy as whole
import numpy as np
from limits_numpy import LOG_NODES, STEP, centred, relu_table, rnn_variances, transformer_layers
from worker import serve


def prepare(inputs, settings):
    """The kernels of all pairs of `x1` and `x2`."""
    x1, x2, hyper = inputs["x1"], inputs["x2"], settings["hyper"]
    if settings["network"] == "batchnorm_mlp":
        return lambda: batchnorm_mlp(x1, x2, **hyper)
    pair, own = {"rnn": (rnn, rnn_variances), "transformer": (transformer, transformer_layers)}[settings["network"]]

    def calculate():
        own1, own2 = ([own(x, **hyper) for x in xs] for xs in (x1, x2))
        nngp, ntk = np.empty((2, len(x1), len(x2)))
        for i in range(len(x1)):
            for j in range(len(x2)):
                nngp[i, j], ntk[i, j] = pair(x1[i], x2[j], own1[i], own2[j], **hyper)
        return {"nngp": nngp, "ntk": ntk}

    return calculate


def erf_erf(k11, k12, k22):
    """E[erf x erf y], E[erf′x erf′y] of two numbers."""
    product = (1 + 2 * k11) * (1 + 2 * k22)
    return 2 / math.pi * math.asin(2 * k12 / math.sqrt(product)), 4 / math.pi / math.sqrt(product - 4 * k12**2)


def relu_relu(k11, k12, k22):
    """E[relu x relu y], E[relu′x relu′y] of two numbers."""
    size = math.sqrt(k11 * k22)
    cosine = min(max(k12 / size, -1.0), 1.0)
    angle = math.acos(cosine)
    return size * (math.sqrt(1 - cosine**2) + (math.pi - angle) * cosine) / (2 * math.pi), (math.pi - angle) / (
        2 * math.pi
    )


def rnn(x, y, variances_x, variances_y, sigma_w, sigma_u, sigma_b, sigma_v):
    """NNGP and NTK of two sequences."""
    given = sigma_u**2 * (x @ y.T) / x.shape[1] + sigma_b**2
    k, theta = np.zeros((2, len(x) + 1, len(y) + 1))  # of the states; row and column 0 are before the first step
    for t in range(len(x)):
        for s in range(len(y)):
            h = given[t, s] + sigma_w**2 * k[t, s]
            state, slope = erf_erf(variances_x[t], h, variances_y[s])
            k[t + 1, s + 1], theta[t + 1, s + 1] = state, slope * (h + sigma_w**2 * theta[t, s])
    return sigma_v**2 * k[1:, 1:].mean(), sigma_v**2 * (k + theta)[1:, 1:].mean()


def transformer(x, y, layers_x, layers_y, depth, sigma_u, sigma_w, sigma_v, temperature):
    """NNGP and NTK of two sequences of tokens."""
    k, theta = x @ y.T / x.shape[1], np.zeros((len(x), len(y)))
    for (mix, first, inner, second), (mix_y, first_y, inner_y, second_y) in zip(layers_x, layers_y, strict=True):
        k, theta = sigma_u**2 * k, sigma_u**2 * (k + theta)
        k, theta = mix @ k @ mix_y.T, mix @ theta @ mix_y.T
        for t in range(len(x)):
            for s in range(len(y)):
                size = math.sqrt(first[t] * first_y[s])
                z, z_theta = k[t, s] / size, theta[t, s] / size
                g, g_theta = sigma_w**2 * z, sigma_w**2 * (z + z_theta)
                value, slope = relu_relu(inner[t], g, inner_y[s])
                size = math.sqrt(second[t] * second_y[s])
                k[t, s] = (sigma_w**2 * value + z) / size
                theta[t, s] = (sigma_w**2 * (value + slope * g_theta) + z_theta) / size
    return sigma_v**2 * k.mean(), sigma_v**2 * (k + theta).mean()


def batchnorm_mlp(x1, x2, depth, sigma_w, sigma_v):
    """NNGP and NTK between the rows of two batches."""
    k11, k12, k22 = (sigma_w**2 * (a @ b.T) / a.shape[1] for a, b in ((x1, x1), (x1, x2), (x2, x2)))
    theta = k12
    for layer in range(depth):
        k12, theta = batchnorm_relu(k11, k12, k22, theta)
        k11, k22 = whole.batchnorm_relu_within(k11), whole.batchnorm_relu_within(k22)
        if layer < depth - 1:
            k11, k22 = sigma_w**2 * k11, sigma_w**2 * k22
            k12, theta = sigma_w**2 * k12, sigma_w**2 * (k12 + theta)
    return {"nngp": sigma_v**2 * k12, "ntk": sigma_v**2 * (k12 + theta)}


def batchnorm_relu(k11, k12, k22, theta):
    """E[φφ̄ᵀ] and E[J Θ J̄ᵀ] across two batches, node by node of two integrals."""
    b1, b2 = k12.shape
    c11, c22 = centred(k11), centred(k22)
    scale1, scale2 = np.trace(c11), np.trace(c22)
    c12, m = (centred(k) / np.sqrt(scale1 * scale2) for k in (k12, theta))
    c = np.block([[c11 / scale1, c12], [c12.T, c22 / scale2]])
    value, tangent = np.zeros((2, b1, b2))
    for s in np.exp(LOG_NODES):
        for t in np.exp(LOG_NODES):
            tilt = np.eye(b1 + b2) + 2 * np.repeat([s, t], [b1, b2])[:, None] * c
            sigma = c @ np.linalg.inv(tilt)
            weight = STEP**2 * math.sqrt(s * t / np.linalg.det(tilt))
            uu, uv, vv = sigma[:b1, :b1], sigma[:b1, b1:], sigma[b1:, b1:]
            relu, both, edge1, edge2 = relu_table(np.diagonal(uu), uv, np.diagonal(vv))
            left, right = np.eye(b1) - 2 * s * uu, np.eye(b2) - 2 * t * vv
            value += weight * relu
            tangent += weight * (
                both * (left @ m @ right + 4 * s * t * (uv @ m.T @ uv))
                + 4 * s * t * np.sum(m * uv) * relu
                - 2 * t * np.sum((left @ m) * uv, axis=1)[:, None] * edge1
                - 2 * s * np.sum(uv * (m @ right), axis=0)[None, :] * edge2
            )
    front = np.sqrt(b1 * b2) / np.pi
    return front * value, front * tangent


if __name__ == "__main__":
    serve(prepare)
