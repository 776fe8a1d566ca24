"""The limits of `benchmarks/infinite_against_numpy.py` by the formulas taken literally, a Python loop for each index.

- RNN: over pairs of inputs and pairs of times (t, s).
- Transformer: over pairs of inputs and, where a nonlinearity acts entry by entry, pairs of tokens; matrix products by
  NumPy.
- BatchNorm and relu: over pairs of nodes (s, t) of Laplace's integrals; matrices of a batch by NumPy.

What depends on one input alone is computed once for each input. `limits_numpy.py` computes with the whole arrays of a
pair.
"""

import math

import numpy as np
from limits_numpy import LOG_NODES, STEP, normalised, prepared, relu_table
from worker import serve


def prepare(inputs, settings):
    """The kernels of all pairs of `x1` and `x2`."""
    return prepared(inputs, settings, {"rnn": rnn, "transformer": transformer}, batchnorm_relu)


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


def batchnorm_relu(k11, k12, k22, theta):
    """E[φφ̄ᵀ] and E[J Θ J̄ᵀ] across two batches, node by node of two integrals."""
    b1, b2 = k12.shape
    c, m = normalised(k11, k12, k22, theta)
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
