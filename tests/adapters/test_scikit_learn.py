"""The kernel of scikit-learn: its protocol, its gradient, and what its users fit with it."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, WhiteKernel
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

import ntkviz as nv
from ntkviz.adapters.scikit_learn import LimitKernel

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(6, 4)), RNG.normal(size=(2, 4))
TARGETS = np.sin(X[:, 0]) + X[:, 1]
MLP = nv.architectures.mlp(depth=2, nonlinearity="erf", sigma_w=1.4, sigma_b=0.3)
BOUNDS = {"sigma_w": (0.1, 10.0), "sigma_b": (0.01, 5.0)}


@pytest.mark.parametrize("kind", ["ntk", "nngp"])
def test_matrices(kind):
    kernel = LimitKernel(MLP, kind, BOUNDS)
    assert kernel(X, Y) == pytest.approx(getattr(nv.infinite_ntk(MLP, X, Y), kind), rel=1e-12)
    exact = getattr(nv.infinite_ntk(MLP, X), kind)
    assert kernel(X) == pytest.approx(exact, rel=1e-12)
    assert kernel.diag(X) == pytest.approx(np.diag(exact), rel=1e-12)


def test_gradient_in_theta():
    """By central differences of step 1e-5, whose error is about 1e-9."""
    kernel = LimitKernel(MLP, "ntk", BOUNDS)
    found, gradient = kernel(X, eval_gradient=True)
    assert found == pytest.approx(kernel(X), rel=1e-12)
    assert gradient.shape == (6, 6, 2)
    for k, move in enumerate(np.eye(2) * 1e-5):
        up, down = (kernel.clone_with_theta(kernel.theta + sign * move)(X) for sign in (1, -1))
        assert gradient[..., k] == pytest.approx((up - down) / 2e-5, rel=1e-7, abs=1e-9)


def test_parameters():
    kernel = LimitKernel(MLP, bounds=BOUNDS)
    assert kernel.theta == pytest.approx(np.log([1.4, 0.3]))
    assert np.exp(kernel.bounds) == pytest.approx(np.array([*BOUNDS.values()]))
    moved = kernel.clone_with_theta(np.log([2.0, 0.5]))
    assert moved.arch == MLP(sigma_w=moved.get_params()["sigma_w"], sigma_b=moved.get_params()["sigma_b"])
    assert moved.get_params()["sigma_w"] == pytest.approx(2.0)
    assert kernel.arch == MLP
    assert kernel.set_params(sigma_w=0.7, kind="ntk").arch == MLP(sigma_w=0.7)
    copied = clone(kernel)
    assert copied == kernel
    assert copied is not kernel
    assert pickle.loads(pickle.dumps(kernel)) == kernel
    assert LimitKernel(MLP, bounds={"sigma_w": "fixed"}).theta.size == 0
    assert LimitKernel(MLP).theta.size == 0
    assert not kernel.is_stationary()
    assert "mlp" in repr(kernel)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_gaussian_process():
    """The fitted values maximise the marginal likelihood, and predictions are those of nv.regression."""
    fixed = GaussianProcessRegressor(LimitKernel(MLP), alpha=0.01, optimizer=None).fit(X, TARGETS)
    exact = nv.regression.fit(MLP, X, TARGETS, Y).nngp_posterior(noise=0.1)
    mean, covariance = fixed.predict(Y, return_cov=True)
    assert mean == pytest.approx(exact.mean, rel=1e-8)
    assert covariance == pytest.approx(exact.covariance, rel=1e-6, abs=1e-9)

    fitted = GaussianProcessRegressor(LimitKernel(MLP, bounds=BOUNDS), alpha=0.01).fit(X, TARGETS)
    value, gradient = fitted.log_marginal_likelihood(fitted.kernel_.theta, eval_gradient=True)
    assert value > fitted.log_marginal_likelihood(LimitKernel(MLP, bounds=BOUNDS).theta)
    inside = np.abs(fitted.kernel_.theta[:, None] - fitted.kernel_.bounds).min(axis=1) > 1e-6
    assert inside.any()
    assert gradient[inside] == pytest.approx(0, abs=1e-3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_sums_and_products_of_kernels():
    kernel = ConstantKernel(2.0) * LimitKernel(MLP, bounds=BOUNDS) + WhiteKernel(0.1)
    fitted = GaussianProcessRegressor(kernel).fit(X, TARGETS)
    assert fitted.kernel_.theta.shape == (4,)
    assert np.isfinite(fitted.log_marginal_likelihood_value_)


def test_support_vectors():
    classes = (np.median(TARGETS) < TARGETS).astype(int)
    called = SVC(kernel=LimitKernel(MLP, "ntk")).fit(X, classes)
    given = SVC(kernel="precomputed").fit(nv.infinite_ntk(MLP, X).ntk, classes)
    exact = given.decision_function(nv.infinite_ntk(MLP, Y, X).ntk)
    assert called.decision_function(Y) == pytest.approx(exact, rel=1e-8)
    search = GridSearchCV(SVC(kernel=LimitKernel(MLP, "ntk")), {"C": [1.0, 10.0]}, cv=2).fit(X, classes)
    assert search.best_params_["C"] in (1.0, 10.0)


def test_inputs_of_another_shape():
    cnn = nv.architectures.cnn(depth=1)
    kernel = LimitKernel(cnn, input_shape=(2, 2, 1))
    assert kernel(X) == pytest.approx(nv.infinite_ntk(cnn, X.reshape(-1, 2, 2, 1)).nngp, rel=1e-12)
    with pytest.raises(nv.InputError, match=r"input_shape \(3, 1\)"):
        LimitKernel(cnn, input_shape=(3, 1))(X)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (LimitKernel(MLP, "gram"), "kind is 'gram'"),
        (LimitKernel(MLP, bounds={"sigma_z": (1, 2)}), "no hyper-parameter 'sigma_z'"),
        (LimitKernel(MLP, bounds={"nonlinearity": (1, 2)}), "nonlinearity is 'erf'"),
        (LimitKernel(MLP(sigma_b=0.0), bounds={"sigma_b": (1, 2)}), "sigma_b is 0.0"),
        (LimitKernel(MLP, bounds={"depth": (1, 2)}), "depth of mlp cannot be traced"),
        (LimitKernel(nv.architectures.batchnorm_mlp), "treats a batch as one input"),
        (LimitKernel("mlp"), "Expected an architecture"),
    ],
)
def test_refusals(kernel, message):
    with pytest.raises(nv.NtkvizError, match=message):
        kernel(X)


def test_no_gradient_between_two_batches():
    with pytest.raises(nv.InputError, match="Y=None"):
        LimitKernel(MLP, bounds=BOUNDS)(X, Y, eval_gradient=True)
