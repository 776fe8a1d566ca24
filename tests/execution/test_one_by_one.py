"""Whether examples interact is read off the program, and no reading splits a batch in which they do."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import full

import ntkviz as nv
from ntkviz.errors import InputError
from ntkviz.execution.examples import examples_are_separate
from ntkviz.networks.finite import run, sample_parameters

B, T, D = 4, 3, 2
SHAPES = [(B, D), (B, T, D)]


def hidden(net, x):
    return nv.relu(net.matrix("W", std=1.3) @ nv.erf(net.input("U", x)))


def read(net, h):
    return net.readout("v", h)


def net_on(x_of):
    """The network that reads `x_of(net, x)`, vectors with one batch axis."""
    return lambda net, x: read(net, nv.relu(net.input("U", x_of(net, x))))


mixing_matrix = np.eye(B) + 0.5 * np.eye(B, k=1)


def far_pair(net, x):
    """Only the first and the last example interact."""
    weights = np.eye(B)
    weights[0, -1] = 1e-3
    return read(net, nv.einsum("ij,j->i", weights, hidden(net, x)))


def mean_over_batch(net, x):
    h = hidden(net, x)
    return read(net, h - h.mean(0))


def reversed_twice_but_once(net, x):
    return read(net, hidden(net, x)[::-1])


def sum_of_all(net, x):
    h = hidden(net, x)
    return read(net, h + h.sum(0))


def first_for_all(net, x):
    h = hidden(net, x)
    return read(net, h + h[0])


def merged_with_time(net, x):
    """Mixes examples and times: (B·T,) is cut into B pieces after a transposition."""
    h = hidden(net, x).transpose(1, 0).reshape(B * T)
    return read(net, h.reshape(B, T).mean(1))


def over_three_mix(net, x):
    h = hidden(net, x)
    return read(net, h + h.mean(0) if len(x) > 2 else h)


def scaled_by_size(net, x):
    return read(net, hidden(net, x) * (1 / len(x)))


def weight_of_its_own(net, x):
    """Examples are separate, but each is treated differently."""
    return read(net, hidden(net, x) * np.arange(1.0, len(x) + 1))


def parameter_of_its_own(net, x):
    return read(net, hidden(net, x) + net.vector("b", shape=(len(x),)))


def mean_of_a_nonlinearity_in_scalars(net, x):
    return net_on(lambda net, x: net.scalar_function(lambda a: a - a.mean(0), x, name="centred"))(net, x)


def softmax_over_the_batch(net, x):
    h = hidden(net, x)
    weights = nv.softmax(nv.inner(h[:, None], h[None]))
    return read(net, weights @ h)


def contrastive(net, x):
    h = hidden(net, x)
    return read(net, nv.relu(h - nv.concatenate([h[1:], h[:1]])))


def layers_that_meet(net, x):
    return read(net, net.repeat(2, lambda net, h: net.matrix("W") @ nv.relu(h[::-1]), net.input("U", x)))


def batchnorm(net, x):
    return read(net, nv.relu(nv.batchnorm(net.input("U", x))))


def one_in_a_loop(net, x):
    """A loop over examples, each of which sees the one before."""
    h = hidden(net, x)
    return read(net, nv.stack([h[0], *(h[k] + h[k - 1] for k in range(1, len(x)))]))


def loop_in_another_order(net, x):
    h = hidden(net, x)
    return read(net, nv.stack([h[k] for k in reversed(range(len(x)))]))


MEET = {
    "a far pair": (far_pair, SHAPES[0]),
    "a mean": (mean_over_batch, SHAPES[0]),
    "another order": (reversed_twice_but_once, SHAPES[0]),
    "a sum": (sum_of_all, SHAPES[0]),
    "the first one": (first_for_all, SHAPES[0]),
    "a reshape": (merged_with_time, SHAPES[1]),
    "more than two": (over_three_mix, SHAPES[0]),
    "by size": (scaled_by_size, SHAPES[0]),
    "own weights": (weight_of_its_own, SHAPES[0]),
    "own parameters": (parameter_of_its_own, SHAPES[0]),
    "a function of scalars": (mean_of_a_nonlinearity_in_scalars, SHAPES[0]),
    "attention over the batch": (softmax_over_the_batch, SHAPES[0]),
    "contrast": (contrastive, SHAPES[0]),
    "layers": (layers_that_meet, SHAPES[0]),
    "batchnorm": (batchnorm, SHAPES[0]),
    "a loop": (one_in_a_loop, SHAPES[0]),
    "a loop backwards": (loop_in_another_order, SHAPES[0]),
}


def constant_of_nodes(net, x):
    return read(net, nv.relu(net.scalar(mixing_matrix) @ net.input("U", x)))


MEET["a constant of nodes"] = (constant_of_nodes, SHAPES[0])


# --- examples that do not meet, written in many ways -------------------------------------------------


def plain(net, x):
    return read(net, hidden(net, x))


def merged_and_parted(net, x):
    """(B·T, d) and back: the batch is the outer part of one axis on the way."""
    h = nv.relu(net.input("U", x.reshape(B * T, D) if len(x) == B else x.reshape(T, D)))
    h = nv.erf(net.matrix("W") @ h)
    return read(net, h.reshape(len(x), T).mean(1))


def loop_over_examples(net, x):
    U, W, b = functools.partial(net.input), net.matrix("W"), net.bias("b", std=0.3)
    h = U("U", x)
    return read(net, nv.stack([nv.relu(W @ nv.erf(one) + 0.5 * b) for one in h]))


def loop_over_slices(net, x):
    h = hidden(net, x)
    return read(net, nv.concatenate([nv.relu(h[k : k + 1] * 0.5 - 0.1) for k in range(len(x))]))


def loop_over_pairs(net, x):
    """Two vectors of each example, side by side along one axis."""
    h = hidden(net, x)
    return read(net, nv.stack([v for k in range(len(x)) for v in (h[k, 0], h[k, 1])]).reshape(len(x), 2).sum(1))


def zeros_for_the_batch(net, x):
    padded = nv.concatenate([net.scalar(np.zeros((len(x), 1, D))), x], axis=1)
    return read(net, hidden(net, padded)[:, :3].mean(1))


def broadcast_to_the_batch(net, x):
    start = net.vector("s", shape=(T,)).broadcast_to((len(x), T))
    return read(net, nv.relu(start + net.input("U", x)).sum(1))


def made_anew(net, x, gain=1.5):
    """A nonlinearity that is a new object in each run."""
    phi = nv.nonlinearity(lambda h: jnp.tanh(gain * h))
    return read(net, phi(net.input("U", x)))


def attention(net, x):
    h = hidden(net, x)
    scores = nv.inner(h[:, :, None], h[:, None, :])
    return read(net, (nv.softmax(scores) @ h)[:, np.array([0, 2])].pad([(0, 0), (1, 0)]).mean(1))


def layers(net, x):
    scale = nv.sqrt(nv.inner(h := net.input("U", x), h) + 1)
    return read(net, net.repeat(2, lambda net, h: (net.matrix("W") @ nv.relu(h)) * scale, h))


def norm_over_time(net, x):
    h = nv.batchnorm(net.input("U", x), axis=1)
    return net.readout("v", nv.relu(h.transpose(1, 0).transpose(1, 0)), axes=1)


SEPARATE = {
    "plain": (plain, SHAPES[0]),
    "merged": (merged_and_parted, SHAPES[1]),
    "a loop": (loop_over_examples, SHAPES[0]),
    "slices": (loop_over_slices, SHAPES[0]),
    "pairs": (loop_over_pairs, SHAPES[1]),
    "zeros": (zeros_for_the_batch, SHAPES[1]),
    "broadcast": (broadcast_to_the_batch, SHAPES[1]),
    "made anew": (made_anew, SHAPES[0]),
    "attention": (attention, SHAPES[1]),
    "layers": (layers, SHAPES[0]),
    "norm over time": (norm_over_time, SHAPES[1]),
}


def _outputs(arch, x, width=7):
    """f(x) of one random network of this program, in float64."""
    program = arch.trace((x,)).unrolled()
    return np.asarray(run(program, sample_parameters(program, width, jax.random.key(0), np.float64)).output)


@pytest.mark.parametrize(("fn", "shape"), MEET.values(), ids=MEET)
def test_interacting_examples_are_detected(rng, fn, shape):
    assert not examples_are_separate(nv.architecture(fn), (rng.normal(size=shape),))


@pytest.mark.parametrize(("fn", "shape"), SEPARATE.values(), ids=SEPARATE)
def test_separate_examples_are_detected(rng, fn, shape):
    arch, x = nv.architecture(fn), rng.normal(size=shape)
    each = [_outputs(arch, x[[k]])[0] for k in range(B)]
    np.testing.assert_allclose(_outputs(arch, x), each, rtol=1e-12)
    assert examples_are_separate(arch, (x,))


# --- every reading of a network whose examples meet ------------------------------------------------------


@nv.architecture
def nodes(net, x, *, sigma_v=1.0):
    """One layer on a graph whose nodes are the examples."""
    return net.readout("v", nv.relu(net.scalar(mixing_matrix) @ net.input("U", x)), std=sigma_v)


@nv.architecture
def one_layer(net, x, *, sigma_v=1.0):
    """The same, on features that have been averaged over neighbours in advance."""
    return net.readout("v", nv.relu(net.input("U", x)), std=sigma_v)


@nv.architecture
def crowd(net, x):
    """Examples interact in large batches only."""
    return net.readout("v", nv.relu(net.input("U", x - x.mean(0) if len(x) > 2 else x)))


def _same_kernels(found, expected):
    atol = 1e-9 + 4 * found.error  # a standard error, where the general reading samples
    for part in ("nngp", "ntk"):
        np.testing.assert_allclose(getattr(found, part), getattr(expected, part), rtol=1e-6, atol=atol)


@pytest.fixture
def x(rng):
    return rng.normal(size=(B, D))


@pytest.fixture
def other(rng):
    return rng.normal(size=(B, D)) + 1


@nv.architecture
def three_nodes(net, x):
    """A smaller graph: the general reading multiplies sums over nodes, and takes a minute over four."""
    return net.readout("v", nv.relu(net.scalar(mixing_matrix[:3, :3]) @ net.input("U", x)))


@pytest.mark.parametrize(("method", "graph", "size"), [("forward", nodes, B), full(("general", three_nodes, 3))])
def test_limit_kernels_are_those_of_the_averaged_features(x, other, method, graph, size):
    x, other, mixing = x[:size], other[:size], mixing_matrix[:size, :size]
    px, p_other = mixing @ x, mixing @ other
    _same_kernels(nv.infinite_ntk(graph, x, method=method), nv.infinite_ntk(one_layer, px))
    _same_kernels(nv.infinite_ntk(graph, x, other, method=method), nv.infinite_ntk(one_layer, px, p_other))


def test_batches_of_different_sizes_have_means_of_their_own(rng, x):
    for more in (x[:3], rng.normal(size=(6, D))):
        centred = [batch - batch.mean(0) for batch in (x, more)]
        _same_kernels(nv.infinite_ntk(crowd, x, more), nv.infinite_ntk(one_layer, *centred))


def test_a_batch_in_which_nothing_meets_beside_one_in_which_examples_do(x):
    for one in (x[:1], x[:2]):
        _same_kernels(nv.infinite_ntk(crowd, one, x), nv.infinite_ntk(one_layer, one, x - x.mean(0)))
        found = nv.empirical_ntk(crowd, x, one, width=32, key=0)
        np.testing.assert_allclose(found, nv.empirical_ntk(one_layer, x - x.mean(0), one, width=32, key=0), rtol=1e-4)


def test_finite_networks_are_those_of_the_averaged_features(x, other):
    px, p_other = mixing_matrix @ x, mixing_matrix @ other
    pairs = [
        (
            nv.empirical_ntk(nodes, x, other, width=64, key=3),
            nv.empirical_ntk(one_layer, px, p_other, width=64, key=3),
        ),
        (
            nv.sample_outputs(nodes, x, width=64, draws=5, key=0),
            nv.sample_outputs(one_layer, px, width=64, draws=5, key=0),
        ),
    ]
    y, how = np.array([1.0, -1, 0, 2]), {"width": 64, "key": 1, "learning_rate": 0.2, "steps": [0, 3]}
    pairs += zip(nv.train(nodes, x, y, other, **how), nv.train(one_layer, px, y, p_other, **how), strict=True)
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_random_networks_tend_to_the_limit(x):
    limit = nv.infinite_ntk(nodes, x).ntk
    wide = np.mean([nv.empirical_ntk(nodes, x, width=1024, key=k) for k in range(16)], axis=0)
    np.testing.assert_allclose(wide, limit, atol=0.05 * np.max(limit))  # 1/√(16·1024) is 0.008
    rows = nv.deviation(nodes, x, widths=[64, 1024], seeds=10).means()
    assert rows[1024] < 0.5 * rows[64]


def test_sweeps_and_regressions_are_those_of_the_averaged_features(x, other):
    px, p_other, y = mixing_matrix @ x, mixing_matrix @ other, np.arange(4.0)
    _same_kernels(nv.sweep(nodes, x, sigma_v=[0.5, 2.0]), nv.sweep(one_layer, px, sigma_v=[0.5, 2.0]))
    found = nv.regression.fit(nodes, x, y, other).gradient_flow(2.0)
    expected = nv.regression.fit(one_layer, px, y, p_other).gradient_flow(2.0)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-6)
    np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-6, atol=1e-9)


def test_regression_between_nodes_of_one_graph(x):
    """Training and test nodes interact if the kernels are those of all nodes."""
    train, test, y = [0, 1, 3], [2], np.array([1.0, -1.0, 0.5])
    kernels, px = nv.infinite_ntk(nodes, x), mixing_matrix @ x

    def part(rows, columns):
        return nv.Kernels(kernels.nngp[np.ix_(rows, columns)], kernels.ntk[np.ix_(rows, columns)], kernels.error)

    wide = nv.regression.Regression(y, part(train, train), part(test, train), part(test, test))
    expected = nv.regression.fit(one_layer, px[train], y, px[test])
    np.testing.assert_allclose(wide.gradient_flow(1.0).mean, expected.gradient_flow(1.0).mean, rtol=1e-6)


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 2, 3, 500])
def test_blocks_are_refused_whatever_their_size(x, block):
    for arch in (nodes, crowd):
        with pytest.raises(InputError, match=r"treats a batch as one input.*use infinite_ntk"):
            nv.gram(arch, x, block=block, progress=False)


def test_blocks_are_refused_where_only_examples_of_small_batches_interact(rng):
    @nv.architecture
    def small_crowd(net, x):
        return net.readout("v", nv.relu(net.input("U", x - x.mean(0) if 1 < len(x) < 3 else x)))

    x = rng.normal(size=(8, D))
    assert nv.gram(small_crowd, x, block=4, progress=False).ntk.shape == (8, 8)
    with pytest.raises(InputError, match="treats a batch as one input"):
        nv.gram(small_crowd, x, block=3, progress=False)  # 3, 3 and 2


@nv.architecture
def average_over_all(net, x):
    """Sequences whose states interact with those of the other sequences."""
    h = nv.relu(net.input("U", x)).mean(1)
    return net.readout("v", nv.relu(h - h.mean(0)))


@pytest.mark.parametrize(
    "read",
    [
        nv.infinite_ntk,
        functools.partial(nv.empirical_ntk, width=8, key=0),
        functools.partial(nv.sample_outputs, width=8, draws=2, key=0),
        functools.partial(nv.gram, progress=False),
    ],
    ids=["limit", "finite", "outputs", "blocks"],
)
def test_inputs_of_several_shapes_are_no_batch_that_could_meet(rng, read):
    sequences = [rng.normal(size=(length, D)) for length in (2, 3)]
    with pytest.raises(InputError, match="treats a batch as one input"):
        read(average_over_all, sequences)


def test_parameters_that_depend_on_the_size_of_the_batch_are_no_network_for_two_sizes(x):
    one_each = nv.architecture(parameter_of_its_own)
    std_by_size = nv.architecture(lambda net, x: net.readout("v", net.input("U", x), std=1 / len(x)))
    for arch in (one_each, std_by_size):
        assert nv.infinite_ntk(arch, x, x + 1).ntk.shape == (B, B)
        for kernel in (nv.infinite_ntk, functools.partial(nv.empirical_ntk, width=8, key=0)):
            with pytest.raises(InputError, match=r"Batches of different sizes, 4 and 3, give .* different parameters"):
                kernel(arch, x, x[:3])


def test_numbers_that_depend_on_the_length_are_no_network_for_two_lengths(rng):
    @nv.architecture
    def by_length(net, x):
        h = net.matrix("W", std=1 / x.shape[1]) @ nv.relu(net.input("U", x))
        return net.readout("v", h.mean(1))

    with pytest.raises(InputError, match=r"different parameters \(W\)"):
        nv.infinite_ntk(by_length, [rng.normal(size=(length, D)) for length in (2, 3)])
