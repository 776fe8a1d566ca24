"""Every reference case of `tests/oracles`, at the tolerance written there."""

import json
import math
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import erf

import ntkviz as nv

FOLDER = Path(__file__).parents[1] / "oracles"
CASES = [case for file in sorted(FOLDER.glob("*.json")) for case in json.loads(file.read_text())["cases"]]
WRITTEN_BY_USERS = {
    "leakyrelu": nv.leaky_relu,
    "sigmoid_like": nv.nonlinearity(lambda x: (1 + erf(x / 2.4020563531719796)) / 2),
    "rbf": nv.nonlinearity(lambda x: math.sqrt(2) * jnp.sin(math.sqrt(2) * x + jnp.pi / 4)),
}


def _name(case) -> str:
    return "-".join([case["arch"], *map(str, case["hyper"].values()), "x".join(map(str, np.shape(case["x1"])))])


def _relative(actual, expected) -> float:
    return float(np.max(np.abs(actual - expected)) / np.max(np.abs(expected)))


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_agrees_with_the_reference(case):
    phi = case["hyper"]["nonlinearity"]
    hyper = case["hyper"] | {"nonlinearity": WRITTEN_BY_USERS.get(phi, phi)}
    arch = getattr(nv.architectures, case["arch"])(**hyper, parametrization=case["parametrization"])
    x1, x2 = (None if case[x] is None else np.array(case[x]) for x in ("x1", "x2"))
    batches = {"": (x1, x2), "11": (x1, None), "22": (x2, None)}  # within one batch, where the case says so

    found = {
        kind + which: getattr(kernels, kind)
        for which, pair in batches.items()
        if "ntk" + which in case["expected"]
        for kernels in [nv.infinite_ntk(arch, *pair)]
        for kind in ("nngp", "ntk")
    }
    rtol = case["rtol"]
    for quantity, expected in case["expected"].items():
        tolerance = (
            rtol[quantity] if isinstance(rtol, dict) and quantity in rtol else 0.04 if isinstance(rtol, dict) else rtol
        )
        if case["arch"] == "cnn" and case["hyper"]["pooling"] == "flatten" and quantity == "ntk":
            # On the diagonal, where E[relu′relu′] is exactly 1/2, this reference takes the root of a rounding (1.5e-9).
            tolerance = max(tolerance, 1e-8)
        assert _relative(found[quantity], np.array(expected)) < tolerance, quantity
    if "reference_ntk" in case:  # the original code's own error is larger than ours
        assert _relative(found["ntk"], np.array(case["expected"]["ntk"])) < 0.01 * _relative(
            np.array(case["reference_ntk"]), np.array(case["expected"]["ntk"])
        )
