"""`kernel_fn` agrees with `infinite_ntk`, and its derivatives with differences of that and with closed forms."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import full, full_except

import ntkviz as nv

A = nv.architectures
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 4))
SEQUENCES, OTHERS = RNG.normal(size=(2, 3, 4)), RNG.normal(size=(2, 3, 4))
EDGES = np.array([[[0, 1, 1], [1, 0, 1], [1, 1, 0]], [[0, 1, 0], [1, 0, 1], [0, 1, 0]]], float)
GRAPHS = RNG.normal(size=(2, 3, 4)), EDGES


@nv.architecture
def written_out(net, x, *, sigma_w=1.5, sigma_b=0.1):
    """Alike layers with different numbers, which are folded into one loop."""
    h = net.input("U", x)
    for k in range(4):
        h = net.matrix(f"W{k}", std=sigma_w / (k + 1)) @ nv.erf(h) + net.bias(f"b{k}", std=sigma_b)
    return net.readout("v", nv.erf(h))


CASES = {
    "relu": (A.mlp(depth=3), X, Y, ["sigma_w", "sigma_b", "sigma_v"]),
    "erf": (A.mlp(depth=2, nonlinearity="erf"), X, Y, ["sigma_w", "sigma_b"]),
    "gelu": (A.mlp(depth=2, nonlinearity="gelu"), X, Y, ["sigma_w", "sigma_b"]),
    "sin": (A.mlp(depth=2, nonlinearity="sin"), X, Y, ["sigma_w", "sigma_b"]),
    "tanh": (A.mlp(depth=1, nonlinearity="tanh"), X, Y, ["sigma_w", "sigma_b"]),  # nodes, which take long to compile
    "written out": (written_out, X, Y, ["sigma_w", "sigma_b"]),
    "ntk4a": (A.mlp(depth=2, nonlinearity="erf", parametrization="ntk4a"), X, Y, ["sigma_w"]),
    "resnet": (A.resnet(depth=2), X, Y, ["sigma_w"]),
    "layernorm": (A.layernorm_mlp(depth=2, eps=0.1), X, Y, ["sigma_w", "eps"]),
    "cnn": (A.cnn(depth=2), SEQUENCES, OTHERS, ["sigma_w", "sigma_b"]),
    "pooled cnn": (A.cnn(depth=2, pooling="average"), SEQUENCES, OTHERS, ["sigma_w"]),
    "valid cnn": (A.cnn(depth=2, padding="VALID", filter_size=2), SEQUENCES, OTHERS, ["sigma_w"]),
    "rnn": (A.rnn(), SEQUENCES, OTHERS, ["sigma_w", "sigma_u", "sigma_b"]),
    "averaged rnn": (A.rnn(pooling="average"), SEQUENCES, OTHERS, ["sigma_w"]),
    "gcn": (A.gcn(), GRAPHS, GRAPHS, ["sigma_w", "sigma_b"]),
    "attention": (A.attention(tied=True), SEQUENCES, OTHERS, ["temperature", "sigma_u"]),
    "transformer": (A.transformer(), SEQUENCES, OTHERS, ["sigma_w"]),
}
ALWAYS = "relu", "gelu", "pooled cnn", "rnn", "attention"
NTK_AND_NNGP = ("ntk", "nngp")
STEP = 1e-4
"""Of central differences, whose error is about STEP² = 1e-8 of a third derivative; rounding adds 1e-14/STEP."""


def differences(function, value):
    return (np.asarray(function(value + STEP)) - np.asarray(function(value - STEP))) / (2 * STEP)


def both(kernels):
    return np.stack([np.asarray(kernels.nngp), np.asarray(kernels.ntk)])


@pytest.mark.parametrize("case", full_except(CASES, *ALWAYS))
def test_values_and_derivatives_in_hyperparameters(case):
    arch, x, y, names = CASES[case]
    kernel = nv.kernel_fn(arch)
    assert both(kernel(x, y)) == pytest.approx(both(nv.infinite_ntk(arch, x, y)), rel=1e-12)
    values = {name: dict(arch.hyper)[name] * 1.1 + 0.05 for name in names}
    assert both(jax.jit(kernel)(x, y, **values)) == pytest.approx(
        both(nv.infinite_ntk(arch(**values), x, y)), rel=1e-12
    )
    backward = jax.jit(jax.jacrev(lambda values: jnp.stack(kernel(x, y, **values))))(values)
    for name, value in values.items():
        exact = differences(lambda v, name=name: both(nv.infinite_ntk(arch(**values | {name: v}), x, y)), value)
        assert backward[name] == pytest.approx(exact, rel=2e-6, abs=1e-8), name


@pytest.mark.parametrize("case", full_except(CASES, *ALWAYS))
def test_derivatives_in_inputs(case):
    """Along a random direction, in both arguments, forward and backward."""
    arch, x, y, _ = CASES[case]
    kernel = nv.kernel_fn(arch)
    moves = jax.tree.map(lambda part: np.random.default_rng(1).normal(size=part.shape), (x, y))
    if isinstance(x, tuple):  # of a graph only the features move
        moves = tuple((features, 0 * edges) for features, edges in moves)

    def moved(t):
        return jax.tree.map(lambda part, move: part + t * move, (x, y), moves)

    along = jax.jvp(lambda x, y: jnp.stack(kernel(x, y)), (x, y), moves)[1]
    exact = differences(lambda t: both(nv.infinite_ntk(arch, *moved(t))), 0.0)
    assert along == pytest.approx(exact, rel=2e-6, abs=1e-7)
    back = jax.grad(lambda both: jnp.stack(kernel(*both)).sum())((x, y))
    total = sum(np.sum(a * b) for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(moves), strict=True))
    assert total == pytest.approx(exact.sum(), rel=1e-5, abs=1e-6)


# --- coinciding inputs -----------------------------------------------------------------------------------------


def test_relu_at_coinciding_inputs():
    """One layer, σ_b = 0: K(x, y) = σ²|x||y|(sin θ + (π − θ) cos θ)/2πd, so ∇ₓK = σ²y/2d at x = y (Cho & Saul 2009).

    Θ = K + σ²⟨x, y⟩(π − θ)/2πd has a cone at x = y, whose symmetric derivative is that of the rest: σ²y/d in all.
    """
    kernel, x = nv.kernel_fn(A.mlp(depth=1, sigma_w=1.3, sigma_b=0.0)), X[0]
    slopes = {k: jax.grad(lambda a, k=k: getattr(kernel(a[None], x[None]), k)[0, 0])(x) for k in NTK_AND_NNGP}
    assert slopes["nngp"] == pytest.approx(1.3**2 * x / 8, rel=1e-13)
    assert slopes["ntk"] == pytest.approx(1.3**2 * x / 4, rel=1e-13)
    on_diagonal = jax.grad(lambda a: kernel(a[None]).ntk[0, 0])(x)  # Θ(x, x) = σ²|x|²/d, which is smooth
    assert on_diagonal == pytest.approx(2 * 1.3**2 * x / 4, rel=1e-13)


@pytest.mark.parametrize(
    "case", ["relu", "erf", "tanh", full("layernorm"), full("cnn"), full("rnn"), full("transformer")]
)
def test_coinciding_inputs(case):
    """The kernels of a batch with itself: finite, and equal to differences of the diagonal, which is smooth."""
    arch, x, _, names = CASES[case]
    kernel, name = nv.kernel_fn(arch), names[0]
    value = dict(arch.hyper)[name]
    found = jax.jacrev(lambda v: jnp.stack(kernel(x, **{name: v})))(value)
    exact = differences(lambda v: both(nv.infinite_ntk(arch(**{name: v}), x)), value)
    assert found == pytest.approx(exact, rel=2e-6, abs=1e-8)
    twice = jax.tree.map(lambda part: np.concatenate([part[:1], part[:1]]), x)
    slope = jax.grad(lambda x: jnp.stack(kernel(x)).sum())(twice)  # not finite if that of either kernel is not
    assert all(np.isfinite(part).all() for part in jax.tree.leaves(slope))


def test_relu_at_an_input_of_zero():
    """K(x, y) = σ²|x||y|(sin θ + (π − θ) cos θ)/2πd has a cone at x = 0.

    Along u, the mean of its slopes on both sides is σ²⟨u, y⟩/4d, and so is that of σ²⟨x, y⟩(π − θ)/2πd, the rest of Θ.
    """
    kernel, zero = nv.kernel_fn(A.mlp(depth=1, sigma_w=1.3, sigma_b=0.0)), np.zeros(4)
    slopes = {k: jax.grad(lambda a, k=k: getattr(kernel(a[None], Y[:1]), k)[0, 0])(zero) for k in NTK_AND_NNGP}
    assert slopes["nngp"] == pytest.approx(1.3**2 * Y[0] / 16, rel=1e-13)
    assert slopes["ntk"] == pytest.approx(1.3**2 * Y[0] / 8, rel=1e-13)


@pytest.mark.parametrize("nonlinearity", ["relu", "erf"])
def test_an_input_and_a_bias_of_zero(nonlinearity):
    kernel = nv.kernel_fn(A.mlp(depth=2, nonlinearity=nonlinearity))
    x = np.concatenate([np.zeros((1, 4)), X])
    sums, pull = jax.vjp(lambda x, b: jnp.stack(kernel(x, sigma_b=b)).sum((1, 2)), x, 0.0)
    for direction in np.eye(len(sums)):
        slopes = pull(direction)
        assert all(np.isfinite(part).all() for part in slopes)
        assert slopes[1] == 0  # the kernel is an even function of σ_b


def test_erf_hessian():
    kernel = nv.kernel_fn(A.mlp(depth=2, nonlinearity="erf"))
    value = lambda s: kernel(X, X[:2], sigma_w=s).ntk  # noqa: E731
    exact = differences(jax.jacfwd(value), 1.2)
    assert jax.jacfwd(jax.jacrev(value))(1.2) == pytest.approx(exact, rel=1e-6)


# --- transformations -------------------------------------------------------------------------------------------


def test_vmap():
    kernel = nv.kernel_fn(A.mlp(nonlinearity="erf"))
    grid = jnp.array([0.5, 1.0, 2.0])
    swept = nv.sweep(A.mlp(nonlinearity="erf"), X, sigma_w=grid.tolist())
    assert both(jax.vmap(lambda s: kernel(X, sigma_w=s))(grid)) == pytest.approx(both(swept), rel=1e-12)
    batches = jax.vmap(kernel)(SEQUENCES)
    assert both(batches)[:, 1] == pytest.approx(both(kernel(SEQUENCES[1])), rel=1e-12)


def test_other_numbers_do_not_recompile(compilations):
    kernel = nv.kernel_fn(A.mlp(depth=2))
    number = jnp.float64(0.3)  # whose conversion JAX compiles
    kernel(X, sigma_w=1.0)
    with compilations() as count:
        kernel(X + 1, sigma_w=2.0)
        kernel(X, sigma_w=number, sigma_b=0.7)
        assert count() == 0


def test_numbers_of_jax_are_plain_values_where_nothing_is_traced():
    kernel = nv.kernel_fn(A.mlp)
    found = kernel(jnp.asarray(X), depth=jnp.asarray(3), sigma_w=jnp.asarray(0.7))
    assert both(found) == pytest.approx(both(nv.infinite_ntk(A.mlp(depth=3, sigma_w=0.7), X)), rel=1e-12)


def test_structural_values_may_be_static():
    kernel = jax.jit(nv.kernel_fn(A.mlp), static_argnames=("depth", "nonlinearity"))
    found = kernel(X, depth=3, nonlinearity="erf", sigma_w=0.7)
    assert both(found) == pytest.approx(both(nv.infinite_ntk(A.mlp(depth=3, nonlinearity="erf", sigma_w=0.7), X)))


def test_inputs_of_lower_precision():
    low = X.astype(np.float32)
    kernel = nv.kernel_fn(A.mlp)
    found = jax.jit(kernel)(low)
    assert found.ntk.dtype == np.float64
    assert both(found) == pytest.approx(both(nv.infinite_ntk(A.mlp, low)), rel=1e-12)
    assert jax.grad(lambda x: kernel(x).ntk.sum())(low).dtype == np.float32


# --- other architectures ---------------------------------------------------------------------------------------


def test_numbers_that_are_computed_from_hyperparameters():
    @nv.architecture
    def derived(net, x, *, a=1.2, b=0.5, slope=0.1):
        h = net.input("U", x, std=a / b) * (1 - b**2)
        h = nv.leaky_relu(h, slope + 0.1 * a)
        return net.readout("v", net.matrix("W", std=nv.sqrt(a) if not isinstance(a, float) else a**0.5) @ h)

    kernel, values = nv.kernel_fn(derived), {"a": 0.9, "b": 0.6, "slope": 0.3}
    found = jax.jacrev(lambda values: kernel(X, **values).ntk)(values)
    for name, value in values.items():
        exact = differences(lambda v, name=name: nv.infinite_ntk(derived(**values | {name: v}), X).ntk, value)
        assert found[name] == pytest.approx(exact, rel=1e-6, abs=1e-8)


def test_a_traced_model():
    def make(n):
        def init(key, x):
            one, two = jax.random.split(key)
            return {"U": jax.random.normal(one, (4, n)) / 2, "v": jax.random.normal(two, (n,)) / n**0.5}

        return init, lambda p, x: jax.nn.relu(x @ p["U"]) @ p["v"]

    model = nv.trace(make)
    kernel = nv.kernel_fn(model)
    slope = jax.jit(jax.grad(lambda x: kernel(x, Y).ntk.sum()))(X)
    same = np.asarray(jax.grad(lambda x: nv.kernel_fn(A.mlp(depth=1, sigma_w=1.0, sigma_b=0.0))(x, Y).ntk.sum())(X))
    assert slope == pytest.approx(same, rel=1e-8)
    with pytest.raises(nv.HyperparameterError, match="no hyper-parameters"):
        kernel(X, sigma_w=1.0)


def test_batchnorm_has_values_and_no_derivatives():
    arch, x = A.batchnorm_mlp, RNG.normal(size=(6, 4))
    kernel = nv.kernel_fn(arch)
    assert both(jax.jit(kernel)(x, sigma_v=1.5)) == pytest.approx(
        both(nv.infinite_ntk(arch(sigma_v=1.5), x)), rel=1e-10
    )
    found = jax.grad(lambda s: kernel(x, sigma_v=s).nngp[0, 0])(1.5)  # the batch does not change
    assert found == pytest.approx(2 * 1.5 * nv.infinite_ntk(arch, x).nngp[0, 0], rel=1e-10)
    for derivative in (jax.grad, jax.jacfwd):
        with pytest.raises(nv.NoGradientError, match="batch normalisation"):
            derivative(lambda x: kernel(x).ntk.sum())(x)


@pytest.mark.parametrize("arch", [A.gru, A.tied_autoencoder, A.mean_readout_mlp], ids=lambda a: a.fn.__name__)
def test_other_readings_are_refused(arch):
    x = SEQUENCES if arch is A.gru else X
    with pytest.raises(
        nv.NoForwardLimitError, match=r"^nv\.kernel_fn needs the forward kernels.*\w\. For its values, use nv\.inf"
    ):
        nv.kernel_fn(arch)(x)


# --- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arch", "hyper", "x"),
    [
        (A.mlp, {"depth": 2}, X),
        (A.cnn, {"filter_size": 3}, SEQUENCES),
        (A.attention, {"heads": 1}, SEQUENCES),
        (A.attention, {"tied": True}, SEQUENCES),
    ],
)
def test_structural_hyperparameters(arch, hyper, x):
    (name,) = hyper
    with pytest.raises(nv.StructuralHyperparameterError, match=rf"^{name} of {arch.fn.__name__} cannot be traced"):
        jax.jit(nv.kernel_fn(arch))(x, **hyper, sigma_w=1.0)


def test_an_author_who_branches_on_a_number():
    @nv.architecture
    def branching(net, x, *, a=1.0, b=1.0):
        h = net.input("U", x, std=b)
        return net.readout("v", nv.relu(h) if a == 1.0 else h)

    kernel = nv.kernel_fn(branching)
    assert kernel(X, a=2.0).nngp.shape == (3, 3)
    with pytest.raises(nv.StructuralHyperparameterError, match="a of branching"):
        jax.grad(lambda a: kernel(X, a=a, b=2.0).ntk.sum())(1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda k: k(X, sigma_z=1.0), "mlp has no hyper-parameter 'sigma_z'"),
        (lambda k: jax.jit(k)(X, sigma_z=1.0), "mlp has no hyper-parameter 'sigma_z'"),
        (lambda k: k(X, sigma_w="wide"), "standard deviation of parameter W1 is 'wide'"),
        (lambda k: k(X, sigma_w=-1.0), "must be a finite number ≥ 0"),
        (lambda k: jax.jit(k)(X, sigma_w=jnp.ones(2)), r"sigma_w has shape \(2,\)"),
        (lambda k: k(X[0]), "takes data of shape"),
        (lambda k: jax.jit(k)(X[0]), "takes data of shape"),
        (lambda k: jax.jit(k)(X[0, 0]), "needs a batch axis"),
        (lambda k: k(X, Y[:, :3]), "different parameters"),
        (lambda k: jax.jit(k)(X, Y[:, :3]), "different parameters"),
        (lambda k: k("inputs"), "x1 is not an array of numbers"),
        (lambda k: k(X, [[np.nan] * 4]), "x2 contains NaN"),
        (lambda k: jax.jit(k)(X + 1j), "x1 contains complex numbers"),
        (lambda k: nv.kernel_fn("mlp"), "Expected an architecture"),
    ],
)
def test_bad_inputs(call, message):
    with pytest.raises(nv.NtkvizError, match=message):
        call(nv.kernel_fn(A.mlp))


def test_32_bit_mode_is_refused():
    with jax.enable_x64(False), pytest.raises(nv.HyperparameterError, match="32-bit mode"):
        nv.kernel_fn(A.mlp)(X)


def test_description():
    assert repr(nv.kernel_fn(A.mlp)) == f"nv.kernel_fn({A.mlp!r})"
    assert math.isclose(nv.kernel_fn(A.mlp)(X).ntk[0, 1], nv.infinite_ntk(A.mlp, X).ntk[0, 1], rel_tol=1e-12)
