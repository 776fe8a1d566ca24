"""The empirical NTK of `benchmarks/empirical_kernels.py` by neural-tangents, by one of its implementations."""

import jax
import jax.numpy as jnp
import numpy as np
import without_tensorflow  # noqa: F401
from neural_tangents import NtkImplementation, empirical_ntk_fn, stax
from worker import serve


def prepare(inputs, settings):
    """An MLP with the parameters of the inputs: W¹, b¹, …, v."""
    hyper = settings["hyper"]
    phi = {"relu": stax.Relu, "erf": stax.Erf}[hyper["nonlinearity"]]
    dense = stax.Dense(settings["width"], W_std=hyper["sigma_w"], b_std=hyper["sigma_b"])
    _, apply, _ = stax.serial(*[dense, phi()] * hyper["depth"], stax.Dense(1, W_std=hyper["sigma_v"]))
    x = jnp.asarray(inputs["x"], jnp.float32)
    values = [jnp.asarray(inputs[f"parameter_{k}"]) for k in range(2 * hyper["depth"] + 1)]
    layers = [(values[2 * k].T, values[2 * k + 1][None]) for k in range(hyper["depth"])]
    parameters = [part for layer in layers for part in (layer, ())] + [(values[-1][:, None], None)]
    implementation = NtkImplementation[settings["implementation"]]
    kernel = jax.jit(empirical_ntk_fn(apply, implementation=implementation, vmap_axes=settings["vmap_axes"]))

    def calculate():
        return {"ntk": np.asarray(kernel(x, None, parameters))}

    return calculate


if __name__ == "__main__":
    serve(prepare)
