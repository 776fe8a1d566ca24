"""A sweep is the infinite-width reading at every point of a grid."""

import numpy as np
import pytest

import ntkviz as nv

X = np.array([[1.0, 0.5], [-0.3, 1.2]])


def test_each_point_is_the_kernel_there():
    arch = nv.architectures.mlp(nonlinearity="erf", sigma_v=0.7)
    swept = nv.sweep(arch, X, depth=[1, 4, 2], sigma_w=[0.8, 2.0], sigma_b=[0.0, 0.5])
    assert swept.nngp.shape == swept.ntk.shape == (3, 2, 2, 2, 2)
    for i, depth in enumerate([1, 4, 2]):
        for j, sigma_w in enumerate([0.8, 2.0]):
            one = nv.infinite_ntk(arch(depth=depth, sigma_w=sigma_w, sigma_b=0.5), X)
            assert swept.nngp[i, j, 1] == pytest.approx(one.nngp, rel=1e-12)
            assert swept.ntk[i, j, 1] == pytest.approx(one.ntk, rel=1e-12)


def test_relu_by_hand():
    """One hidden layer on one input of variance q = σ_w²ξ²: K = q/2, Θ = K + q/2."""
    swept = nv.sweep(nv.architectures.mlp(depth=1, sigma_b=0.0), [[1.0]], sigma_w=[1.0, 3.0])
    assert swept.nngp.ravel() == pytest.approx([0.5, 4.5])
    assert swept.ntk.ravel() == pytest.approx([1.0, 9.0])


def test_grids_along_which_nothing_changes():
    arch = nv.architectures.mlp()
    limit = nv.infinite_ntk(arch, X).ntk
    assert nv.sweep(arch, X).ntk == pytest.approx(limit, rel=1e-12)
    assert nv.sweep(arch, X, sigma_w=[1.5, 1.5]).ntk == pytest.approx(np.stack([limit, limit]), rel=1e-12)


@pytest.mark.parametrize(
    ("arch", "axes", "message"),
    [
        (nv.architectures.mlp, {"sigma_w": []}, "no values"),
        (nv.architectures.mlp, {"nonlinearity": ["relu", "erf"]}, "the program itself"),
        (nv.architectures.mlp, {"sigma_w": [1.0, -1.0]}, "must be a finite number"),
        (nv.architectures.mlp, {"sigma_z": [1.0]}, "no hyper-parameter"),
        (nv.architectures.mean_readout_mlp, {"depth": [1]}, "forward"),
    ],
)
def test_refusals(arch, axes, message):
    with pytest.raises(nv.NtkvizError, match=message):
        nv.sweep(arch, X, **axes)


def test_a_grid_over_a_derived_number_is_refused():
    @nv.architecture
    def product(net, x, *, a=1.0, b=1.0):
        return net.readout("v", nv.relu(net.input("W", x, std=a * b)))

    assert nv.sweep(product, X, a=[1.0, 2.0]).ntk[1] == pytest.approx(nv.infinite_ntk(product(a=2.0), X).ntk)
    with pytest.raises(nv.InputError, match="several of a, b"):
        nv.sweep(product, X, a=[1.0, 2.0], b=[1.0, 3.0])
