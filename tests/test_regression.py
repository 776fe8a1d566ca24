"""Regression with the limit kernels: against linear algebra written out, and against networks that are trained."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy.linalg import expm, solve
from selection import full
from sklearn.datasets import load_digits

import ntkviz as nv
from ntkviz import regression
from ntkviz.errors import HyperparameterError, InputError
from ntkviz.kernels.results import Kernels
from ntkviz.networks.sampling import run, sample_parameters

mlp = nv.architectures.mlp
ERF = mlp(depth=2, nonlinearity="erf")
TRAIN, TEST, OUTPUTS = 6, 4, 2
PLACES = np.linspace(-1, 1, 8)


@pytest.fixture
def rng():
    """The same random numbers in every run."""
    return np.random.default_rng(0)


@pytest.fixture
def data(rng):
    """Training inputs, test inputs, and targets with two outputs."""
    return rng.normal(size=(TRAIN, 3)), rng.normal(size=(TEST, 3)), rng.normal(size=(TRAIN, OUTPUTS))


@pytest.fixture
def by_hand(rng):
    """A regression from two unrelated random kernels, so that confusing them would show."""
    k, theta = (a @ a.T / 10 for a in rng.normal(size=(2, TRAIN + TEST, TRAIN + TEST)))
    x, z = slice(TRAIN), slice(TRAIN, None)
    train, cross, test = (Kernels(k[rows], theta[rows], 0.0) for rows in (np.s_[x, x], np.s_[z, x], np.s_[z, z]))
    return regression.Regression(rng.normal(size=(TRAIN, OUTPUTS)), train, cross, test)


# --- against linear algebra ------------------------------------------------------------------------


def flow_written_out(wide, t):
    """Lee et al. 2019, equations (14) and (15), by matrix exponential and a linear solver."""
    (k, theta, _), (k_cross, theta_cross, _), (k_test, _, _) = wide.train, wide.cross, wide.test
    a = theta_cross @ solve(theta, np.eye(TRAIN) - expm(-t * theta))
    covariance = k_test + a @ k @ a.T - (a @ k_cross.T + k_cross @ a.T)
    return a @ wide.y_train, covariance


@pytest.mark.parametrize("t", [0.0, 0.03, 1.0, 20.0])
def test_gradient_flow_is_the_matrix_exponential(by_hand, t):
    mean, covariance = by_hand.gradient_flow(t)
    expected_mean, expected_covariance = flow_written_out(by_hand, t)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(covariance, expected_covariance, rtol=1e-10, atol=1e-12)


def test_gradient_flow_ends_where_the_ntk_interpolates(by_hand):
    a = solve(by_hand.train.ntk, by_hand.cross.ntk.T).T
    shared = a @ by_hand.cross.nngp.T
    mean, covariance = by_hand.gradient_flow()
    np.testing.assert_allclose(mean, a @ by_hand.y_train, rtol=1e-9)
    np.testing.assert_allclose(
        covariance, by_hand.test.nngp - shared - shared.T + a @ by_hand.train.nngp @ a.T, rtol=1e-8
    )
    np.testing.assert_allclose(by_hand.gradient_flow(1e9).mean, mean, rtol=1e-9)


@pytest.mark.parametrize("noise", [0.0, 0.3, 5.0])
def test_nngp_posterior_is_the_textbooks(by_hand, noise):
    noisy = by_hand.train.nngp + noise**2 * np.eye(TRAIN)
    mean, covariance = by_hand.nngp_posterior(noise)
    np.testing.assert_allclose(mean, by_hand.cross.nngp @ solve(noisy, by_hand.y_train), rtol=1e-9)
    np.testing.assert_allclose(
        covariance, by_hand.test.nngp - by_hand.cross.nngp @ solve(noisy, by_hand.cross.nngp.T), rtol=1e-9, atol=1e-12
    )


def test_gradient_descent_is_a_loop_over_steps(by_hand):
    theta, rate = by_hand.train.ntk, 0.7 * by_hand.learning_rate_bound()
    on_train, on_test = np.zeros((TRAIN, OUTPUTS)), np.zeros((TEST, OUTPUTS))
    for step in range(40):
        np.testing.assert_allclose(by_hand.gradient_descent(step, rate).mean, on_test, rtol=1e-10, atol=1e-12)
        error = on_train - by_hand.y_train
        on_train, on_test = on_train - rate * theta @ error, on_test - rate * by_hand.cross.ntk @ error


def test_small_steps_follow_gradient_flow(by_hand):
    rate = 1e-4 * by_hand.learning_rate_bound()
    steps, flow = by_hand.gradient_descent(5000, rate), by_hand.gradient_flow(5000 * rate)
    np.testing.assert_allclose(steps.mean, flow.mean, atol=1e-3)
    np.testing.assert_allclose(steps.covariance, flow.covariance, atol=1e-3)


def test_ill_conditioned_kernels_lose_no_more_digits_than_necessary():
    """For inputs close to each other, against the same linear system solved with 50 digits."""
    x_train, x_test = (np.stack([0.3 * place, np.ones_like(place)], axis=1) for place in (PLACES, np.array([0.1, 0.7])))
    wide = regression.fit(ERF, x_train, np.sin(3 * PLACES), x_test)
    condition = np.linalg.cond(wide.train.ntk)
    assert condition > 1e8
    with mpmath.workdps(50):
        theta, theta_cross, y = map(mpmath.matrix, (wide.train.ntk, wide.cross.ntk, wide.y_train))
        expected = [float(mean) for mean in theta_cross * mpmath.lu_solve(theta, y)]
    np.testing.assert_allclose(wide.gradient_flow().mean, expected, atol=condition * np.finfo(float).eps)


# --- what the predictions mean ---------------------------------------------------------------------


def test_an_untrained_network_is_the_prior(data):
    x_train, x_test, y = data
    wide = regression.fit(ERF, x_train, y, x_test)
    for mean, covariance in (wide.gradient_flow(0), wide.gradient_descent(0, 0.1)):
        np.testing.assert_array_equal(mean, np.zeros((TEST, OUTPUTS)))
        np.testing.assert_array_equal(covariance, nv.infinite_ntk(ERF, x_test).nngp)


def test_every_fully_trained_network_fits_its_targets(data):
    x_train, _, y = data
    wide = regression.fit(ERF, x_train, y)
    for mean, covariance in (wide.gradient_flow(), wide.nngp_posterior()):
        np.testing.assert_allclose(mean, y, atol=1e-10)
        np.testing.assert_allclose(covariance, np.zeros((TRAIN, TRAIN)), atol=1e-10)


def test_training_the_readout_alone_is_bayesian(data):
    @nv.architecture
    def random_features(net, x):
        h = nv.erf(net.input("U", x, trainable=False))
        return net.readout("v", nv.erf(net.matrix("W", std=1.5, trainable=False) @ h), std=0.7)

    x_train, x_test, y = data
    wide = regression.fit(random_features, x_train, y, x_test)
    for trained, posterior in zip(wide.gradient_flow(), wide.nngp_posterior(), strict=True):
        np.testing.assert_allclose(trained, posterior, atol=1e-9)
    assert not np.allclose(wide.gradient_flow(1).mean, wide.nngp_posterior().mean)


def test_equal_inputs_share_the_mean_of_their_targets(data):
    x_train, x_test, y = data
    twice, doubled = np.concatenate([x_train, x_train[:2]]), np.concatenate([y, y[:2] + 1])
    merged = np.concatenate([y[:2] + 0.5, y[2:]])
    with np.errstate(all="raise"):
        wide = regression.fit(ERF, twice, doubled, x_test)
        once = regression.fit(ERF, x_train, merged, x_test)
        pairs = [(f.gradient_flow(), f.nngp_posterior(), f.gradient_flow(0)) for f in (wide, once)]
    for (mean, covariance), (expected_mean, expected_covariance) in zip(*pairs, strict=True):
        np.testing.assert_allclose(mean, expected_mean, atol=1e-9)
        np.testing.assert_allclose(covariance, expected_covariance, atol=1e-9)


def test_differences_below_the_kernels_error_are_not_learned(data, rng):
    """Kernels of equal inputs with sampling errors: their difference is noise, which would be magnified."""
    x_train, x_test, y = data
    wide = regression.fit(ERF, np.concatenate([x_train, x_train[:2]]), np.concatenate([y, y[:2] + 1]), x_test)

    def sampled(kernel):
        noise = np.triu(rng.uniform(-1e-5, 1e-5, size=kernel.shape))
        return kernel + noise + np.triu(noise, 1).T

    train = Kernels(sampled(wide.train.nngp), sampled(wide.train.ntk), 1e-5)
    near = regression.Regression(wide.y_train, train, wide.cross)
    np.testing.assert_allclose(near.gradient_flow().mean, wide.gradient_flow().mean, atol=1e-3)
    np.testing.assert_allclose(near.nngp_posterior().mean, wide.nngp_posterior().mean, atol=1e-3)


def test_an_untrainable_network_never_moves(data):
    @nv.architecture
    def frozen(net, x):
        return net.readout(net.vector("v", trainable=False), nv.erf(net.input("U", x, trainable=False)))

    x_train, x_test, y = data
    wide = regression.fit(frozen, x_train, y, x_test)
    np.testing.assert_array_equal(wide.gradient_flow().mean, np.zeros((TEST, OUTPUTS)))
    np.testing.assert_array_equal(wide.gradient_flow().covariance, wide.test.nngp)
    assert wide.learning_rate_bound() == np.inf


def test_times_may_be_arrays(data):
    x_train, x_test, y = data
    wide = regression.fit(ERF, x_train, y, x_test)
    times = np.array([[0.0, 1.0, np.inf], [0.1, 2.0, 3.0]])
    mean, covariance = wide.gradient_flow(times)
    assert mean.shape == (2, 3, TEST, OUTPUTS)
    assert covariance.shape == (2, 3, TEST, TEST)
    for place in np.ndindex(times.shape):
        one = wide.gradient_flow(times[place])
        np.testing.assert_allclose(mean[place], one.mean, atol=1e-13)
        np.testing.assert_allclose(covariance[place], one.covariance, atol=1e-13)
    steps = np.array([1, 5])
    np.testing.assert_allclose(
        wide.gradient_descent(steps, 0.1).mean[1], wide.gradient_descent(5, 0.1).mean, atol=1e-13
    )


def test_one_output_needs_no_axis(data):
    x_train, x_test, y = data
    both, first = (regression.fit(ERF, x_train, targets, x_test) for targets in (y, y[:, 0]))
    for one, two in ((first.gradient_flow(1), both.gradient_flow(1)), (first.nngp_posterior(), both.nngp_posterior())):
        assert one.mean.shape == (TEST,)
        np.testing.assert_allclose(one.mean, two.mean[:, 0], atol=1e-13)
        np.testing.assert_allclose(one.covariance, two.covariance, atol=1e-13)


def test_covariances_are_those_of_a_gaussian(data):
    x_train, x_test, y = data
    wide = regression.fit(mlp(), x_train, y, np.concatenate([x_test, x_train[:2]]))
    prior = wide.test.nngp
    covariances = [*wide.gradient_flow([0, 0.5, 5, np.inf]).covariance, wide.nngp_posterior(0.1).covariance]
    for covariance in covariances:
        np.testing.assert_allclose(covariance, covariance.T, atol=1e-13)
        assert np.linalg.eigvalsh(covariance).min() > -1e-12
    assert np.linalg.eigvalsh(prior - wide.nngp_posterior(0.1).covariance).min() > -1e-12  # data only teach


def test_kernels_are_computed_once_and_only_if_needed(data, monkeypatch):
    x_train, x_test, y = data
    calls = []
    monkeypatch.setattr(regression, "read", lambda name, *args: calls.append(name) or nv.infinite_ntk(*args))
    wide = regression.fit(ERF, x_train, y, x_test, covariance=False)
    assert wide.gradient_flow([1, 2]).covariance is None
    assert wide.nngp_posterior().covariance is None
    assert calls == ["infinite_ntk"] * 2
    np.testing.assert_array_equal(
        wide.gradient_flow().mean, regression.fit(ERF, x_train, y, x_test).gradient_flow().mean
    )


def test_sequences_of_different_lengths_are_learned_too(rng):
    sequences = [rng.normal(size=(length, 2)) for length in (2, 1, 2)]
    y = rng.normal(size=3)
    wide = regression.fit(nv.architectures.rnn(sigma_b=0.3), sequences, y, sequences[::-1], covariance=False)
    np.testing.assert_allclose(wide.gradient_flow().mean, y[::-1], atol=1e-9)


def test_a_normalised_batch_is_learned_as_one_input(rng):
    (x_train, x_test), y = rng.normal(size=(2, 4, 6)), rng.normal(size=4)
    arch = nv.architectures.batchnorm_mlp()
    learned, elsewhere = (regression.fit(arch, x_train, y, x, covariance=False) for x in (x_train, x_test))
    np.testing.assert_allclose(learned.gradient_flow().mean, y, atol=1e-7)
    np.testing.assert_array_equal(elsewhere.cross.ntk, nv.infinite_ntk(arch, x_test, x_train).ntk)


# --- the learning rate -----------------------------------------------------------------------------


@pytest.mark.parametrize(("fraction", "grows"), [(0.99, False), (1.01, True)])
def test_the_learning_rate_bound_is_sharp(data, fraction, grows):
    x_train, x_test, y = data
    wide = regression.fit(ERF, x_train, y, x_test)
    rate = fraction * wide.learning_rate_bound()
    error = -y
    for _ in range(2000):
        error = error - rate * wide.train.ntk @ error
    assert (np.linalg.norm(error) > 1e6) == grows
    assert (np.linalg.norm(error) < 1e-6) == (not grows)
    far = np.abs(wide.gradient_descent(2000, rate).mean - wide.gradient_flow().mean).max()
    assert far > 1e6 if grows else far < 1e-6


# --- against networks that are trained -------------------------------------------------------------


def trained(x_train, y, x_test, *, width, networks, advance, records):
    """The outputs of random networks at training and test inputs, at the start and after each advance but the last.

    `advance(downhill, parameters)` moves the parameters, given −∂L/∂ω. Returns `(networks, records, train + test)`.
    """
    program = ERF.trace((np.concatenate([x_train, x_test]),)).unrolled()

    def outputs(parameters):
        return run(program, parameters).output

    def downhill(parameters):
        f, pullback = jax.vjp(outputs, parameters)
        to_learn = jnp.concatenate([y - f[: len(y)], jnp.zeros(len(x_test))])
        return pullback(to_learn.astype(f.dtype))[0]

    def record(parameters, _):
        return advance(downhill, parameters), outputs(parameters)

    def one(key):
        return jax.lax.scan(record, sample_parameters(program, width, key), length=records)[1]

    keys = jax.random.split(jax.random.key(0), networks)
    return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=64))(keys), dtype=float)


def moved(parameters, rate, direction):
    """One step of a given length."""
    return jax.tree.map(lambda p, d: p + rate * d, parameters, direction)


def runge_kutta(dt, steps):
    """Gradient flow for a time of dt·steps, by the classical method of order four."""

    def step(downhill, p):
        a = downhill(p)
        b = downhill(moved(p, dt / 2, a))
        c = downhill(moved(p, dt / 2, b))
        d = downhill(moved(p, dt, c))
        return jax.tree.map(lambda p, a, b, c, d: p + dt / 6 * (a + 2 * b + 2 * c + d), p, a, b, c, d)

    return lambda downhill, p: jax.lax.fori_loop(0, steps, lambda _, p: step(downhill, p), p)


def test_wider_trained_networks_follow_their_prediction_more_closely(data):
    """Gradient descent from a network's own f₀: the outputs are f₀(x) + A(Y − f₀(X)), A that of infinite width."""
    x_train, x_test, y = data[0], data[1], data[2][:, 0]
    steps, rate = 60, 0.5 * regression.fit(ERF, x_train, y).learning_rate_bound()

    def relative_distance(width):
        f = trained(
            x_train,
            y,
            x_test,
            width=width,
            networks=32,
            advance=lambda downhill, p: moved(p, rate, downhill(p)),
            records=steps,
        )
        to_learn = (y - f[:, 0, :TRAIN]).T
        wide = regression.fit(ERF, x_train, to_learn, x_test, covariance=False)
        learned = np.moveaxis(wide.gradient_descent(np.arange(steps), rate).mean, -1, 0)
        farthest = np.abs(f[:, :, TRAIN:] - f[:, :1, TRAIN:] - learned).max(axis=(1, 2))
        return np.mean(farthest / np.linalg.norm(to_learn, axis=0))

    widths = (64, 128, 256, 512)
    distances = [relative_distance(width) for width in widths]
    assert distances[-1] < 0.04
    assert abs(np.polyfit(np.log(widths), np.log(distances), 1)[0] + 0.5) < 0.1


@pytest.mark.wide
@pytest.mark.full
def test_many_trained_networks_have_the_predicted_mean_and_covariance(data):
    x_train, x_test, y = data[0], data[1], data[2][:, 0]
    networks, records, steps = 1024, 4, 8
    wide = regression.fit(ERF, x_train, y, x_test)
    dt = 0.25 * wide.learning_rate_bound()
    f = trained(x_train, y, x_test, width=128, networks=networks, advance=runge_kutta(dt, steps), records=records)
    flow = wide.gradient_flow(dt * steps * np.arange(records))
    for record, mean, covariance in zip(np.moveaxis(f[:, :, TRAIN:], 1, 0), *flow, strict=True):
        variance = np.diag(covariance)
        assert np.all(np.abs(record.mean(axis=0) - mean) < 4 * np.sqrt(variance / networks))
        standard_error = np.sqrt((np.outer(variance, variance) + covariance**2) / networks)
        assert np.all(np.abs(np.cov(record.T) - covariance) < 4 * standard_error)


# --- classification --------------------------------------------------------------------------------


def test_one_hot_targets_are_centred():
    targets = regression.one_hot(["b", "a", "b"], classes=["a", "b", "c"])
    np.testing.assert_allclose(targets, np.array([[-1, 2, -1], [2, -1, -1], [-1, 2, -1]]) / 3)


@pytest.mark.parametrize("nonlinearity", [full("relu"), "erf"])
def test_both_kernels_read_handwritten_digits(nonlinearity):
    digits = load_digits()
    x = digits.data - digits.data.mean(axis=0)
    x /= np.sqrt(np.mean(x**2, axis=1, keepdims=True))
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:500], order[500:]
    targets = regression.one_hot(digits.target[train], range(10))
    arch = mlp(depth=3, nonlinearity=nonlinearity)
    wide = regression.fit(arch, x[train], targets, x[test], covariance=False)
    for prediction in (wide.nngp_posterior(), wide.gradient_flow()):
        assert np.mean(prediction.mean.argmax(axis=-1) == digits.target[test]) > 0.97


# --- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(5), r"y_train has shape \(5,\); for 6 training inputs it must be \(6,\) or \(6, outputs\)"),
        (np.zeros((6, 2, 1)), r"y_train has shape \(6, 2, 1\)"),
        (np.zeros((6, 0)), r"y_train has shape \(6, 0\)"),
        ([0, 1, 2, np.nan, 4, 5], "y_train contains NaN or infinity"),
        (["a"] * 6, "y_train is not an array of numbers"),
        ([1, 2, 3, 4, 5, 6j], "y_train contains complex numbers; every number must be real"),
    ],
    ids=["too few", "too deep", "no outputs", "NaN", "words", "complex"],
)
def test_unusable_targets_are_refused_before_any_kernel(data, y, message, monkeypatch):
    monkeypatch.setattr(regression, "read", None)
    with pytest.raises(InputError, match=message):
        regression.fit(ERF, data[0], y)


def test_unusable_inputs_are_named(data):
    x_train, x_test, y = data
    with pytest.raises(InputError, match="x_train contains NaN"):
        regression.fit(ERF, x_train * np.nan, y)
    with pytest.raises(InputError, match="x_test contains NaN"):
        regression.fit(ERF, x_train, y, x_test * np.nan)
    with pytest.raises(InputError, match="Inputs of different shapes"):
        regression.fit(ERF, x_train, y, x_test[:, :2])


def test_non_gaussian_outputs_are_refused(data):
    x_train, _, y = data
    with pytest.raises(HyperparameterError, match=r"Check fails.*output of mean_readout_mlp is not Gaussian"):
        regression.fit(nv.architectures.mean_readout_mlp(), x_train, y)
    with pytest.raises(HyperparameterError, match="Expected an architecture"):
        regression.fit("mlp", x_train, y)


@pytest.mark.parametrize("broken", [np.inf, np.nan])
def test_kernels_must_be_finite(by_hand, broken):
    y, train, cross, test = by_hand.y_train, by_hand.train, by_hand.cross, by_hand.test
    with pytest.raises(InputError, match="train kernels contain NaN or infinity, as those of batch normalisation"):
        regression.Regression(y, train._replace(ntk=train.ntk + broken), cross, test)
    with pytest.raises(InputError, match="test kernels contain NaN or infinity"):
        regression.Regression(y, train, cross, test._replace(nngp=test.nngp + broken))
    regression.Regression(y, train, cross, test._replace(ntk=test.ntk + broken))  # which nothing needs


@pytest.mark.parametrize("broken", ["train", "cross", "test"])
def test_kernels_must_be_real_numbers(by_hand, broken):
    parts = {"train": by_hand.train, "cross": by_hand.cross, "test": by_hand.test}
    for given, message in (
        (parts[broken].nngp + 0j, "contains complex numbers; every number must be real"),
        (parts[broken].nngp.astype(str).astype(object) + "?", "is not an array of numbers"),
    ):
        with pytest.raises(InputError, match=f"One of the {broken} kernels {message}"):
            regression.Regression(by_hand.y_train, **parts | {broken: parts[broken]._replace(nngp=given)})


def test_kernels_must_have_matching_shapes(by_hand):
    y, train, cross, test = by_hand.y_train, by_hand.train, by_hand.cross, by_hand.test
    with pytest.raises(InputError, match=r"train .* shape \(4, 4\); to match the others it must be \(6, 6\)"):
        regression.Regression(y, test, cross, test)
    with pytest.raises(InputError, match=r"test .* shape \(6, 6\); to match the others it must be \(4, 4\)"):
        regression.Regression(y, train, cross, train)


@pytest.mark.parametrize("t", [-1.0, np.nan, "late", None, True, [0.5, -0.5], 1j])
def test_times_are_at_least_zero(by_hand, t):
    with pytest.raises(HyperparameterError, match=r"t is .*; it must be a time ≥ 0"):
        by_hand.gradient_flow(t)


@pytest.mark.parametrize("steps", [-1, 2.5, np.inf, True])
def test_steps_are_whole_numbers(by_hand, steps):
    with pytest.raises(HyperparameterError, match=r"steps is .*; it must be a whole number ≥ 0"):
        by_hand.gradient_descent(steps, 0.1)


@pytest.mark.parametrize("number", [-0.1, np.nan, np.inf, "loud"])
def test_noise_and_rate_are_numbers(by_hand, number):
    with pytest.raises(HyperparameterError, match=r"noise is .*; it must be a finite number ≥ 0"):
        by_hand.nngp_posterior(number)
    with pytest.raises(HyperparameterError, match=r"rate is .*; it must be a finite number > 0"):
        by_hand.gradient_descent(1, number)


def test_labels_are_among_the_classes():
    with pytest.raises(InputError, match=r"The label 7 is not one of the classes \[0, 1, 4, 6\]\."):
        regression.one_hot([0, 7], [0, 1, 4, 6])
    with pytest.raises(InputError, match=r"The labels have shape \(1, 2\)"):
        regression.one_hot([[0, 1]], [0, 1])


# --- other losses, and momentum --------------------------------------------------------------------


LOSSES = {
    "squared": lambda f, y: 0.5 * jnp.sum((f - y) ** 2),
    "logistic": lambda f, y: jnp.sum(jnp.log1p(jnp.exp(-y * f))),
    "cross-entropy": lambda f, y: -jnp.sum(y * jax.nn.log_softmax(f)),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_training_is_that_of_a_linear_model_in_its_parameters(loss, rng):
    """f = f₀ + Jω with Θ = JJᵀ, trained by JAX's gradients of the loss and a velocity in the space of parameters."""
    features, features_test = rng.normal(size=(TRAIN, 9)) / 3, rng.normal(size=(TEST, 9)) / 3
    train, cross = features @ features.T, features_test @ features.T
    shape = (TRAIN, 3) if loss == "cross-entropy" else (TRAIN,)
    y = np.eye(3)[rng.integers(0, 3, TRAIN)] if loss == "cross-entropy" else rng.choice([-1.0, 1.0], TRAIN)
    start, start_test = rng.normal(size=shape), rng.normal(size=(TEST, *shape[1:]))
    wide = regression.Regression(y, Kernels(train, train, 0.0), Kernels(cross, cross, 0.0))
    found = wide.train_with(loss, [0, 1, 30], 0.2, momentum=0.7, start=(start, start_test))
    parameters = velocity = jnp.zeros((9, *shape[1:]))
    slope = jax.grad(lambda p: LOSSES[loss](start + features @ p, y))
    for _ in range(30):
        velocity = 0.7 * velocity + slope(parameters)
        parameters = parameters - 0.2 * velocity
    np.testing.assert_allclose(found.train[2], start + features @ parameters, rtol=1e-9)
    np.testing.assert_allclose(found.test[2], start_test + features_test @ parameters, rtol=1e-9)
    np.testing.assert_array_equal(found.test[0], start_test)


def test_training_with_the_squared_loss_is_gradient_descent(by_hand):
    found = by_hand.train_with("squared", [3, 0], 0.05)
    np.testing.assert_allclose(found.test, by_hand.gradient_descent([3, 0], 0.05).mean, rtol=1e-9, atol=1e-12)
    own = by_hand.train_with(lambda f, y: np.tanh(f - y), 2, 0.05)
    assert own.train.shape == (TRAIN, OUTPUTS)
    assert own.test.shape == (TEST, OUTPUTS)


def test_training_refuses_what_does_not_fit(by_hand):
    for wrong in ({"momentum": 1.0}, {"momentum": -0.1}, {"rate": 0.0}, {"loss": "hinge"}, {"steps": 0.5}):
        with pytest.raises(HyperparameterError):
            by_hand.train_with(**{"loss": "squared", "steps": 1, "rate": 0.1, **wrong})
    for loss in ("logistic", "cross-entropy"):
        with pytest.raises(InputError, match="targets"):
            by_hand.train_with(loss, 1, 0.1)
    with pytest.raises(InputError, match=r"shape \(2,\); they must have shape \(6, 2\)"):
        by_hand.train_with("squared", 1, 0.1, start=(np.zeros(2), 0.0))
    with pytest.raises(nv.DivergenceError, match="diverges at step"):
        by_hand.train_with("squared", 10**4, 1e3)
