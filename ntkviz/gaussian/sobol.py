"""Standard normal points for expectations over many Gaussians: scrambled Sobol nets (Owen 1998).

With random scrambling, averages are unbiased, and their error falls almost like 1/points for smooth functions;
independent scramblings estimate it.
"""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float64


@functools.lru_cache(maxsize=64)
def sobol_normal(dimension: int, log2_points: int, seed: int) -> Float64[np.ndarray, "dimensions points"]:
    """2**log2_points standard normal points, (dimension, points): a scrambled Sobol net through Φ⁻¹."""
    from scipy.special import ndtri  # takes a second to import, and only sampling needs it
    from scipy.stats import qmc

    uniform = qmc.Sobol(dimension, scramble=True, bits=53, rng=np.random.default_rng(seed)).random_base2(log2_points)
    points: np.ndarray = ndtri(uniform + 2.0**-54).T.copy()  # the middle of each cell: 0 would be mapped to −∞
    points.setflags(write=False)  # cached, hence shared
    return points


def replicates(
    dimension: int, log2_points: int, seed: int, count: int
) -> Float64[np.ndarray, "replicates dimensions points"]:
    """`count` independently scrambled copies of `sobol_normal`: (count, dimension, points)."""
    seeds = np.random.SeedSequence(seed).generate_state(count, np.uint64)
    return np.stack([sobol_normal(dimension, log2_points, int(s)) for s in seeds])
