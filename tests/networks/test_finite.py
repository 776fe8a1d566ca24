"""The empirical NTK: the structured sum over uses against the plain Jacobian over all parameters."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matrix_products import is_in_full, some_products
from selection import full

import ntkviz as nv
from ntkviz.errors import HyperparameterError, InputError
from ntkviz.networks import uses
from ntkviz.networks.finite import _examples_at_once, ntk_of_examples
from ntkviz.networks.sampling import random_key, run, sample_parameters
from ntkviz.networks.uses import Uses

WIDTH = 16


def plain_jacobian_ntk(arch, x1, x2, key, scale=1.0):
    """Σ lr·⟨∂f/∂ω, ∂f̄/∂ω⟩ by `jax.jacobian` in float64, at the same random parameters."""
    programs = [arch.trace((np.asarray(x),)).unrolled() for x in (x1, x2)]
    parameters = sample_parameters(programs[0], WIDTH, jax.random.key(key))
    parameters = tuple(p.astype(jnp.float64) for p in parameters)
    jacobians = [jax.jit(jax.jacobian(lambda w, p=p: run(p, w).output))(parameters) for p in programs]
    total = 0.0
    for declared, j1, j2 in zip(programs[0].parameters, *jacobians, strict=True):
        lr = programs[0].constants[programs[0].instructions[declared.lr].op.index]
        if declared.trainable:
            total = total + lr * j1.reshape(len(x1), -1) @ j2.reshape(len(x2), -1).T
    return scale * total


@nv.architecture
def rnn(net, tokens, *, sigma_w=1.4):
    """One W for all time steps."""
    u, b, W = net.input("U", tokens, lr=0.5), net.bias("b", std=0.3), net.matrix("W", std=sigma_w)
    h, s = u[:, 0] + b, []
    for t in range(tokens.shape[1]):
        h = u[:, t] + W @ nv.erf(h) + b
        s.append(nv.erf(h))
    return net.readout("v", nv.stack(s, 1).mean(1))


@nv.architecture
def transposed(net, x):
    """W and Wᵀ both in the forward pass."""
    W = net.matrix("W", std=1.2, lr=2.0)
    return net.readout("v", nv.erf(W.T @ nv.erf(W @ nv.erf(net.input("U", x)))))


@nv.architecture
def many_matrices(net, x):
    """An array of matrices, a readout of its own at each position, and a frozen input matrix."""
    h = nv.erf(net.input("U", x, trainable=False))
    W = net.matrix("W", shape=(2, 3), fan=3)
    sums = [functools.reduce(lambda a, b: a + b, [W[i, j] @ h for j in range(3)]) for i in range(2)]
    return net.readout("v", nv.erf(nv.stack(sums, 1)), axes=1)


@nv.architecture
def whole_batch(net, x):
    """Batch normalisation, where a batch is one input."""
    h = nv.relu(nv.batchnorm(net.input("U", x)))
    return net.readout("v", nv.relu(net.matrix("W") @ h))


@nv.architecture
def layer_normalised(net, x):
    """Moments, through which gradients pass too."""
    return net.readout("v", nv.relu(net.matrix("W") @ nv.layernorm(net.input("U", x))))


@nv.architecture
def tied(net, x):
    """A readout that is an interior vector: f = ⟨x, φ(Wx)⟩/n fails the check."""
    h = nv.erf(net.input("U", x))
    return nv.inner(h, nv.erf(net.matrix("W") @ h))


@nv.architecture
def shared_vector(net, x):
    """One random vector as bias and as readout."""
    v = net.vector("v", std=0.8)
    return net.readout(v, nv.erf(net.input("U", x) + v))


VECTORS, SEQUENCES = (3, 4), (3, 3, 2)


@pytest.mark.parametrize(
    ("arch", "shape", "scale"),
    [
        full((nv.architectures.mlp(depth=3, nonlinearity="erf"), VECTORS, 1)),
        (nv.architectures.mlp(depth=2, sigma_b=0.4, parametrization="ntk4a"), VECTORS, 1),
        full((rnn, SEQUENCES, 1)),
        (rnn(parametrization="ntk4a"), SEQUENCES, 1),
        (transposed, VECTORS, 1),
        full((many_matrices, VECTORS, 1)),
        (whole_batch, VECTORS, 1),
        (layer_normalised, VECTORS, 1),
        (tied, VECTORS, WIDTH),
        (shared_vector, VECTORS, WIDTH),
    ],
    ids=lambda a: getattr(a, "__name__", None),
)
def test_structured_ntk_is_the_plain_jacobians(rng, arch, shape, scale):
    x1, x2 = rng.normal(size=shape), rng.normal(size=(2, *shape[1:]))
    structured = nv.empirical_ntk(arch, x1, x2, width=WIDTH, key=3)
    plain = plain_jacobian_ntk(arch, x1, x2, key=3, scale=scale)
    assert structured.shape == (3, 2)
    assert np.max(np.abs(structured - plain)) < 1e-5 * np.max(np.abs(plain))


def test_unused_values_contribute_nothing_even_if_they_are_nan(rng):
    @nv.architecture
    def network(net, x):
        h = net.input("U", x)
        net.matrix("W") @ nv.layernorm(net.input("A", x))  # 0/0 where x is 0
        return net.readout("v", nv.relu(h))

    @nv.architecture
    def without(net, x):
        return net.readout("v", nv.relu(net.input("U", x)))

    x = np.stack([np.zeros(3), rng.normal(size=3)])
    kernels = [nv.empirical_ntk(arch(), x, width=4096, key=0)[1, 1] for arch in (network, without)]
    np.testing.assert_allclose(*kernels, rtol=0.1)  # of two networks: parameters are drawn by number


def test_blocks_of_examples_equal_the_whole(rng, monkeypatch):
    x = rng.normal(size=(3, 2))
    whole = nv.empirical_ntk(nv.architectures.mlp(), x, width=8, key=0)
    monkeypatch.setattr("ntkviz.networks.finite._examples_at_once", lambda program, width: 2)
    in_blocks = nv.empirical_ntk(nv.architectures.mlp(), x, width=8, key=0)
    np.testing.assert_allclose(in_blocks, whole, rtol=1e-5)


@pytest.mark.parametrize(
    ("arch", "shape"),
    [
        full((nv.architectures.mlp(), (5, 3))),
        full((nv.architectures.rnn(), (5, 6, 3))),
        (nv.architectures.batchnorm_mlp(), (5, 3)),
    ],
)
def test_a_batch_with_itself_gives_the_same_as_with_its_copy(rng, arch, shape, monkeypatch):
    """The network is run once, blocks below the diagonal are copies, and gradients are computed once."""
    monkeypatch.setattr("ntkviz.networks.finite._examples_at_once", lambda program, width: 2)
    x = rng.normal(size=shape)
    itself = nv.empirical_ntk(arch, x, width=8, key=0)
    np.testing.assert_array_equal(itself, itself.T)
    np.testing.assert_allclose(itself, nv.empirical_ntk(arch, x, x.copy(), width=8, key=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("arch", "shape", "width", "most"),
    [
        # W¹ (784 in), W², b¹, b² and v, each used once; b and v count as much in as out.
        (nv.architectures.mlp(depth=2), (1, 784), 2048, 2**24 // (2048 + 784 + 4 * 2 * 2048)),
        (nv.architectures.mlp(depth=2), (1, 4), 8, 2**12),  # products of 2¹² examples with each other
        (nv.architectures.rnn(), (1, 10, 4), 8, 2**12 // 10),  # of 10 uses of W in each
        (nv.architectures.rnn(), (1, 100, 4), 512, 256),
    ],
)
def test_blocks_are_as_large_as_memory_allows(arch, shape, width, most):
    assert _examples_at_once(arch.trace((np.ones(shape),)).unrolled(), width) == most


@pytest.mark.parametrize("columns", [3, 11])
def test_products_of_gradients_are_those_of_whole_gradients(rng, monkeypatch, columns):
    monkeypatch.setattr(uses, "_CACHED", 100)  # two of seven rows at a time: one is left over
    u, w = (Uses(*(jnp.asarray(rng.normal(size=(*size, n))) for n in (7, columns))) for size in ((3, 5), (2, 4)))
    gradients = [np.einsum("iur,iuc->irc", *m).reshape(len(m.a), -1) for m in (u, w)]
    np.testing.assert_allclose(uses._products_of_gradients([u, w]), gradients[0] @ gradients[1].T, rtol=1e-9)
    np.testing.assert_allclose(uses._products_of_gradients([u]), gradients[0] @ gradients[0].T, rtol=1e-9)


def test_the_same_seed_gives_the_same_network(rng):
    x = rng.normal(size=(3, 2))
    first, again, other = (nv.empirical_ntk(nv.architectures.mlp(), x, width=8, key=k) for k in (1, np.int64(1), 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    np.testing.assert_array_equal(first, nv.empirical_ntk(nv.architectures.mlp(), x, width=8, key=jax.random.key(1)))


def test_moving_a_hyperparameter_compiles_nothing(rng, compilations):
    x = rng.normal(size=(3, 2))
    nv.empirical_ntk(nv.architectures.mlp(sigma_w=1.5), x, width=8, key=0)
    with compilations() as count:
        nv.empirical_ntk(nv.architectures.mlp(sigma_w=2, sigma_b=0.3), x, width=8, key=1)
    assert count() == 0


def test_a_network_may_have_width_one(rng):
    assert np.all(np.isfinite(nv.empirical_ntk(nv.architectures.mlp(), rng.normal(size=(2, 2)), width=1, key=0)))


@pytest.mark.parametrize("width", [0, -3, 2.5, "wide", True])
def test_width_must_be_a_whole_number(rng, width):
    with pytest.raises(HyperparameterError, match=r"The width is .*; it must be a whole number ≥ 1\."):
        nv.empirical_ntk(nv.architectures.mlp(), rng.normal(size=(2, 2)), width=width, key=0)


def test_inputs_must_have_one_shape(rng):
    with pytest.raises(InputError, match="Inputs of different shapes"):
        nv.empirical_ntk(nv.architectures.mlp(), rng.normal(size=(2, 2)), rng.normal(size=(2, 3)), width=4, key=0)


def test_a_key_is_a_seed_or_a_key(rng):
    x = rng.normal(size=(2, 2))
    seed, key, raw = (
        nv.empirical_ntk(nv.architectures.mlp(), x, width=4, key=k)
        for k in (3, jax.random.key(3), jax.random.PRNGKey(3))
    )
    np.testing.assert_array_equal(seed, key)
    np.testing.assert_array_equal(seed, raw)
    nv.empirical_ntk(nv.architectures.mlp(), x, width=4, key=-1)
    for wrong in ("3", 0.5, None):
        with pytest.raises(HyperparameterError, match="whole number or a JAX random key"):
            nv.empirical_ntk(nv.architectures.mlp(), x, width=4, key=wrong)


def test_every_seed_of_32_bits_has_a_key_of_its_own():
    seeds = (0, 1, 64, 2**16, 2**31, 2**32 - 1)
    assert len({tuple(np.asarray(jax.random.key_data(random_key(seed))).tolist()) for seed in seeds}) == len(seeds)


@pytest.mark.parametrize(
    ("arch", "shape"),
    [
        (nv.architectures.rnn(), (2, 6, 3)),
        (nv.architectures.transformer(), (2, 6, 3)),
        (nv.architectures.mlp(), (2, 3)),
    ],
)
def test_no_matrix_product_is_rounded_on_a_gpu(arch, shape):
    """No test has a GPU, but what is requested from JAX can be checked without one."""
    x = np.ones(shape)
    program = arch.trace((x[:1],)).unrolled().with_data(x)
    parameters = sample_parameters(program, WIDTH, jax.random.key(0))
    made = jax.make_jaxpr(ntk_of_examples, static_argnums=3)(program, None, parameters, WIDTH)
    assert all(is_in_full(product) for product in some_products(made.jaxpr))
