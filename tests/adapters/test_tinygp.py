"""The kernel of tinygp: its values, its gradients, and Gaussian processes that use it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tinygp

import ntkviz as nv
from ntkviz.adapters.tinygp import LimitKernel

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 4)), RNG.normal(size=(2, 4))
TARGETS = np.sin(X[:, 0]) + X[:, 1]
MLP = nv.architectures.mlp(depth=2, nonlinearity="erf")
LIMIT = nv.kernel_fn(MLP)


@pytest.mark.parametrize("kind", ["ntk", "nngp"])
def test_matrices(kind):
    kernel = LimitKernel(LIMIT, kind=kind, sigma_w=1.2)
    exact = getattr(nv.infinite_ntk(MLP(sigma_w=1.2), X, Y), kind)
    assert kernel(X, Y) == pytest.approx(exact, rel=1e-12)
    assert kernel(X) == pytest.approx(np.diag(getattr(nv.infinite_ntk(MLP(sigma_w=1.2), X), kind)), rel=1e-12)


def test_sequences():
    rnn, sequences = nv.architectures.rnn(), RNG.normal(size=(3, 2, 4))
    kernel = LimitKernel(nv.kernel_fn(rnn))
    assert kernel(sequences, sequences) == pytest.approx(nv.infinite_ntk(rnn, sequences).nngp, rel=1e-12)


def test_process():
    """Predictions are those of nv.regression; the gradient is that of differences of step 1e-5."""
    process = tinygp.GaussianProcess(LimitKernel(LIMIT), X, diag=0.01)
    conditioned = process.condition(TARGETS, Y).gp
    exact = nv.regression.fit(MLP, X, TARGETS, Y).nngp_posterior(noise=0.1)
    assert conditioned.mean == pytest.approx(exact.mean, rel=1e-8)
    assert conditioned.variance == pytest.approx(np.diag(exact.covariance), rel=1e-6, abs=1e-9)

    @jax.jit
    def probability(values):
        kernel = LimitKernel(LIMIT, sigma_w=values[0], sigma_b=values[1]) + tinygp.kernels.Constant(0.5)
        return tinygp.GaussianProcess(kernel, X, diag=0.01).log_probability(TARGETS)

    values = jnp.array([1.2, 0.3])
    exact = [float(probability(values + move) - probability(values - move)) / 2e-5 for move in np.eye(2) * 1e-5]
    assert jax.grad(probability)(values) == pytest.approx(exact, rel=1e-6)


def test_the_kernel_itself_is_differentiated():
    slope = jax.grad(lambda kernel: kernel(X, Y).sum())(LimitKernel(LIMIT, sigma_w=1.2))
    exact = jax.grad(lambda s: LIMIT(X, Y, sigma_w=s).nngp.sum())(1.2)
    assert slope.hyper["sigma_w"] == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LimitKernel(LIMIT, kind="gram"), "kind is 'gram'"),
        (lambda: LimitKernel(LIMIT, sigma_z=1.0), "no hyper-parameter 'sigma_z'"),
        (lambda: LimitKernel(nv.kernel_fn(nv.architectures.batchnorm_mlp)), "treats a batch as one input"),
        (lambda: LimitKernel(nv.kernel_fn(nv.architectures.gru)), "takes data of shape"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(nv.NtkvizError, match=message):
        make()(X, Y)
