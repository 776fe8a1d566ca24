"""The infinite-width limit against independent values, and its properties.

The oracle is neural-tangents; the `"ntk4a"` parametrization, which it does not have, is checked
against the textbook recursion written out in NumPy.
"""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from jax.scipy.special import erf

import ntkviz as nv
from ntkviz.errors import HyperparameterError, InputError, NoForwardLimitError, ProgramError

mlp = nv.architectures.mlp
ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "neural_tangents.json").read_text())
CASES = [case for case in ORACLE["cases"] if case["arch"] == "mlp"]
USER_WRITTEN = {
    "leakyrelu": nv.leaky_relu,
    "sigmoid_like": nv.nonlinearity(lambda x: (1 + erf(x / 2.4020563531719796)) / 2),
    "rbf": nv.nonlinearity(lambda x: math.sqrt(2) * jnp.sin(math.sqrt(2) * x + jnp.pi / 4)),
}
CLOSED_FORM = {"relu", "erf", "sin", "abs", "leakyrelu"}


def _relative(actual, expected) -> float:
    return float(np.max(np.abs(actual - expected)) / np.max(np.abs(expected)))


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['hyper']['nonlinearity']}-{c['hyper']['depth']}")
def test_mlp_agrees_with_neural_tangents(case):
    phi = case["hyper"]["nonlinearity"]
    arch = mlp(**{**case["hyper"], "nonlinearity": USER_WRITTEN.get(phi, phi)})
    x2 = None if case["x2"] is None else np.array(case["x2"])
    kernels = nv.infinite_ntk(arch, np.array(case["x1"]), x2)
    # The oracle's own error decides where it is larger: it clips correlations near ±1.
    tolerance = max(1e-10 if phi in CLOSED_FORM else 1e-8, case["rtol"] if case["rtol"] > 1e-8 else 0)
    assert _relative(kernels.nngp, np.array(case["expected"]["nngp"])) < tolerance
    assert _relative(kernels.ntk, np.array(case["expected"]["ntk"])) < tolerance
    assert kernels.error < 1e-8


def _relu_recursion(x, depth, sw, sb, sv, preset):
    """Θ' = K' + σ_w² E[φ′φ̄′]Θ, Cho & Saul's arc-cosine kernels; ω ~ N(0, σ²) leaves σ out of a parameter's own term."""
    own_w, own_b, own_v = (sw**2, sb**2, sv**2) if preset == "ntk" else (1.0, 1.0, 1.0)
    gram = x @ x.T / x.shape[1]
    k, theta = sw**2 * gram + sb**2, own_w * gram + own_b
    for layer in range(depth):
        norms = np.sqrt(np.outer(np.diag(k), np.diag(k)))
        angle = np.arccos(np.clip(k / norms, -1, 1))
        e = norms * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
        theta = (np.pi - angle) / (2 * np.pi) * theta
        last = layer == depth - 1
        s2, own, b2, own_bias = (sv**2, own_v, 0, 0) if last else (sw**2, own_w, sb**2, own_b)
        k, theta = s2 * e + b2, s2 * theta + own * e + own_bias
    return k, theta


@pytest.mark.parametrize("preset", ["ntk", "ntk4a"])
@pytest.mark.parametrize("sigma_b", [0.0, 0.3])
def test_mlp_in_both_parametrizations_agrees_with_the_textbook_recursion(rng, preset, sigma_b):
    x = rng.normal(size=(4, 3))
    arch = mlp(depth=3, sigma_w=1.3, sigma_b=sigma_b, sigma_v=0.8, parametrization=preset)
    nngp, ntk = _relu_recursion(x, 3, 1.3, sigma_b, 0.8, preset)
    kernels = nv.infinite_ntk(arch, x)
    np.testing.assert_allclose(kernels.nngp, nngp, rtol=1e-7)  # NumPy's arccos at correlation 1 has error √ε
    np.testing.assert_allclose(kernels.ntk, ntk, rtol=1e-6)


def test_a_bias_of_zero_deviation_trains_under_ntk4a_only(rng):
    x = rng.normal(size=(4, 3))
    kernels = {p: nv.infinite_ntk(mlp(sigma_w=1.0, sigma_b=0.0, parametrization=p), x) for p in ("ntk", "ntk4a")}
    np.testing.assert_allclose(kernels["ntk"].nngp, kernels["ntk4a"].nngp, rtol=1e-14)
    assert np.all(np.diag(kernels["ntk4a"].ntk - kernels["ntk"].ntk) > 0.5)


# --- properties ------------------------------------------------------------------------------------

inputs = arrays(np.float64, (4, 3), elements=st.floats(-3, 3, width=32))
few = settings(max_examples=12, deadline=None)
architectures = st.sampled_from([mlp(), mlp(depth=3, nonlinearity="erf"), mlp(nonlinearity="relu", sigma_b=0.0)])


@few
@given(architectures, inputs)
def test_kernels_are_finite_symmetric_and_positive_semidefinite(arch, x):
    for kernel in nv.infinite_ntk(arch, x)[:2]:
        assert np.all(np.isfinite(kernel))
        scale = 1 + np.max(np.abs(kernel))
        assert np.max(np.abs(kernel - kernel.T)) < 1e-13 * scale
        assert np.linalg.eigvalsh(kernel).min() > -1e-9 * scale


@few
@given(architectures, inputs, st.permutations(range(4)))
def test_permuting_inputs_permutes_the_kernels(arch, x, order):
    for whole, permuted in zip(nv.infinite_ntk(arch, x)[:2], nv.infinite_ntk(arch, x[order])[:2], strict=True):
        np.testing.assert_allclose(permuted, whole[np.ix_(order, order)], rtol=1e-7, atol=1e-14)


@few
@given(architectures, inputs)
def test_kernels_of_two_batches_are_the_cross_block_of_their_union(arch, x):
    whole, block = nv.infinite_ntk(arch, x), nv.infinite_ntk(arch, x[:1], x[1:])
    np.testing.assert_allclose(block.nngp, whole.nngp[:1, 1:], rtol=1e-12, atol=1e-14)
    # At correlation 1 the derivative kernel of relu is an arccos: a rounding ε of its argument moves it by √ε.
    np.testing.assert_allclose(block.ntk, whole.ntk[:1, 1:], rtol=1e-7, atol=1e-14)


def test_blocks_equal_the_whole(rng, monkeypatch):
    x, y = rng.normal(size=(3, 3)), rng.normal(size=(2, 3))
    wholes = [nv.infinite_ntk(mlp(), x, y), nv.infinite_ntk(mlp(), x)]
    monkeypatch.setattr("ntkviz.kernels.infinite._block_side", lambda _: 2)
    for whole, in_blocks in zip(wholes, [nv.infinite_ntk(mlp(), x, y), nv.infinite_ntk(mlp(), x)], strict=True):
        np.testing.assert_allclose(in_blocks.nngp, whole.nngp, rtol=1e-14)
        np.testing.assert_allclose(in_blocks.ntk, whole.ntk, rtol=1e-14)


# --- nothing recompiles ------------------------------------------------------------------------------


def test_no_move_of_a_hyperparameter_compiles_anything(rng, compilations):
    x = rng.normal(size=(4, 3))
    nv.infinite_ntk(mlp(depth=2, sigma_w=1.5, sigma_b=0.1), x)
    with compilations() as count:
        for depth in range(1, 11):
            nv.infinite_ntk(mlp(depth=depth, sigma_w=1 + 0.1 * depth, sigma_b=0.05 * depth, sigma_v=2), x)
        nv.infinite_ntk(mlp(sigma_w=1, sigma_b=0), x + 1.0)
    assert count() == 0
    with compilations() as count:
        nv.infinite_ntk(mlp(nonlinearity="gelu"), x)
    assert count() > 0  # the counter does count


def test_depth_moves_the_kernel_when_nothing_recompiles(rng):
    x = rng.normal(size=(4, 3))
    for depth in (1, 2, 7):
        expected = _relu_recursion(x, depth, 1.5, 0.1, 1.0, "ntk")[1]
        np.testing.assert_allclose(nv.infinite_ntk(mlp(depth=depth), x).ntk, expected, rtol=1e-6)


# --- refusals ---------------------------------------------------------------------------------------


def test_refusals_say_what_to_do(rng):
    x = rng.normal(size=(3, 2))
    with pytest.raises(HyperparameterError, match="The method is 'exact'; it must be"):
        nv.infinite_ntk(mlp(), x, method="exact")
    with pytest.raises(InputError, match=r"Inputs of different shapes, \[\(2,\)\] and \[\(3,\)\], give mlp different"):
        nv.infinite_ntk(mlp(), x, rng.normal(size=(3, 3)))
    with pytest.raises(InputError, match="x2 contains NaN or infinity"):
        nv.infinite_ntk(mlp(), x, x * np.nan)
    with pytest.raises(HyperparameterError, match="Expected an architecture"):
        nv.infinite_ntk("mlp", x)
    with pytest.raises(HyperparameterError, match=r"standard deviation of parameter W1 is -1\.0"):
        nv.infinite_ntk(mlp(sigma_w=-1.0), x)


def test_a_jump_has_no_limit_ntk(rng):
    with pytest.raises(ProgramError, match="derivative of step is not a function"):
        nv.infinite_ntk(mlp(nonlinearity="step"), rng.normal(size=(3, 2)))


@pytest.mark.parametrize("functions", [(nv.relu, nv.step), (nv.step, nv.relu)])
def test_the_refusal_names_the_function_that_jumps(rng, functions):
    @nv.architecture
    def both(net, x):
        g, w = net.input("U", x), net.matrix("W")
        return net.readout("v", w @ functions[0](g) + w @ functions[1](g))

    with pytest.raises(NoForwardLimitError, match="derivative of step is not a function"):
        nv.infinite_ntk(both, rng.normal(size=(2, 3)), method="forward")


def test_the_forward_method_refuses_what_fails_the_check(rng):
    @nv.architecture
    def mean_readout(net, x):
        return nv.moment(nv.square(net.input("U", x)))

    with pytest.raises(NoForwardLimitError, match=r"mean readout 1ᵀx/n.*forward kernels do not give its NTK"):
        nv.infinite_ntk(mean_readout, rng.normal(size=(3, 2)), method="forward")


def test_kernels_are_float64_and_named(rng):
    kernels = nv.infinite_ntk(mlp(), rng.normal(size=(2, 3)), rng.normal(size=(3, 3)))
    assert kernels._fields == ("nngp", "ntk", "error")
    assert kernels.nngp.dtype == kernels.ntk.dtype == np.float64
    assert kernels.nngp.shape == kernels.ntk.shape == (2, 3)
    assert jax.config.jax_enable_x64
