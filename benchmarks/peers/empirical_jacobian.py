"""The empirical NTK of `benchmarks/empirical_kernels.py` by the Jacobian: `vmap(grad)`, flattened, then J Jᵀ.

The networks are written by hand, as is usual in JAX. The RNN's steps are a `lax.scan`, which `written_out` unrolls.
"""

import jax
import jax.numpy as jnp
import numpy as np
from worker import serve


def prepare(inputs, settings):
    """f(parameters, x) of one input, and its gradients as the rows of J."""
    network, width = NETWORKS[settings["network"]], settings["width"]
    options = {"written_out": True} if settings.get("written_out") else {}
    x = jnp.asarray(inputs["x"], jnp.float32)
    count = sum(name.startswith("parameter_") for name in inputs)
    parameters = tuple(jnp.asarray(inputs[f"parameter_{k}"]) for k in range(count))

    @jax.jit
    def ntk(parameters, x):
        def row(x):
            gradient = jax.grad(lambda p: network(p, x, width, **settings["hyper"], **options))(parameters)
            return jnp.concatenate([g.ravel() for g in gradient])

        jacobian = jax.vmap(row)(x)
        return jacobian @ jacobian.T

    def calculate():
        return {"ntk": np.asarray(ntk(parameters, x))}

    return calculate


def mlp(parameters, x, n, depth, nonlinearity, sigma_w, sigma_b, sigma_v):
    """Parameters: W¹, b¹, …, v."""
    phi = {"relu": jax.nn.relu, "erf": jax.scipy.special.erf}[nonlinearity]
    *layers, v = parameters
    h = x
    for k in range(depth):
        h = phi(sigma_w * layers[2 * k] @ h / h.shape[0] ** 0.5 + sigma_b * layers[2 * k + 1])
    return sigma_v * v @ h / n**0.5


def rnn(parameters, x, n, sigma_w, sigma_u, sigma_b, sigma_v, written_out=False):
    """Parameters: U, b, W, v; the states averaged over time."""
    U, b, W, v = parameters
    given = sigma_u * x @ U.T / x.shape[1] ** 0.5 + sigma_b * b

    def step(s, u):
        s = jax.scipy.special.erf(u + sigma_w * W @ s / n**0.5)
        return s, s

    _, states = jax.lax.scan(step, jnp.zeros(n, x.dtype), given, unroll=len(x) if written_out else 1)
    return sigma_v * v @ states.mean(0) / n**0.5


def transformer(parameters, x, n, depth, sigma_u, sigma_w, sigma_v, temperature):
    """Parameters: U, W1, W2 of each layer, v."""
    *layers, v = parameters
    for k in range(depth):
        U, W1, W2 = layers[3 * k : 3 * k + 3]
        k = sigma_u * x @ U.T / x.shape[1] ** 0.5
        z = layernorm(k + jax.nn.softmax(k @ k.T / n / temperature) @ k)
        g = sigma_w * z @ W1.T / n**0.5
        x = layernorm(sigma_w * jax.nn.relu(g) @ W2.T / n**0.5 + z)
    return sigma_v * v @ x.mean(0) / n**0.5


def layernorm(x):
    centred = x - x.mean(1, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, axis=1, keepdims=True))


NETWORKS = {"mlp": mlp, "rnn": rnn, "transformer": transformer}

if __name__ == "__main__":
    serve(prepare)
