"""The guide for users of neural-tangents: its layers are those of ordinary models, its products those with the NTK."""

import re
import warnings

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import full

import ntkviz as nv

NORMAL = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
OPTIONS = {"use_bias": False, "kernel_init": NORMAL}


def example(root, word):
    """The names that the guide's example with a certain word defines."""
    text = (root / "docs/guides/from_neural_tangents.md").read_text()
    (code,) = (c for c in re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE) if word in c)
    names = {"nv": nv, "np": np, "jax": jax, "print": lambda *_: None}
    code = code.split("for arch, data in")[0]  # what is printed is computed by another test
    exec(compile(code, "from_neural_tangents.md", "exec"), names)
    return names


class Circular(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(self.n, (3,), padding="CIRCULAR", **OPTIONS)(x))
        x = nn.relu(nn.Conv(self.n, (3,), padding="CIRCULAR", strides=(2,), **OPTIONS)(x))
        return nn.Dense(1, **OPTIONS)(x.mean(1))


def local_and_transposed(n):
    """Filters with weights of their own at each position, and JAX's transposed convolution."""

    def init(key, x):
        keys, time = jax.random.split(key, 4), x.shape[1] - 1
        shapes = {
            "U": ((x.shape[2], n), x.shape[2]),
            "W": ((time, 2, n, n), 2 * n),
            "V": ((2, n, n), 2 * n),
            "v": ((n, time - 1), n * (time - 1)),
        }
        draws = zip(keys, shapes.items(), strict=True)
        return {name: jax.random.normal(k, shape) / fan_in**0.5 for k, (name, (shape, fan_in)) in draws}

    def apply(p, x):
        h = jax.nn.relu(x @ p["U"])
        windows = jnp.stack([h[:, :-1], h[:, 1:]], 2)
        h = jax.nn.relu(jnp.einsum("btkn,tknm->btm", windows, p["W"]))
        h = jax.nn.relu(jax.lax.conv_transpose(h, p["V"], (2,), "VALID", dimension_numbers=("NHC", "HIO", "NHC")))
        return jnp.einsum("btn,nt->b", nn.avg_pool(h, (3,), strides=(2,)), p["v"])

    return init, apply


@pytest.mark.parametrize(
    ("name", "make"), [full(("circular", Circular)), ("local_and_transposed", local_and_transposed)]
)
def test_layers_are_those_of_ordinary_models(name, make, root):
    """In the parametrization "ntk4a" with σ = 1, the NTKs agree too."""
    names = example(root, "def around")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nv.AssumptionWarning)
        traced = nv.infinite_ntk(nv.trace(make), names["sequences"])
    found = nv.infinite_ntk(names[name], names["sequences"])
    np.testing.assert_allclose(found.nngp, traced.nngp, rtol=2e-6)
    np.testing.assert_allclose(found.ntk, traced.ntk, rtol=2e-6)


def test_masked_positions_and_dropped_units(root):
    """A masked sequence has the kernel of the shorter one, but for the positions' own part."""
    names = example(root, "def around")
    tokens, mask = names["sequences"], names["mask"]
    masked = nv.infinite_ntk(names["masked"], (tokens, mask)).ntk[0, 0]
    shorter = nv.infinite_ntk(names["masked"], (tokens[:1, :4], mask[:1, :4])).ntk[0, 0]
    assert masked == pytest.approx(shorter, rel=1e-10)


def test_products_with_the_ntk(root):
    names = example(root, "def ntk_times")
    product, v = names["ntk_times"](names["v"]), names["v"]
    expected = names["model"].model_ntk(names["x"], width=128, key=0) @ v
    np.testing.assert_allclose(product, expected, rtol=1e-5)
