"""The empirical NTK of `benchmarks/empirical_kernels.py` by ntkviz, at given parameters, computed once per call."""

import jax.numpy as jnp
import numpy as np
from worker import serve

import ntkviz as nv
from ntkviz.execution.memory_limit import bounded
from ntkviz.networks.finite import ntk_of_examples


def prepare(inputs, settings):
    """The architecture of the name in `settings`; the parameters in the order of the program."""
    arch = getattr(nv.architectures, settings["network"])(**settings["hyper"], **settings.get("options", {}))
    x = inputs["x"]
    program = arch.trace((x[:1],)).unrolled().with_data(x)
    parameters = tuple(jnp.asarray(inputs[f"parameter_{k}"]) for k in range(len(program.parameters)))
    ntk = bounded(ntk_of_examples, static_argnums=3)

    def calculate():
        return {"ntk": np.asarray(ntk(program, None, parameters, settings["width"]))}

    return calculate


if __name__ == "__main__":
    serve(prepare)
