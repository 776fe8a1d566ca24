"""The same random parameters for every side of a comparison of finite networks."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

import ntkviz as nv
from ntkviz.networks.sampling import sample_parameters


def parameters(network: str, width: int, x: np.ndarray, hyper: dict[str, Any]) -> dict[str, np.ndarray]:
    """The parameters of an architecture of the library, in the order of its program, by the names that the sides read.

    They are sampled on the processor, wherever the sides run.
    """
    program = getattr(nv.architectures, network)(**hyper).trace((x[:1],)).unrolled()
    with jax.default_device(jax.devices("cpu")[0]):
        sampled = sample_parameters(program, width, jax.random.key(0))
    return {f"parameter_{k}": np.asarray(p) for k, p in enumerate(sampled)}
