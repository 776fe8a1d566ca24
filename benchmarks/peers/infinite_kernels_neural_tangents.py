"""The NNGP and NTK of `benchmarks/infinite_kernels.py` by neural-tangents, jitted, computed once per call."""

import jax
import numpy as np
import without_tensorflow  # noqa: F401
from neural_tangents import stax
from worker import serve

HYPER = {"sigma_w": 1.5, "sigma_b": 0.1, "sigma_v": 1.2}
NONLINEARITIES = {"relu": stax.Relu, "erf": stax.Erf}


def prepare(inputs, settings):
    """The network of the same name in ntkviz: N(0, 1) parameters times σ, no bias in the readout."""
    jax.config.update("jax_enable_x64", settings.get("precision", "float64") == "float64")
    x = inputs["x"].astype(settings.get("precision", "float64"))
    _, _, kernel_fn = {"mlp": mlp, "cnn": cnn}[settings["network"]](**settings["hyper"])
    kernel_fn = jax.jit(kernel_fn, static_argnames="get")

    def calculate():
        kernels = kernel_fn(x, None, get=("nngp", "ntk"))
        return {"nngp": np.asarray(kernels.nngp), "ntk": np.asarray(kernels.ntk)}

    return calculate


def mlp(depth, nonlinearity):
    weights = {"W_std": HYPER["sigma_w"], "b_std": HYPER["sigma_b"]}
    layers = [stax.Dense(1, **weights), NONLINEARITIES[nonlinearity]()] * depth
    return stax.serial(*layers, stax.Dense(1, W_std=HYPER["sigma_v"]))


def cnn(depth, nonlinearity, pooling, filter_size=3):
    weights = {"W_std": HYPER["sigma_w"], "b_std": HYPER["sigma_b"], "padding": "SAME"}
    layers = [stax.Conv(1, (filter_size, filter_size), **weights), NONLINEARITIES[nonlinearity]()] * depth
    pool = {"average": stax.GlobalAvgPool, "flatten": stax.Flatten}[pooling]
    return stax.serial(*layers, pool(), stax.Dense(1, W_std=HYPER["sigma_v"]))


if __name__ == "__main__":
    serve(prepare)
