"""The infinite-width limit of training, against wide networks, the program of training, and theory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import full, full_except

import ntkviz as nv
from ntkviz.distant.requests import GivenUp, wanted_until
from ntkviz.errors import HyperparameterError, InputError, NotFiniteError, ProgramError, TooLargeError
from ntkviz.execution.traced_cost import cost_of, work_of
from ntkviz.training import limit
from ntkviz.training.descent import descent
from ntkviz.training.task import checked_task

from .sgd import descend
from .test_program import partly_trained

A = nv.architectures
X, Y, X_TEST = np.array([[1.0, 0.5], [-0.7, 1.0], [0.3, -1.2]]), np.array([1.0, -1.0, 0.5]), np.array([[0.6, 0.9]])
SEQUENCES = np.random.default_rng(1).normal(size=(3, 2, 3))
ROWS = np.random.default_rng(2).normal(size=(5, 3))


@nv.architecture
def two_layers(net, x, *, sigma=1.0):
    """f = vᵀtanh(W tanh(Uξ))/√n."""
    return net.readout("v", nv.tanh(net.matrix("W", std=sigma) @ nv.tanh(net.input("U", x))))


@nv.architecture
def frozen_below(net, x):
    """A matrix that is used twice, above an input matrix that is not trained; the readout's rate is its own."""
    W, u = net.matrix("W"), net.input("U", x, trainable=False)
    v = net.vector("v", lr=0.5)
    return net.readout(v, nv.tanh(W.T @ nv.relu(W @ nv.tanh(u))))


def within(found, error, other, other_error, deviations):
    """Whether two results agree to within so many standard errors of their difference, everywhere."""
    return np.max(np.abs(found - other) / (np.hypot(error, other_error) + 1e-9)) < deviations


def test_worked_example():
    """Six steps: networks of width 2048, trained by a gradient descent in NumPy alone, end at 0.6032 ± 0.0018."""
    learned = nv.feature_learning(two_layers, X, Y, X_TEST, steps=6, learning_rate=0.4)
    assert learned.train.shape == (7, 3)
    assert learned.test.shape == (7, 1)
    assert learned.features.shape == learned.ntk.shape == (7, 3, 3)
    assert learned.error.test[-1, 0] < 0.002
    assert within(learned.test[-1], learned.error.test[-1], 0.6032, 0.0018, 3)


@pytest.mark.parametrize(
    ("arch", "x", "options"),
    [
        full((A.mlp(depth=2, sigma_b=0.5), X, {})),
        full((A.rnn, SEQUENCES, {"richness": 0.5})),
        (A.tied_autoencoder, X, {"loss": "logistic"}),
    ],
    ids=["mlp", "rnn", "tied autoencoder, logistic"],
)
def test_wide_networks_approach_the_limit(arch, x, options):
    """The mean of networks of width 512, by `jax.grad`: each network deviates by its own f₀, of order 1/√n."""
    options = {"steps": 4, "learning_rate": 0.2, **options}
    y = np.array([1.0, -1.0, 1.0])
    learned = nv.feature_learning(arch, x, y, x + 0.1, **options)
    keys = jax.vmap(jax.random.key)(jnp.arange(24))
    networks = np.asarray(jax.vmap(lambda key: descend(arch, x, y, x + 0.1, width=512, key=key, **options))(keys))
    mean, error = networks.mean(axis=0), networks.std(axis=0, ddof=1) / 24**0.5
    found, its_error = (np.hstack([part.train, part.test]) for part in (learned, learned.error))
    assert np.all(found[0] == pytest.approx(0, abs=1e-12))
    assert np.max(np.abs(found[-1])) > 0.2
    assert within(found[1:], its_error[1:], mean[1:], error[1:], 3)


CASES = {
    "mlp, batches": (A.mlp(depth=2, parametrization="ntk4a"), X, {"batches": [[0], [2, 1, 1]]}),
    "batchnorm": (A.batchnorm_mlp, ROWS, {"richness": 2.0}),
    "transformer": (A.transformer, SEQUENCES[:2], {"loss": "logistic", "steps": 1, "learning_rate": 1.0}),
    "cnn": (A.cnn(nonlinearity="erf", filter_size=2), SEQUENCES[:2], {}),
    "mean readout": (A.mean_readout_mlp(depth=1), X, {"learning_rate": 0.1}),
    "partly trained": (partly_trained, X, {}),
    "frozen below": (frozen_below, X, {}),
}


@pytest.mark.parametrize("case", full_except(CASES, "mlp, batches", "batchnorm", "mean readout"))
def test_it_is_the_limit_of_the_program_of_training(case):
    """The same steps written out, and read by the calculus of all programs."""
    arch, x, options = CASES[case]
    options = {"steps": 2, "learning_rate": 0.2, **options}
    y = np.where(np.arange(len(x)) % 2, -1.0, 1.0)
    learned = nv.feature_learning(arch, x, y, x + 0.1, **options)
    program = nv.training_program(arch, x, y, x_test=x + 0.1, **options)
    values = [np.asarray(nv.virtual_coordinates(program, width=2**12, key=k)[program.output]) for k in range(6)]
    mean, error = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / 6**0.5
    found, its_error = (np.hstack([part.train, part.test]) for part in (learned, learned.error))
    assert np.max(np.abs(np.diff(found, axis=0))) > 0.04
    assert within(found, its_error, mean, error + 1e-3, 4)


def test_before_the_first_step_kernels_are_those_of_the_untrained_network():
    arch = A.mlp(depth=2, sigma_v=1.3)
    learned = nv.feature_learning(arch, X, Y, steps=0, learning_rate=0.1, scrambles=32)
    limits = nv.infinite_ntk(arch, X)
    assert learned.train == pytest.approx(0, abs=1e-12)
    assert learned.test.shape == (1, 0)
    assert within(learned.ntk[0], learned.error.ntk[0], np.asarray(limits.ntk), 1e-4, 4)
    assert within(learned.features[0], learned.error.features[0], np.asarray(limits.nngp) / 1.3**2, 1e-4, 4)


@pytest.mark.full
def test_training_with_small_richness_departs_from_the_kernel_quadratically():
    """f does not change if v and γ change their signs, and the law of v does not either: f is even in γ."""
    options = {"steps": 8, "learning_rate": 0.3}
    poor = nv.feature_learning(two_layers, X, Y, X_TEST, richness=1e-3, **options)
    kernel = nv.regression.fit(two_layers, X, Y, X_TEST).gradient_descent(8, 0.3).mean
    assert within(poor.test[-1], poor.error.test[-1], kernel, 1e-4, 4)
    assert poor.ntk[-1] == pytest.approx(poor.ntk[0], abs=1e-4)
    slopes = [slopes_in_richness(part, (1e-3, 0.05, 0.1), **options) for part in (0, 3)]  # of outputs and of the NTK
    for found in slopes:
        error = found.std(ddof=1) / len(found) ** 0.5
        assert error < 0.02
        assert found.mean() == pytest.approx(2, abs=0.05)  # terms of order γ⁴ are a hundredth of those of γ²


def slopes_in_richness(part, richness, **options):
    """d log|change since γ → 0|/d log γ of the last step, of each scramble: the samples are the same for all γ."""
    found = []
    for g in richness:
        given = {"richness": g, "loss": "squared", "batches": None, **options}
        scrambles = limit._scrambles(checked_task(two_layers, X, Y, None, **given), 8)
        found.append([numbers[part][-1] for numbers in scrambles])
    poor, *others = np.array(found).reshape(len(richness), 8, -1)
    apart = [np.linalg.norm(other - poor, axis=1) for other in others]
    return np.log(apart[1] / apart[0]) / np.log(richness[2] / richness[1])


@pytest.mark.parametrize("richness", [full(1e-3), 1e-7])
def test_test_outputs_stay_accurate_for_small_richness(richness):
    """Changes of order γ are treated as separate directions, so f = F/γ has the same error for all small γ."""
    arch, options = A.mlp(depth=2, nonlinearity="tanh"), {"steps": 8, "learning_rate": 0.3}
    poor = nv.feature_learning(arch, X, Y, X_TEST, richness=richness, **options)
    kernel = nv.regression.fit(arch, X, Y, X_TEST).gradient_descent(8, 0.3).mean
    assert poor.error.test[-1, 0] < 0.004
    assert within(poor.test[-1], poor.error.test[-1], kernel, 1e-4, 4)


def test_training_with_large_richness_moves_the_kernels():
    learned = nv.feature_learning(two_layers, X, Y, steps=8, learning_rate=0.4)
    moved = np.linalg.norm(learned.ntk[-1] - learned.ntk[0]) / np.linalg.norm(learned.ntk[0])
    assert moved > 0.5
    aligned = [y @ k @ y / np.linalg.norm(k) for y, k in ((Y, learned.features[0]), (Y, learned.features[-1]))]
    assert aligned[1] > aligned[0]


@pytest.mark.full
def test_error_covers_the_difference_from_more_samples(monkeypatch):
    options = {"steps": 5, "learning_rate": 0.3}
    usual = nv.feature_learning(two_layers, X, Y, X_TEST, **options)
    monkeypatch.setattr(limit, "LOG2_SAMPLES", 15)
    many = nv.feature_learning(two_layers, X, Y, X_TEST, **options)
    for name in ("train", "test", "features", "ntk"):
        errors = getattr(usual.error, name), getattr(many.error, name)
        assert np.max(errors[0]) > np.max(errors[1])
        assert within(getattr(usual, name), errors[0], getattr(many, name), errors[1], 4)


def test_hyper_parameters_recompile_nothing_and_steps_take_no_longer_to_compile(compilations):
    def learn(arch, **options):
        return nv.feature_learning(arch, X, Y, X_TEST, **{"steps": 3, "learning_rate": 0.1} | options)

    learn(two_layers)
    with compilations() as count:
        learn(two_layers(sigma=1.5), learning_rate=0.2, richness=0.3)
    assert count() == 0
    few, many = (nv.cost(learn, A.mlp, steps=steps) for steps in (4, 64))
    assert few.compiling == pytest.approx(many.compiling, rel=0.2)
    assert many.seconds > 10 * few.seconds


@pytest.fixture
def traced_descent(monkeypatch):
    """Returns a function that traces the descent of a task without running it."""
    static = "loss", "read_out", "mirrored", "output_biases"

    def trace(arch, x, steps):
        found = []

        def instead(*args, **kwargs):
            found.append(jax.jit(descent.__wrapped__, static_argnames=static).trace(*args, **kwargs))
            raise KeyboardInterrupt

        monkeypatch.setattr(limit, "descent", instead)
        with pytest.raises(KeyboardInterrupt):
            nv.feature_learning(arch, x, np.arange(len(x)), steps=steps, learning_rate=0.1)
        return found[0]

    return trace


@pytest.mark.parametrize(
    ("arch", "x"),
    [(A.mlp(depth=2), X), (A.rnn, SEQUENCES), full((A.transformer, SEQUENCES))],
    ids=["mlp", "rnn", "transformer"],
)
def test_memory_is_what_the_compiler_allots(arch, x, traced_descent):
    traced = traced_descent(arch, x, 20)
    stats = traced.lower().compile().memory_analysis()
    allotted = stats.temp_size_in_bytes + stats.argument_size_in_bytes + stats.output_size_in_bytes
    assert 0.9 < cost_of(traced.jaxpr.jaxpr).memory / allotted < 1.4


def test_the_work_of_many_steps_is_that_of_bases_which_grow(traced_descent):
    """A step applies W to m vectors, and Wᵀ to m.

    For each vector, it takes eight products with all rows of a basis or of its normals, half of which are in use on
    average, and one with the mixing matrix, which is also changed by an outer product.
    """
    steps, samples, m = 400, 2**limit.LOG2_SAMPLES, len(X)
    rows = m * (steps + 1)
    by_hand = (steps + 1) * m * (2 * 8 * rows / 2 * samples + 3 * (2 * rows) ** 2)
    found = work_of(traced_descent(two_layers, X, steps).jaxpr.jaxpr).products
    assert found == pytest.approx(by_hand, rel=0.1)


def test_more_scrambles_lower_the_errors():
    """The errors of 24 scrambles estimate the same deviations as those of 6, each to about a third."""
    few, many = (nv.feature_learning(two_layers, X, Y, steps=2, learning_rate=0.1, scrambles=m) for m in (6, 24))
    ratios = many.error.train[1:] / few.error.train[1:]
    assert np.exp(np.mean(np.log(ratios))) == pytest.approx(0.5, rel=0.5)
    assert within(few.train, few.error.train, many.train, many.error.train, 4)


@pytest.mark.parametrize("scrambles", [1, 2.5, "many"])
def test_wrong_numbers_of_scrambles_are_refused(scrambles):
    with pytest.raises(nv.HyperparameterError, match="scrambles"):
        nv.feature_learning(two_layers, X, Y, steps=1, learning_rate=0.1, scrambles=scrambles)


def test_progress_is_reported_and_can_cancel():
    told = []
    nv.feature_learning(two_layers, X, Y, steps=1, learning_rate=0.1, progress=lambda *done: told.append(done))
    assert told == [(k, 8) for k in range(9)]

    def cancel(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nv.feature_learning(two_layers, X, Y, steps=1, learning_rate=0.1, progress=cancel)


def test_it_ends_when_nobody_wants_it():
    told = []
    with wanted_until(lambda: len(told) == 2), pytest.raises(GivenUp):
        nv.feature_learning(two_layers, X, Y, steps=1, learning_rate=0.1, progress=lambda *done: told.append(done))
    assert len(told) == 2


def test_what_does_not_fit_into_memory_is_refused(monkeypatch):
    monkeypatch.setenv("NTKVIZ_MEMORY_GB", "0.2")
    with pytest.raises(TooLargeError):
        nv.feature_learning(two_layers, X, Y, steps=20_000, learning_rate=0.1)


@nv.architecture
def jumps(net, x):
    """A nonlinearity that jumps."""
    return net.readout("v", nv.nonlinearity(lambda u: jnp.where(u > 1, u + 1, u))(net.input("U", x)))


@nv.architecture
def spike(net, x):
    """So narrow that all samples miss it."""
    return net.readout("v", nv.nonlinearity(lambda u: u + 1e6 * jnp.exp(-((1e7 * (u - 0.1)) ** 2)))(net.input("U", x)))


@nv.architecture
def gate_of_others(net, x):
    """A function of two vectors that are not Gaussian."""
    u = nv.relu(net.input("U", x))
    return net.readout("v", nv.nonlinearity(lambda a, b: a * jax.nn.sigmoid(a * b) * b**2, arity=2)(u, u * u))


@pytest.mark.parametrize(
    ("arch", "change", "error", "match"),
    [
        (A.mlp, {"y": [1.0]}, InputError, r"y has shape \(1,\)"),
        (A.mlp, {"richness": 1e-9}, HyperparameterError, "gradient_descent"),
        (A.mlp, {"progress": 3}, HyperparameterError, "progress is 3"),
        (A.mlp, {"x_test": np.ones((2, 3))}, InputError, "the same network"),
        (A.mlp(depth=1), {"learning_rate": 1e6, "steps": 10}, NotFiniteError, "Training diverges"),
        (A.batchnorm_mlp, {}, NotFiniteError, "rows"),
        (A.mlp(nonlinearity="sign"), {}, ProgramError, "is not a function"),
        (jumps, {}, ProgramError, "is not a function"),
        (spike, {}, nv.NotIntegrableError, "miss a part"),
        (gate_of_others, {}, nv.NotIntegrableError, "several vectors"),
    ],
)
def test_training_without_a_limit_is_refused_by_name(arch, change, error, match):
    arguments = {"x": X, "y": Y, "steps": 2, "learning_rate": 0.1} | change
    with pytest.raises(error, match=match):
        nv.feature_learning(arch, arguments.pop("x"), arguments.pop("y"), **arguments)
