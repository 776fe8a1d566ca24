"""How the two readouts of a convolutional network respond to a shifted image, at finite and at infinite width."""

import numpy as np
import pytest

import ntkviz as nv

IMAGE = np.random.default_rng(0).normal(size=(3, 2))  # three positions of two channels


def moved(shift):
    return np.pad(IMAGE, ((4 + shift, 4 - shift), (0, 0)))[None]


@nv.architecture
def unshared(net, x, *, sigma_w=1.5, sigma_b=0.3):
    """Two layers of VALID filters of size three, with separate parameters at every position."""
    places = x.shape[1] - 2
    h = [
        net.input(f"U{p}", x[:, p : p + 3].reshape(x.shape[0], -1), std=sigma_w) + net.bias(f"b{p}", std=sigma_b)
        for p in range(places)
    ]
    outs = []
    for p in range(places - 2):
        W = net.matrix(f"W{p}", std=sigma_w, shape=(3,), fan=3)
        out = net.bias(f"c{p}", std=sigma_b)
        for offset in range(3):
            out = out + W[offset] @ nv.relu(h[p + offset])
        outs.append(out)
    return net.readout("v", nv.relu(nv.stack(outs, 1)), axes=1)


def test_flattening_has_the_limit_of_a_network_without_weight_sharing():
    x = np.random.default_rng(1).normal(size=(2, 6, 1))
    shared = nv.infinite_ntk(nv.architectures.cnn(padding="VALID", sigma_b=0.3), x)
    own = nv.infinite_ntk(unshared, x)
    assert own.ntk == pytest.approx(shared.ntk, rel=1e-12)
    assert own.nngp == pytest.approx(shared.nngp, rel=1e-12)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_average_pooling_is_invariant_until_the_border(layers):
    cnn = nv.architectures.cnn(depth=layers, pooling="average", sigma_b=0.0)
    limit = [nv.infinite_ntk(cnn, moved(0), moved(shift)).ntk[0, 0] for shift in range(5)]
    inside = 4 - layers  # four dark positions beside the image, of which each layer removes one
    assert limit[: inside + 1] == pytest.approx([limit[0]] * (inside + 1), rel=1e-12)
    assert abs(limit[inside + 1] / limit[0] - 1) > 1e-4


def test_average_pooling_is_invariant_in_every_network_and_flattening_in_none():
    for pooling, invariant in (("average", True), ("flatten", False)):
        cnn = nv.architectures.cnn(pooling=pooling, sigma_b=0.0)
        one, other = (nv.empirical_ntk(cnn, moved(0), moved(shift), width=16, key=0)[0, 0] for shift in (0, 1))
        assert (abs(other / one - 1) < 1e-5) == invariant
