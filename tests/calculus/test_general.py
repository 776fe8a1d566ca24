"""The general reading is correct whether or not the gradient independence assumption holds.

Three independent references: the worked example's closed form, networks of width 1024, and the forward reading.
"""

import numpy as np
import pytest
from outside_gia import biased_readout, embedding_as_readout, readout_used_twice, there_and_back
from selection import full_among, full_except

import ntkviz as nv
from ntkviz.calculus.general import sample

pytestmark = pytest.mark.wide

a = nv.architectures


# --- the worked example ----------------------------------------------------------------------------

NUMBERS = np.array([[0.7], [-0.4], [1.3], [0.0]])
PRODUCTS = NUMBERS @ NUMBERS.T
C = 1 + PRODUCTS


def test_the_worked_example_is_exact():
    """x = ωξ + 1, h = Wx/√n, y = 1ᵀ(h∘h)/n: n·NTK → 4C² + 8Cξξ̄ with C = 1 + ξξ̄."""
    kernels = nv.infinite_ntk(a.mean_readout_mlp, NUMBERS)
    np.testing.assert_allclose(kernels.ntk, 4 * C**2 + 8 * C * PRODUCTS, rtol=1e-12)
    np.testing.assert_allclose(kernels.nngp, np.outer(np.diag(C), np.diag(C)), rtol=1e-12)  # y → E h² = C(ξ, ξ)
    assert kernels.error < 1e-10
    assert kernels.ntk[0, 1] == pytest.approx(0.4608, abs=1e-12)


def test_gradient_independence_is_wrong_for_the_worked_example():
    wrong = nv.infinite_ntk(a.mean_readout_mlp, NUMBERS, assume_gia=True)
    np.testing.assert_allclose(wrong.ntk, 4 * C**2 + 4 * C * PRODUCTS, rtol=1e-12)
    assert wrong.ntk[0, 1] == pytest.approx(1.2672, abs=1e-12)


# --- networks of width 1024 ---------------------------------------------------------------------------


FAILING = {
    **{
        f"mean readout, depth {depth}, {phi}": a.mean_readout_mlp(depth=depth, nonlinearity=phi)
        for depth in (2, 3)
        for phi in ("square", "cube", "erf", "relu")
    },
    "nonzero mean": biased_readout,
    "tied to an interior vector": a.tied_readout,
    "tied to an interior vector, erf": a.tied_readout(nonlinearity="erf"),
    "tied to an embedding": embedding_as_readout,
    "used twice in the interior": readout_used_twice,
    "W and its transpose": there_and_back,
}
# The check is sufficient, not necessary. With an odd φ the term that GIA drops has the factor E φ″(h) = 0; a readout
# that enters the hidden layer only through W drops out of E[∂(v φ′(g))/∂g], too.
GIA_HAPPENS_TO_BE_RIGHT = {
    *(f"mean readout, depth {depth}, {phi}" for depth in (2, 3) for phi in ("cube", "erf")),
    "tied to an interior vector, erf",
    "tied to an embedding",
}


def simulated(arch, x, *, width=1024, seeds=32):
    """Mean and standard error of n·⟨∇f, ∇f̄⟩ over random networks."""
    samples = np.stack([np.asarray(nv.empirical_ntk(arch, x, width=width, key=k), float) for k in range(seeds)])
    return samples.mean(0), samples.std(0, ddof=1) / seeds**0.5


@pytest.fixture(scope="module")
def two_inputs():
    return np.array([[0.9, -0.3], [0.2, 1.1]])


ALWAYS = (
    *(f"mean readout, depth 2, {phi}" for phi in ("square", "cube", "relu")),
    *("nonzero mean", "tied to an interior vector", "W and its transpose"),
)


@pytest.mark.parametrize("name", full_except(FAILING, *ALWAYS))
def test_agrees_with_wide_networks_where_the_check_fails(name, two_inputs):
    arch = FAILING[name]
    assert not nv.simple_gia_check(arch, two_inputs).passes
    correct = nv.infinite_ntk(arch, two_inputs)
    wrong = nv.infinite_ntk(arch, two_inputs, assume_gia=True)
    mean, standard_error = simulated(arch, two_inputs)
    assert np.all(np.abs(mean - correct.ntk) < 3 * (standard_error + correct.error))
    if name not in GIA_HAPPENS_TO_BE_RIGHT:
        assert np.any(np.abs(mean - wrong.ntk) > 6 * (standard_error + wrong.error))


def test_w_and_its_transpose_in_the_forward_pass_agree_with_wide_networks(two_inputs):
    """The tied autoencoder passes the check, yet needs Ż: the forward reading refuses it."""
    arch = a.tied_autoencoder(sigma_w=1.3)
    assert nv.simple_gia_check(arch, two_inputs).passes
    kernels = nv.infinite_ntk(arch, two_inputs)
    mean, standard_error = simulated(arch, two_inputs)
    assert np.all(np.abs(mean - kernels.ntk) < 3 * (standard_error + kernels.error))
    held = nv.infinite_ntk(arch, two_inputs, assume_gia=True)  # Ż inside each pass stays, and the check passes
    np.testing.assert_allclose(held.ntk, kernels.ntk, atol=4 * (kernels.error + held.error))


def test_a_readout_of_several_positions_counts_its_fan_where_the_check_fails():
    """f = Σ_p ⟨v_p, relu(Ux_p)⟩/(√3 n) with E v = 1 tends to Σ_p E relu(Ux_p)/√3, and E relu(Ux) = |x|/√(2πd)."""

    @nv.architecture
    def mean_of_positions(net, x):
        return net.readout(net.vector("v", shape=(3,), fan=3, mean=1.0), nv.relu(net.input("U", x)))

    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    f = (np.linalg.norm(x, axis=-1) / (2 * np.pi * 4) ** 0.5).sum(-1) / 3**0.5
    found = nv.infinite_ntk(mean_of_positions, x)
    np.testing.assert_allclose(found.nngp, np.outer(f, f), rtol=1e-12)
    program = nv.program(mean_of_positions, x[:1]).with_data(x[:, None])
    sampled = sample(program, program, assume_gia=False)
    assert np.all(np.abs(sampled.nngp - found.nngp) < 5 * sampled.nngp_error)
    assert np.all(np.abs(sampled.ntk - found.ntk) < 5 * sampled.ntk_error)


def test_gradients_that_would_compile_for_minutes_are_sampled_instead():
    """The gradients of this block are sums of many products: over 250 expectations for one pair of inputs."""

    @nv.architecture
    def tied_block(net, x):
        k, W = net.input("U", x), net.matrix("W")
        y = k + W.T @ nv.relu(W @ (nv.softmax(nv.inner(k[:, :, None], k[:, None, :])) @ k))
        return nv.inner(k.mean(1), y.mean(1))

    held = nv.infinite_ntk(tied_block, np.random.default_rng(0).normal(size=(1, 6, 2)), assume_gia=True)
    assert 1e-6 < held.error / np.max(held.ntk) < 0.02


def test_a_random_parameter_of_a_nonlinearity_is_differentiated_too(two_inputs):
    @nv.architecture
    def slope_of_its_own(net, x):
        h = net.input("U", x)
        return nv.moment(nv.leaky_relu(net.matrix("W") @ h, nv.moment(nv.square(h))))

    kernels = nv.infinite_ntk(slope_of_its_own, two_inputs)
    mean, standard_error = simulated(slope_of_its_own, two_inputs)
    assert np.all(np.abs(mean - kernels.ntk) < 4 * (standard_error + kernels.error))


# --- the forward reading, wherever both apply -----------------------------------------------------------

rng = np.random.default_rng(0)
VECTORS, SEQUENCES = rng.standard_normal((2, 3)), rng.standard_normal((2, 3, 2))
GRAPHS = rng.standard_normal((2, 2, 2)), np.array([[[0, 1], [1, 0]]] * 2, float)
BOTH_APPLY = {
    "mlp": (a.mlp(depth=3), VECTORS),
    "mlp, erf, ntk4a": (a.mlp(depth=2, nonlinearity="erf", parametrization="ntk4a"), VECTORS),
    "resnet": (a.resnet(depth=3), VECTORS),
    "layernorm_mlp": (a.layernorm_mlp, VECTORS),
    "cnn, flattened": (a.cnn, rng.standard_normal((2, 3, 2))),
    "cnn, pooled": (a.cnn(pooling="average"), rng.standard_normal((2, 3, 2))),
    "rnn, last": (a.rnn(sigma_b=0.2), SEQUENCES),
    "rnn, average": (a.rnn(pooling="average"), SEQUENCES),
    "transformer": (a.transformer, SEQUENCES[:, :2]),
    "attention": (a.attention(tied=True), SEQUENCES[:, :2]),
    "gcn": (a.gcn, GRAPHS),
    "batchnorm_mlp": (a.batchnorm_mlp, rng.standard_normal((6, 7))),
}


SLOWEST = "batchnorm_mlp", "gcn", "transformer", "rnn, average", "cnn, flattened"


@pytest.mark.parametrize("name", full_among(BOTH_APPLY, *SLOWEST))
def test_agrees_with_the_forward_reading(name):
    arch, x = BOTH_APPLY[name]
    forward, general = (nv.infinite_ntk(arch, x, method=m) for m in ("forward", "general"))
    for kernel in ("nngp", "ntk"):
        one, other = getattr(forward, kernel), getattr(general, kernel)
        np.testing.assert_allclose(other, one, atol=max(1e-9 * np.max(np.abs(one)), 4 * general.error))


def test_agrees_with_the_forward_reading_between_one_graph_and_another():
    one, other = (tuple(part[k : k + 1] * (k + 1) for part in GRAPHS) for k in range(2))
    forward, general = (nv.infinite_ntk(a.gcn(depth=1), one, other, method=m) for m in ("forward", "general"))
    np.testing.assert_allclose(general.ntk, forward.ntk, rtol=1e-9)
    np.testing.assert_allclose(general.nngp, forward.nngp, rtol=1e-9)
