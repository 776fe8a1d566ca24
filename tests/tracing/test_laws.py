"""Laws of initialisers against their known moments, limits of entries that are not Gaussian, and shared numbers."""

import itertools
import warnings

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntkviz as nv
from ntkviz.tracing.jaxprs import evaluated
from ntkviz.tracing.laws import laws_of, settled

from .refusals import VECTORS, two_layers
from .zoo import TOKENS

KEY = jax.random.key(0)
init = nn.initializers


def law_of(fn):
    (law,) = laws_of(jax.make_jaxpr(fn)(KEY))
    return law


@pytest.mark.parametrize(
    ("initializer", "family", "std"),
    [
        (init.normal(0.3), "normal", 0.3),
        (init.lecun_normal(), "truncated normal", 50**-0.5),
        (init.he_normal(), "truncated normal", (2 / 50) ** 0.5),
        (init.glorot_uniform(), "uniform", (2 / 80) ** 0.5),
        (init.uniform(0.6), "uniform", 0.6 / 12**0.5),
        (init.variance_scaling(2.0, "fan_avg", "normal"), "normal", (2 / 40) ** 0.5),
        (init.truncated_normal(1.0), "truncated normal", 0.8796),
    ],
)
def test_moments_of_initializers(initializer, family, std):
    law = law_of(lambda key: initializer(key, (50, 30)))
    assert law.family == family
    mean = 0.3 if initializer is init.uniform(0.6) else law.mean
    assert law.std == pytest.approx(std, rel=2e-4)
    assert mean == pytest.approx(0.3 if family == "uniform" and std == 0.6 / 12**0.5 else 0.0, abs=1e-4)


def test_other_laws():
    signs = law_of(lambda key: jax.random.rademacher(key, (5,), float))
    assert (signs.family, signs.mean, signs.std) == ("sign", 0.0, 1.0)
    unfair = law_of(lambda key: jnp.where(jax.random.uniform(key, (5,)) < 0.4, 1.0, -1.0))
    assert unfair.mean == pytest.approx(-0.2, abs=2e-3)  # up to the weight of a node of the grid
    laplace = law_of(lambda key: jax.random.laplace(key, (5,), float))
    assert laplace.kurtosis == pytest.approx(6, rel=1e-2)
    assert laplace.std == pytest.approx(2**0.5, rel=1e-3)
    half = law_of(lambda key: jnp.abs(jax.random.normal(key, (5,))))
    assert half.mean == pytest.approx((2 / np.pi) ** 0.5, rel=1e-4)
    assert law_of(lambda key: jnp.full((3, 2), 0.25)).family == "constant"
    assert law_of(lambda key: jnp.arange(3.0)).family == "fixed"


@pytest.mark.parametrize(
    "fn",
    [
        lambda key: (lambda a: a + a.T)(jax.random.normal(key, (4, 4))),
        lambda key: jax.random.normal(key, (4, 2)) @ jax.random.normal(jax.random.split(key)[0], (2, 4)),
        lambda key: jax.random.normal(key, (4, 3)) * jnp.arange(3.0),
        lambda key: jnp.concatenate([jax.random.normal(key, (2, 3))] * 2),
        lambda key: jnp.tile(jax.random.normal(key, (1, 3)), (4, 1)),
        lambda key: jax.vmap(lambda k: jax.random.normal(k, (3,)))(jnp.stack([key, key])),
    ],
)
def test_dependent_entries_have_no_law(fn):
    assert not law_of(fn).is_known


def test_entries_of_several_keys_are_independent():
    def fn(key):
        return jax.vmap(lambda k: jax.random.normal(k, (3, 2)))(jax.random.split(key, 4))

    assert law_of(fn).family == "normal"


def test_draws_are_shared_only_with_one_key():
    def fn(key):
        a, b = jax.random.split(key)
        return jax.random.normal(a, (3,)), jax.random.normal(b, (3,)), 2 * jax.random.normal(a, (3,))

    one, two, again = laws_of(jax.make_jaxpr(fn)(KEY))
    assert not one.draws & two.draws
    assert one.draws & again.draws


def test_orthogonal_matrices_are_recognised_by_a_sample():
    initializer = init.orthogonal(1.5)
    law = law_of(lambda key: initializer(key, (40, 20)))
    assert not law.is_known
    found = settled(law, np.asarray(initializer(KEY, (40, 20))))
    assert (found.family, found.std) == ("orthogonal", pytest.approx(1.5 / 40**0.5, rel=1e-5))
    skewed = np.asarray(initializer(KEY, (40, 20))) * np.linspace(1, 2, 20)
    assert not settled(law, skewed).is_known
    delta = init.delta_orthogonal()  # zero but for the middle of the filter
    law = law_of(lambda key: delta(key, (3, 3, 20, 40)))
    assert "qr" in law.family
    assert not settled(law, np.asarray(delta(KEY, (3, 3, 20, 40)))).is_known
    reflection = np.eye(20) - 0.1 * np.ones((20, 20))
    assert not settled(law, reflection).is_known  # orthogonal, but symmetric


def test_entries_made_of_the_data_have_no_law():
    first, second = laws_of(jax.make_jaxpr(lambda key, x: (2 * x, x + jax.random.normal(key, (3,))))(KEY, jnp.ones(3)))
    assert not first.is_known
    assert not second.is_known


def test_loops_over_keys_draw_the_layers_of_a_model():
    def drawn(keys_of, step):
        return law_of(lambda key: jax.lax.scan(step, jnp.zeros(4), keys_of(key))[1])

    def own(carry, key):
        return carry, 2 * jax.random.normal(key, (4,))

    def walk(carry, key):
        here = carry + jax.random.normal(key, (4,))
        return here, here

    law = drawn(lambda key: jax.random.split(key, 3), own)
    assert (law.family, law.std) == ("normal", pytest.approx(2.0, rel=1e-6))
    assert not drawn(lambda key: jnp.stack([key, key]), own).is_known  # the same numbers twice
    assert not drawn(lambda key: jax.random.split(key, 3), walk).is_known


def test_infinite_variances_are_refused():
    def make(n):
        init, apply = two_layers(n, lambda p, x, n: jnp.tanh(x @ p["U"]) @ p["W"] @ p["v"])
        return (lambda key, x: init(key, x) | {"W": jax.random.cauchy(key, (n, n)) / n}), apply

    with pytest.raises(nv.TraceError, match="entries of W have such heavy tails"):
        nv.program(nv.trace(make), VECTORS)


# --- models with their own laws ------------------------------------------------------------------------------

X = np.array([[0.6, -1.1], [1.4, 0.3]])


def mlp(n):
    """All entries are uniform on ±1/√fan_in."""
    return eqx.nn.MLP(2, "scalar", n, 1, activation=jax.nn.tanh, key=jax.random.key(0))


def test_limits_of_equinox_are_integrals_over_uniform_entries():
    with warnings.catch_warnings():
        warnings.simplefilter("error", nv.AssumptionWarning)  # there is nothing to warn of
        limit = nv.infinite_ntk(nv.trace(mlp, laws="own"), X)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    grid = np.array(list(itertools.product(nodes, repeat=3))) / 2**0.5  # of two weights and a bias
    p = np.prod(list(itertools.product(weights / 2, repeat=3)), axis=1)
    h = np.tanh(grid[:, :2] @ X.T + grid[:, 2:])
    nngp, slopes = (np.einsum("p,pa,pb->ab", p, a, a) for a in (h, 1 - h**2))
    np.testing.assert_allclose(limit.nngp, nngp / 3, rtol=5 * limit.error)
    np.testing.assert_allclose(limit.ntk, nngp + slopes / 3 * (X @ X.T / 2 + 1) + 1, rtol=5 * limit.error)
    with pytest.warns(nv.AssumptionWarning, match="laws='own' gives"):
        gaussian = nv.infinite_ntk(nv.trace(mlp), X).nngp
    assert np.all(abs(gaussian - nngp / 3) > 20 * limit.error * nngp / 3)


class Tokens(nn.Module):
    """Embeddings of a truncated normal law, whose table has as many rows as there are tokens, and uniform positions."""

    n: int

    @nn.compact
    def __call__(self, tokens):
        table = nn.Embed(6, self.n, embedding_init=nn.initializers.truncated_normal(1.0))
        x = table(tokens) + self.param("positions", nn.initializers.uniform(1.0), (3, self.n))
        return nn.Dense(1, use_bias=False)(nn.gelu(x).mean(1))


def test_embeddings_have_their_own_law():
    t = nv.trace(Tokens, laws="own")
    found = t.check(TOKENS, width=16)
    assert max(found.outputs, found.ntk) < 1e-11
    assert not any("not Gaussian" in note for note in t.fn.in_equal_blocks.latest.table.notes)


def test_laws_are_words():
    with pytest.raises(nv.HyperparameterError, match="laws is 'model'"):
        nv.trace(mlp, laws="model")


@pytest.mark.parametrize(
    "fn",
    [
        jax.lax.add,
        jax.lax.sub,
        jax.lax.mul,
        jax.lax.div,
        jax.lax.max,
        jax.lax.min,
        jax.lax.nextafter,
        lambda x, _: jax.lax.sqrt(x),
        lambda x, _: jax.lax.convert_element_type(x, np.float64),
        lambda x, _: jax.lax.convert_element_type(x, np.int32),
        lambda x, _: jax.lax.broadcast_in_dim(x, (2, 5, 3), (1,)),
        lambda x, y: jax.lax.shift_right_logical(jax.lax.bitcast_convert_type(x, np.uint32), np.uint32(9)),
        lambda x, y: jax.lax.bitwise_or(*(jax.lax.bitcast_convert_type(a, np.uint32) for a in (x, y))),
    ],
)
def test_numpy_evaluates_equations_as_jax_does(fn):
    x, y = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    jaxpr = jax.make_jaxpr(fn)(x, y).jaxpr
    known = dict(zip(jaxpr.invars, (x, y), strict=True))
    for equation in jaxpr.eqns:
        args = [v.val if isinstance(v, jax.extend.core.Literal) else known[v] for v in equation.invars]
        known |= dict(zip(equation.outvars, evaluated(equation, args), strict=True))
    (out,) = (known[v] for v in jaxpr.outvars)
    np.testing.assert_array_equal(out, fn(x, y))
    assert out.dtype == fn(x, y).dtype
