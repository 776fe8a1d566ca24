"""The tangent of the forward kernels: the contributions of parameters, and refusals."""

import jax.numpy as jnp
import numpy as np
import pytest

import ntkviz as nv
from ntkviz.errors import NoForwardLimitError
from ntkviz.kernels.forward.moments import pick_equal_positions

PHI_AT_ONE = 2 / np.pi * np.arcsin(2 / 3)
"""E erf(z)² for z ~ N(0, 1)."""
SLOPE_AT_ONE = 4 / np.pi / np.sqrt(5)
"""E erf′(z)² for z ~ N(0, 1)."""

x = np.ones((1, 1))  # Uξ/√d is then N(0, 1), so that every kernel below is a number known by hand


def kernels(fn, **hyper):
    result = nv.infinite_ntk(nv.architecture(fn)(**hyper), x, method="forward")
    return float(result.nngp[0, 0]), float(result.ntk[0, 0])


def two_layers(net, data, *, lr_u=1.0, lr_w=1.0, lr_v=1.0, train_u=True, train_w=True, std_w=1.0):
    h = nv.erf(net.input("U", data, lr=lr_u, trainable=train_u))
    W = net.matrix("W", std=std_w, lr=lr_w, trainable=train_w)
    v = net.vector("v", lr=lr_v)
    return net.readout(v, W @ h)


# f = vᵀWh/√n with K = E h²: the NNGP is σ²K; the NTK adds K from v, K from W, and E h′² from U.


@pytest.mark.parametrize(
    ("hyper", "ntk"),
    [
        ({}, 2 * PHI_AT_ONE + SLOPE_AT_ONE),
        ({"train_w": False}, PHI_AT_ONE + SLOPE_AT_ONE),
        ({"train_u": False}, 2 * PHI_AT_ONE),
        ({"train_u": False, "train_w": False}, PHI_AT_ONE),
        ({"lr_w": 3.0}, 4 * PHI_AT_ONE + SLOPE_AT_ONE),
        ({"lr_u": 0.5}, 2 * PHI_AT_ONE + 0.5 * SLOPE_AT_ONE),
        ({"lr_v": 0.0}, PHI_AT_ONE + SLOPE_AT_ONE),
    ],
)
def test_learning_rates_scale_and_frozen_parameters_drop_out(hyper, ntk):
    assert kernels(two_layers, **hyper) == pytest.approx((PHI_AT_ONE, ntk), rel=1e-12)


def test_a_branch_initialised_at_zero_still_trains():
    zero = nv.architecture(two_layers)(std_w=0.0, parametrization="ntk4a")
    result = nv.infinite_ntk(zero, x, method="forward")
    assert result.nngp[0, 0] == 0
    assert result.ntk[0, 0] == pytest.approx(PHI_AT_ONE, rel=1e-12)  # W's own term, which has no σ
    assert nv.infinite_ntk(zero(parametrization="ntk"), x).ntk[0, 0] == 0


def test_one_matrix_used_twice_correlates_and_two_matrices_do_not():
    def twice(net, data, *, shared=True):
        h = nv.erf(net.input("U", data))
        first = net.matrix("W1")
        second = first if shared else net.matrix("W2")
        return net.readout("v", first @ h + second @ h)

    # Shared: f = 2vᵀWh/√n.
    k = PHI_AT_ONE
    assert kernels(twice) == pytest.approx((4 * k, 4 * (2 * k + SLOPE_AT_ONE)), rel=1e-12)
    assert kernels(twice, shared=False) == pytest.approx((2 * k, 2 * (2 * k + SLOPE_AT_ONE)), rel=1e-12)


def test_two_repeated_blocks_have_their_own_parameters():
    def blocks(net, data, *, first="A"):
        def layer(name):
            return lambda net, h: net.matrix(name) @ nv.erf(h)

        a = net.input("U", data)
        b = net.repeat(1, layer(first), a)
        c = net.repeat(1, layer("B"), a)
        return net.readout("v", b + c)

    assert kernels(blocks)[0] == pytest.approx(2 * PHI_AT_ONE, rel=1e-12)
    with pytest.raises(nv.ProgramError, match="Parameter B is declared twice"):
        kernels(blocks, first="B")


def test_a_repeated_layer_that_needs_writing_out_gives_the_same():
    def skip(net, data, *, written_once=True):
        start = net.input("U", data)

        def layer(net, h):
            return net.matrix("W") @ nv.erf(h) + net.bias("b", std=0.5)

        if written_once:
            h = net.repeat(3, layer, start)
        else:
            h = start
            for k in range(3):
                h = net.matrix(f"W{k}") @ nv.erf(h) + net.bias(f"b{k}", std=0.5)
        return net.readout("v", nv.erf(h) + nv.erf(start))  # meets what came before the block

    assert kernels(skip) == pytest.approx(kernels(skip, written_once=False), rel=1e-12)


def test_a_frozen_mean_shifts_the_kernel():
    def shifted(net, data):
        return net.readout("v", nv.square(net.input("U", data) + 2.0))

    # E(z + 2)⁴ = 2⁴ + 6·2² + 3, and the tangent E(2(z + 2))² = 4(1 + 2²)
    assert kernels(shifted) == pytest.approx((43.0, 43.0 + 20.0), rel=1e-12)


def test_layernorm_divides_by_the_standard_deviation():
    def normalised(net, data, *, sigma=3.0):
        return net.readout("v", nv.erf(nv.layernorm(net.input("U", data, std=sigma))))

    # dLN = dz/σ, and U's tangent carries σ² under "ntk": together one, whatever σ is.
    expected = (PHI_AT_ONE, PHI_AT_ONE + SLOPE_AT_ONE)
    assert kernels(normalised) == pytest.approx(expected, rel=1e-12)
    assert kernels(normalised, sigma=0.2) == pytest.approx(expected, rel=1e-12)


def test_separate_readouts_involve_equal_positions_only(rng):
    def positions(net, data, *, own=True):
        h = nv.erf(net.input("U", data))
        return net.readout("v", h, axes=1) if own else net.readout("v", h.mean(1))

    data = rng.normal(size=(2, 3, 4))
    by_row = [nv.infinite_ntk(nv.architecture(positions), data[:, [p]]) for p in range(3)]
    own = nv.infinite_ntk(nv.architecture(positions), data)
    np.testing.assert_allclose(own.nngp, np.mean([k.nngp for k in by_row], axis=0), rtol=1e-12)
    np.testing.assert_allclose(own.ntk, np.mean([k.ntk for k in by_row], axis=0), rtol=1e-12)
    averaged = nv.infinite_ntk(nv.architecture(positions)(own=False), data)
    assert np.max(np.abs(averaged.nngp - own.nngp)) > 0.01


def test_masks_leave_out_what_they_multiply_by_zero(rng):
    mask = np.array([1.0, 0.0, 1.0])

    @nv.architecture
    def masked(net, data, *, weights=(1.0, 0.0, 1.0)):
        return net.readout("v", (nv.erf(net.input("U", data)) * np.array(weights)).sum(1))

    data = rng.normal(size=(2, 3, 4))
    left_out = masked(weights=(1.0, 1.0))
    np.testing.assert_allclose(
        nv.infinite_ntk(masked, data).ntk, nv.infinite_ntk(left_out, data[:, mask > 0]).ntk, rtol=1e-12
    )


def test_a_matrix_and_its_transpose_in_turn_are_refused():
    def there_and_back(net, data, *, layers=1):
        W = net.matrix("W")
        return net.readout("v", nv.erf(W.T @ nv.erf(W @ nv.erf(net.input("U", data)))))

    with pytest.raises(NoForwardLimitError, match=r"Instruction \d+ applies the transpose of matrix W"):
        kernels(there_and_back)

    def side_by_side(net, data):
        h, W = nv.erf(net.input("U", data)), net.matrix("W")
        return net.readout("v", W.T @ h + W @ h)

    # W and Wᵀ are independent here, but both train the one W: f = vᵀ(W + Wᵀ)h/√n.
    nngp, ntk = kernels(side_by_side)
    assert nngp == pytest.approx(2 * PHI_AT_ONE, rel=1e-12)
    assert ntk == pytest.approx(2 * (2 * PHI_AT_ONE + SLOPE_AT_ONE), rel=1e-12)


def test_a_product_of_dependent_vectors_is_refused_by_instruction():
    def gated(net, data):
        h = net.input("U", data)
        return net.readout("v", h * nv.erf(h))

    with pytest.raises(NoForwardLimitError, match=r"Instruction \d+ \(multiply\) is not a function of one Gaussian"):
        kernels(gated)


def test_a_user_function_with_parameters_is_integrated_with_them():
    cubic = nv.nonlinearity(lambda z, c: z + c * z**3)

    def with_theta(net, data, *, c=0.5):
        return net.readout("v", cubic(net.input("U", data), c))

    c = 0.5  # E(z + cz³)² = 1 + 6c + 15c², E(1 + 3cz²)² = 1 + 6c + 27c²
    expected = (1 + 6 * c + 15 * c**2, 2 + 12 * c + 42 * c**2)
    assert kernels(with_theta) == pytest.approx(expected, rel=1e-9)


def test_entries_paired_by_broadcasting(rng):
    """Of all pairs of (2, 3) and (3,) entries, those that an elementwise product of the two arrays brings together."""
    a, b = rng.normal(size=(2, 3)), rng.normal(size=3)
    np.testing.assert_array_equal(pick_equal_positions(jnp.multiply.outer(a, b), (2, 3), (3,), (2, 3)), a * b)


def test_what_is_added_is_broadcast_on_its_own_side_of_a_kernel(rng):
    """Vectors of fewer leading axes than what they are added to, and of as many."""

    @nv.architecture
    def positions_added(net, tokens, *, written_out=False):
        u, p = net.input("U", tokens), net.vector("p", shape=tokens.shape[1:2])
        return net.readout("v", nv.relu(u + (p[None] if written_out else p)).mean(1))

    tokens = rng.normal(size=(2, 3, 4))
    short, written_out = (
        nv.infinite_ntk(positions_added(written_out=w), tokens, method="forward") for w in (False, True)
    )
    np.testing.assert_allclose(short.nngp, written_out.nngp, rtol=1e-14)
    np.testing.assert_allclose(short.ntk, written_out.ntk, rtol=1e-14)


def test_equal_inputs_stay_equal_through_chaos():
    """A rounding error that separates an input from itself would be multiplied by χ₁ > 1 in each layer."""
    q = 2.0**2 + 0.3**2
    for _ in range(199):
        q = 2.0**2 * 2 / np.pi * np.arcsin(2 * q / (1 + 2 * q)) + 0.3**2
    deep = nv.architectures.mlp(depth=200, nonlinearity="erf", sigma_w=2.0, sigma_b=0.3)
    nngp = nv.infinite_ntk(deep, x).nngp[0, 0]
    assert nngp == pytest.approx(2 / np.pi * np.arcsin(2 * q / (1 + 2 * q)), rel=1e-12)


@pytest.mark.parametrize("phi", ["erf", "tanh", "sin"])
def test_roundings_of_the_inputs_do_not_grow_in_chaos(phi, rng):
    """An input's covariance with itself comes from a matrix product, its variance from its own row."""
    deep = nv.architectures.mlp(depth=200, nonlinearity=phi, sigma_w=2.0, sigma_b=0.1)
    variances = [np.diag(nv.infinite_ntk(deep, rng.normal(size=(3, 5))).nngp) for _ in range(6)]
    np.testing.assert_allclose(variances, variances[0][0], rtol=1e-9)
