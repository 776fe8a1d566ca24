"""The Master Theorem: averages over a wide network's coordinates against expectations over the Z's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm
from selection import full, full_except

import ntkviz as nv
from ntkviz.calculus import master
from ntkviz.calculus.gaussianity import form
from ntkviz.calculus.master import coordinates, expectation, limit_law, master_theorem
from ntkviz.errors import HyperparameterError
from ntkviz.gaussian.sobol import sobol_normal
from ntkviz.language import as_nonlinearity
from ntkviz.networks.sampling import run, sample_parameters

pytestmark = pytest.mark.wide

library = nv.architectures
SEEDS, SEEDS_FOR_SPREAD = 12, 40
WIDTH, WIDTH_FOR_SPREAD = 1024, 256
LIKE_GAUSSIAN = 0.035  # 4096 Gaussian samples are further away once in ten thousand times

VECTOR = np.array([[0.8, -1.1, 0.4]])
SEQUENCE = np.random.default_rng(3).normal(size=(1, 3, 2))
BATCH = np.random.default_rng(4).normal(size=(4, 3))


def first(a, *_):
    return a


def second(_, b):
    return b


def product(a, b):
    return a * b


def square(a, *_):
    return a**2


def clipped(a, b):
    return nv.relu(a) * jnp.tanh(b)


@nv.architecture
def worked_example(net, x):
    """The counterexample of Tensor Programs II to gradient independence: f = 1ᵀ(Wx)²/n for x = ωξ + 1."""
    return nv.moment(nv.square(net.matrix("W") @ (net.input("U", x) + 1.0)))


XI = 0.7
C = 1 + XI**2


# --- the limits, against closed forms -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("assume_gia", "psi", "vectors", "value"),
    [
        (False, first, ["dx1"], 2.0),  # Ż = 2 Z^x has mean 2; without it there is only Ẑ
        (False, square, ["dx1"], 4 * C + 4 * C),
        (False, product, ["x1", "dx1"], 2 * C),
        (False, product, ["g2", "dg2"], 2 * C),
        (True, first, ["dx1"], 0.0),
        (True, square, ["dx1"], 4 * C),
        (True, product, ["x1", "dx1"], 0.0),
        (True, product, ["g2", "dg2"], 2 * C),
    ],
)
def test_the_limits_of_the_worked_example(assume_gia, psi, vectors, value):
    program = nv.program(worked_example, [[XI]]).backward(assume_gia=assume_gia)
    limit = expectation(program, psi, vectors)
    assert abs(limit.value - value) <= 4 * limit.error
    assert limit.error < 0.01


def test_the_standard_error_is_that_of_other_scrambles(monkeypatch):
    program = nv.program(worked_example, [[XI]]).backward()
    estimates = []
    for batch in range(12):
        others = functools.partial(scrambled_from, master.SCRAMBLES * (1 + batch))
        monkeypatch.setattr(master, "sobol_normal", others)
        estimates.append(expectation(program, product, ["x1", "dx1"]))
    values, errors = np.array(estimates).T
    assert 0.5 < np.std(values, ddof=1) / np.sqrt(np.mean(errors**2)) < 2


def scrambled_from(start, dimension, log2_points, seed):
    """Sobol points as master.py requests them, but from other scrambles."""
    return sobol_normal(dimension, log2_points, seed=start + seed)


def test_the_laws_of_a_perceptron_are_the_textbook_ones():
    program = nv.program(library.mlp(sigma_w=1.3, sigma_b=0.4), VECTOR).backward()
    limit = limit_law(program)
    laws = {line.name: limit.vectors[line.index] for line in program.lines() if line.index in limit.vectors}
    k1 = 1.3**2 * np.sum(VECTOR**2) / 3 + 0.4**2
    k2 = 1.3**2 * k1 / 2 + 0.4**2
    for name, mean, std in [
        ("x1", 0, k1**0.5),
        ("x2", (k1 / (2 * np.pi)) ** 0.5, (k1 / 2 - k1 / (2 * np.pi)) ** 0.5),
        ("x3", 0, k2**0.5),
        ("dx4", 0, 1),
        ("dg2", 0, 0.5**0.5),
        ("dx2", 0, 1.3 * 0.5**0.5),
        ("dg1", 0, 1.3 * 0.5),
    ]:
        np.testing.assert_allclose(laws[name].mean, mean, atol=2e-3)
        np.testing.assert_allclose(laws[name].std, std, rtol=2e-3)
        assert laws[name].samples.shape == (*laws[name].mean.shape, 4096)


def test_scalars_converge_to_numbers():
    program = nv.program(library.layernorm_mlp(sigma_w=1.3, sigma_b=0.4), VECTOR).backward()
    limit = limit_law(program)
    scalars = {line.name: limit.scalars[line.index] for line in program.lines() if line.type == "scalar"}
    k1 = 1.3**2 * np.sum(VECTOR**2) / 3 + 0.4**2
    np.testing.assert_allclose(scalars["θ1"], [0], atol=1e-3)
    np.testing.assert_allclose(scalars["θ2"], [k1], rtol=1e-3)
    np.testing.assert_allclose(scalars["dθ2"], [[0]], atol=1e-3)
    values = coordinates(program, width=4096, key=0)
    names = {line.name: line.index for line in program.lines()}
    np.testing.assert_allclose(values[names["θ2"]], [k1], rtol=0.1)


# --- both sides ------------------------------------------------------------------------------------------


@functools.cache
def networks(name, width, seeds):
    """Coordinates of several random networks."""
    program, _ = PROGRAMS[name]
    return [coordinates(program, width=width, key=seed) for seed in range(seeds)]


def averages(name, psi, width, seeds):
    """(1/n) Σ ψ of several random networks."""
    program, vectors = PROGRAMS[name]
    places = {line.name: line.index for line in program.lines()}
    chosen = [(v, ()) if isinstance(v, str) else (v[0], v[1:]) for v in vectors]
    made = []
    for values in networks(name, width, seeds):
        arguments = [values[places[k]][index or (0,) * (values[places[k]].ndim - 1)] for k, index in chosen]
        made.append(float(np.mean(psi(*arguments))))
    return np.array(made)


def standard_error(name, psi):
    """The standard error of the wide networks' mean, from the spread of many narrow ones, which falls like 1/√n."""
    spread = np.std(averages(name, psi, WIDTH_FOR_SPREAD, SEEDS_FOR_SPREAD), ddof=1)
    return spread * (WIDTH_FOR_SPREAD / WIDTH / SEEDS) ** 0.5


def both_passes(arch, x, **options):
    return nv.program(arch, x).backward(**options)


PROGRAMS = {
    "mlp": (both_passes(library.mlp(), VECTOR), ["x2", "dg1"]),
    "rnn": (both_passes(library.rnn(pooling="average", sigma_w=1.4), SEQUENCE), [("g1", 0, 1), ("dg1", 0, 0, 1)]),
    "tied_autoencoder": (both_passes(library.tied_autoencoder(), VECTOR), ["g3", "dx1"]),
    "mean_readout": (both_passes(worked_example, [[XI]]), ["x1", "dx1"]),
    "mean_readout as if GIA": (both_passes(worked_example, [[XI]], assume_gia=True), ["x1", "dx1"]),
    "mean_readout relu": (both_passes(library.mean_readout_mlp(nonlinearity="relu"), VECTOR), ["g1", "dg1"]),
    "tied_readout": (both_passes(library.tied_readout(), VECTOR), ["g1", "dg1"]),
    "batchnorm": (both_passes(library.batchnorm_mlp(), BATCH), [("x2", 1), ("dg1", 0, 1)]),
    "attention": (both_passes(library.attention(tied=True), SEQUENCE), [("g2", 0, 0), ("dg2", 0, 0, 1)]),
}


@pytest.mark.parametrize("psi", [first, square, product, clipped])
@pytest.mark.parametrize("name", full_except(PROGRAMS, "mlp", "tied_autoencoder", "mean_readout", "batchnorm"))
def test_a_wide_network_agrees_with_the_limit(name, psi):
    limit = expectation(PROGRAMS[name][0], psi, PROGRAMS[name][1])
    error = standard_error(name, psi)
    assert abs(np.mean(averages(name, psi, WIDTH, SEEDS)) - limit.value) <= 4 * np.hypot(error, limit.error)
    assert limit.error <= error  # the width limits the accuracy, not the samples


def test_gradient_independence_is_wrong_by_many_standard_errors():
    empirical = np.mean(averages("mean_readout", second, WIDTH, SEEDS))
    assert abs(empirical - 2) < 4 * standard_error("mean_readout", second)
    wrong = expectation(PROGRAMS["mean_readout as if GIA"][0], second, ["x1", "dx1"])
    assert abs(empirical - wrong.value) > 20 * standard_error("mean_readout", second)


def test_both_sides_in_one_call():
    program = PROGRAMS["tied_readout"][0]
    empirical, limit, error = master_theorem(program, product, ["x1", "dx1"], width=512, key=1)
    values = coordinates(program, width=512, key=1)
    places = {line.name: line.index for line in program.lines()}
    assert empirical == pytest.approx(float(jnp.mean(values[places["x1"]][0] * values[places["dx1"]][0, 0])), rel=1e-6)
    assert (limit, error) == tuple(map(float, expectation(program, product, ["x1", "dx1"])))
    by_index = master_theorem(program, product, [places["x1"], (places["dx1"], 0, 0)], width=512, key=jax.random.key(1))
    assert by_index == (empirical, limit, error)


def test_coordinates_are_those_of_the_finite_reading():
    program, _ = PROGRAMS["batchnorm"]
    values = coordinates(program, width=8, key=2)
    expected = jax.jit(lambda: run(program, sample_parameters(program, 8, jax.random.key(2))).values)()
    for index, instruction in enumerate(program.instructions):
        if instruction.kind == "output":
            assert index not in values
        else:
            assert values[index].dtype == jnp.float32 or instruction.kind == "scalar"
            assert values[index].shape == instruction.shape + ((8,) if instruction.kind == "vector" else ())
            np.testing.assert_allclose(values[index], expected[index], rtol=1e-3, atol=1e-4)


def test_forward_programs_and_repeated_layers_are_accepted(rng):
    arch = library.mlp(depth=3)
    looped, written = arch.trace((VECTOR,)), nv.program(arch, VECTOR)
    sides = [master_theorem(p, square, ["x4"], width=64, key=0) for p in (looped, written)]
    assert sides[0] == sides[1]


def test_moving_a_hyperparameter_compiles_nothing(compilations):
    def both(sigma_w, seed):
        program = nv.program(library.mlp(sigma_w=sigma_w), VECTOR).backward()
        limit_law(program)
        return master_theorem(program, product, ["g1", "dg1"], width=16, key=seed)

    both(1.5, 0)
    with compilations() as count:
        both(1.2, 1)
    assert count() == 0


# --- Gaussian or not ---------------------------------------------------------------------------------------


def gaussian_names(program):
    gaussian = form(program).gaussian
    return {line.name for line in program.lines() if line.index in gaussian}


def corrected_names(program):
    names = {line.index: line.name for line in program.lines()}
    return {names[k]: [names[y] for y in ys] for k, ys in form(program).corrections.items() if ys}


@nv.architecture
def signs(net, x, *, nonlinearity="cos"):
    """Wᵀφ(Wx): its Ż is E φ′(Wx)·x, zero for an even φ."""
    W = net.matrix("W")
    return net.readout("v", nv.tanh(W.T @ as_nonlinearity(nonlinearity)(W @ net.input("U", x))))


@pytest.mark.parametrize(
    ("arch", "x", "gaussian", "corrected"),
    [
        (
            library.mlp(),
            VECTOR,
            {"g1", "b1", "x1", "g2", "b[1]", "x3", "v", "dx4", "dx2"},
            {},
        ),
        (worked_example, [[XI]], {"g1", "x1", "g2", "dx2", "dg2", "dx1", "dg1"}, {"dx1": ["x1"]}),
        (
            library.mean_readout_mlp(nonlinearity="relu", depth=3),
            VECTOR,
            {"g1", "x1", "g2", "g3", "dx3", "dx1", "dg1"},
            {"dx2": ["x2"], "dx1": ["x1"]},
        ),
        (library.tied_readout(), VECTOR, {"g1", "g2"}, {"g3": ["x1"]}),
        (library.tied_autoencoder(), VECTOR, {"g1", "g2", "v", "dx3", "dx2"}, {"g3": ["x1"], "dx1": ["dg3"]}),
        (library.layernorm_mlp(sigma_b=0.0), VECTOR, None, {}),
        (library.transformer(depth=2), SEQUENCE, None, {}),
        (library.gru(), SEQUENCE, None, {}),
        (library.cnn(), SEQUENCE, None, {}),
    ],
    ids=lambda a: getattr(a, "__name__", None),
)
def test_the_form_of_a_program_shows_which_limits_are_gaussian(arch, x, gaussian, corrected):
    program = nv.program(arch, x).backward()
    assert corrected_names(program) == corrected
    if gaussian is not None:
        assert gaussian_names(program) == gaussian


@pytest.mark.parametrize(
    ("nonlinearity", "corrected"),
    [
        ("cos", {}),
        ("square", {}),
        ("abs", {}),
        ("erf", {"g3": ["g1"]}),
        ("relu", {"g3": ["g1"]}),
        ("gelu", {"g3": ["g1"]}),
    ],
)
def test_signs_make_corrections_vanish(nonlinearity, corrected):
    assert corrected_names(nv.program(signs(nonlinearity=nonlinearity), VECTOR)) == corrected


@pytest.mark.parametrize(
    ("sum_of", "corrected"),
    [
        (lambda g: nv.cos(g) + nv.square(g), {}),
        (lambda g: nv.cos(g) + nv.moment(g) * nv.cos(g), {}),  # the odd ⟨g⟩ is zero
        (lambda g: nv.erf(g) + nv.sin(g), {"g3": ["g1"]}),
        (lambda g: nv.erf(g) + nv.cos(g), {"g3": ["g1"]}),
    ],
    ids=["even and even", "even and zero", "odd and odd", "odd and even"],
)
def test_a_sum_is_even_or_odd_if_all_its_summands_are(sum_of, corrected):
    def arch(net, x):
        W = net.matrix("W")
        return net.readout("v", nv.tanh(W.T @ sum_of(W @ net.input("U", x))))

    assert corrected_names(nv.program(nv.architecture(arch), VECTOR)) == corrected


def kolmogorov_distance(samples):
    """The distance of standardised samples from the standard Gaussian, the largest over an array of vectors."""
    ordered = np.sort(np.asarray(samples).reshape(-1, samples.shape[-1]), axis=-1)
    spread = np.std(ordered, axis=-1, keepdims=True)
    standard = (ordered - np.mean(ordered, axis=-1, keepdims=True)) / np.where(spread > 1e-9, spread, 1.0)
    distances = np.abs(norm.cdf(standard) - (np.arange(ordered.shape[-1]) + 0.5) / ordered.shape[-1])
    return np.max(np.where(spread > 1e-9, distances, 0.0))


@pytest.mark.parametrize(
    ("arch", "x"),
    [
        (library.mlp(), VECTOR),
        (library.rnn(pooling="average"), SEQUENCE),
        full((library.gru(), SEQUENCE)),
        full((library.transformer(), SEQUENCE)),
        (library.batchnorm_mlp(depth=2), BATCH),
        (library.tied_autoencoder(sigma_w=2.0), VECTOR),
        (library.mean_readout_mlp(nonlinearity="relu", depth=3), VECTOR),
        (signs, VECTOR),
    ],
    ids=lambda a: getattr(a, "__name__", None),
)
def test_samples_confirm_which_limits_are_gaussian(arch, x):
    """Gaussian limits look Gaussian, and where Ż vanishes, Wx is uncorrelated with what Wᵀ was applied to."""
    program = nv.program(arch, x).backward()
    laws = limit_law(program).vectors
    for index, law in laws.items():
        if law.gaussian:
            assert kolmogorov_distance(law.samples) < LIKE_GAUSSIAN, index
        op = program.instructions[index].op
        for earlier in range(index) if hasattr(op, "transpose") else ():
            other = program.instructions[earlier]
            if other.op == type(op)(op.parameter, op.index, not op.transpose) and other.args[0] not in law.corrections:
                z, y = (a.reshape(-1, a.shape[-1]) for a in (law.samples, laws[other.args[0]].samples))
                scale = jnp.linalg.norm(z) * jnp.linalg.norm(y) + 1e-300
                assert jnp.max(jnp.abs(z @ y.T)) / scale < 0.05, (index, earlier)


def test_limits_declared_non_gaussian_are_not_gaussian():
    for name in ("x2", "dg1"):
        program = PROGRAMS["mlp"][0]
        index = next(line.index for line in program.lines() if line.name == name)
        assert kolmogorov_distance(limit_law(program).vectors[index].samples) > 2 * LIKE_GAUSSIAN


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("psi", "vectors", "message"),
    [
        (first, ["g9"], "'g9' is not a vector of the program; its vectors are g1, b1, x1"),
        (first, ["ξ"], "'ξ' is not a vector of the program"),
        (first, ["f"], "'f' is not a vector of the program"),
        (first, [99], "99 is not a vector of the program"),
        (first, [None], "None is not a vector of the program"),
        (first, "g1", r"""The vectors are 'g1'; give a list of them, such as \["g1", "x1"\]"""),
        (first, [], "give a list of them"),
        (
            first,
            ["x2"],
            r"'x2' is an array of vectors of leading shape \(2,\); choose one of them, such as \('x2', 0\)",
        ),
        (first, [("x2", 2)], r"leading shape \(2,\).* not \('x2', 2\)"),
        (first, [("x2", 0, 0)], r"leading shape \(2,\).* not \('x2', 0, 0\)"),
        (first, [("dx2", 0)], r"leading shape \(2, 2\).* such as \('dx2', 0, 0\), not \('dx2', 0\)"),
        (product, ["g1"], r"ψ must be a function of 1 array\(s\), one for each vector, not <function pro"),
        ("relu", [("x2", 0)], "ψ must be a function of 1 array.* not 'relu'"),
        (
            np.mean,
            [("x2", 0)],
            r"ψ must act on each coordinate separately, but it maps 1 array\(s\) of shape \(8,\) to one of shape \(\)",
        ),
    ],
)
def test_refusals_are_sentences(psi, vectors, message):
    program = nv.program(library.mlp(), BATCH[:2]).backward()
    with pytest.raises(HyperparameterError, match=message):
        master_theorem(program, psi, vectors, width=8, key=0)


def test_a_program_and_a_width_are_needed():
    with pytest.raises(HyperparameterError, match=r"Expected a program, such as nv.program\(arch, x\).* not mlp\("):
        master_theorem(library.mlp(), first, ["g1"], width=8, key=0)
    with pytest.raises(HyperparameterError, match="Expected a program"):
        limit_law(None)
    with pytest.raises(HyperparameterError, match="The width is 0; it must be a whole number ≥ 1"):
        coordinates(PROGRAMS["mlp"][0], width=0, key=0)
