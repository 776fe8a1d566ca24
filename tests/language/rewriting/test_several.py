"""Functions of several vectors as sums of products of functions of one linear combination each."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ntkviz as nv
from ntkviz.language.nonlinearities.nonlinearity import multiply
from ntkviz.language.rewriting.several import form_of

OF_THIS_FORM = {
    "the larger of two": jnp.maximum,
    "the smaller of two": jnp.minimum,
    "the larger of two multiples": lambda x, y: jnp.maximum(2 * x - y, 1 - y / 3),
    "a distance": lambda x, y: jnp.abs(x - y),
    "its square": lambda x, y: jnp.maximum(x, y) ** 2,
    "a gate": lambda x, y: x * jnp.tanh(y),
    "SwiGLU": lambda x, y: jax.nn.silu(x) * y,
    "a smooth maximum": jnp.logaddexp,
    "a choice of either": lambda x, y: jnp.where(x > y, x, y),
    "a choice that is continuous in a product": lambda x, y: jnp.where(x > 0, jnp.tanh(x) * y, x * y),
    "a choice that jumps": lambda x, y: jnp.where(x > 0, y, 0.1 * y),
    "a bump in the plane": lambda x, y: jnp.exp(-(x * x + y * y)),
    "a ratio": lambda x, y: x / (2 + jnp.cos(y)),
    "a function of one combination": lambda x, y: jnp.tanh(x + 2 * y) + 1,
    "one that asks whether it is NaN": lambda x, y: jnp.where(x != x, 0.0, x * y),
    "a number": lambda x, y: 0 * x + 3.0,
    "one that calls others": jax.jit(lambda x, y: jax.nn.relu(x + y) - jax.nn.gelu(x) * y),
}
OTHERS = {
    "a length": lambda x, y: jnp.sqrt(1 + x * x + y * y),
    "a function of a product": lambda x, y: jnp.sin(x * y),
    "one between two others": lambda x, y: jnp.clip(x, -y, y),
    "a choice of squares": lambda x, y: jnp.where(x > y, x * x, y * y),
    "a choice by two signs": lambda x, y: jnp.where((x > 0) & (y > 0), x, 0.0),
    "the larger of two functions": lambda x, y: jnp.maximum(jnp.tanh(x), jnp.tanh(y)),
}


def value(form, xs, theta=()):
    """The sum of products that a form is."""
    total = sum(c * x for c, x in zip(form.linear, xs, strict=True))
    for line, phi in form.ridges:
        numbers = () if phi.coefficients else theta
        total = total + phi.fn(sum(c * x for c, x in zip(line, xs, strict=True)), *numbers)
    for c, factors in form.products:
        total = total + c * np.prod([value(f, xs, theta) for f in factors], axis=0)
    return total


def functions_in(form):
    yield from (phi for _, phi in form.ridges)
    for _, factors in form.products:
        for factor in factors:
            yield from functions_in(factor)


@pytest.mark.parametrize("fn", OF_THIS_FORM.values(), ids=OF_THIS_FORM)
def test_the_form_is_the_function(fn, rng):
    form = form_of(nv.nonlinearity(fn, arity=2), 0)
    x, y = rng.normal(size=(2, 3, 50))
    np.testing.assert_allclose(value(form, (x, y)), np.broadcast_to(fn(x, y), x.shape), rtol=1e-12, atol=1e-14)
    assert all(phi.arity == 1 for phi in functions_in(form))


def expressions():
    """Functions of two vectors at random."""
    leaves = st.sampled_from([lambda x, y: x, lambda x, y: y, lambda x, y: x - 2 * y + 0.5])
    one = st.sampled_from([jnp.tanh, jnp.abs, jnp.square, jnp.sin, lambda a: 0.5 * a, lambda a: jnp.exp(-a * a)])
    both = st.sampled_from(
        [jnp.add, jnp.subtract, jnp.multiply, jnp.maximum, jnp.minimum, lambda a, b: jnp.where(a > b, a, b)]
    )

    def grown(inner):
        of_one = st.tuples(one, inner).map(lambda p: lambda x, y: p[0](p[1](x, y)))
        of_both = st.tuples(both, inner, inner).map(lambda p: lambda x, y: p[0](p[1](x, y), p[2](x, y)))
        return of_one | of_both

    return st.recursive(leaves, grown, max_leaves=6)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(expressions())
def test_functions_with_a_form_are_decomposed(fn):
    form = form_of(nv.nonlinearity(fn, arity=2), 0)
    xs = np.random.default_rng(0).normal(size=(2, 20))
    if form is not None:
        expected = np.broadcast_to(fn(*xs), (20,))
        np.testing.assert_allclose(value(form, xs), expected, rtol=1e-9, atol=1e-9 * np.max(np.abs(expected)) + 1e-12)


@pytest.mark.parametrize("fn", OTHERS.values(), ids=OTHERS)
def test_functions_without_a_form_are_unchanged(fn):
    assert form_of(nv.nonlinearity(fn, arity=2), 0) is None


@pytest.mark.parametrize(
    "fn", [jnp.maximum, jnp.minimum, lambda x, y: jnp.where(x > y, x, y), lambda x, y: jnp.where(x >= y, x, y)]
)
def test_where_two_are_equal_the_derivatives_are_those_of_the_function(fn):
    """Half of each, or all of one of them, as in JAX."""
    form = form_of(nv.nonlinearity(fn, arity=2), 0)
    here = jnp.array(0.7), jnp.array(0.7)
    assert jax.grad(lambda x, y: value(form, (x, y)), argnums=(0, 1))(*here) == jax.grad(fn, argnums=(0, 1))(*here)


def test_parameters_stay_parameters(rng):
    phi = nv.nonlinearity(lambda x, y, t, s: t * (x + s * y) + jnp.maximum(x, t * jnp.tanh(y) + x), arity=2)
    form = form_of(phi, 2)
    xs, theta = rng.normal(size=(2, 20)), (np.float64(0.3), np.float64(-1.2))
    np.testing.assert_allclose(value(form, xs, theta), phi.fn(*xs, *theta), rtol=1e-12)


def test_three_vectors(rng):
    fn = lambda x, y, z: jnp.maximum(x, y) * jnp.tanh(z) - z  # noqa: E731
    xs = rng.normal(size=(3, 20))
    np.testing.assert_allclose(value(form_of(nv.nonlinearity(fn, arity=3), 0), xs), fn(*xs), rtol=1e-12)


def test_polynomials_are_recognised():
    phi = nv.nonlinearity(lambda x, y: (x * x - 3) * y + (x + y) ** 3, arity=2)
    found = list(functions_in(form_of(phi, 0)))
    assert found
    assert all(f.coefficients for f in found)


def test_a_repeated_factor_is_one_vector():
    ((_, (one, other)),) = form_of(nv.nonlinearity(OF_THIS_FORM["its square"], arity=2), 0).products
    assert one.ridges == other.ridges


def smooth_maximum(x, y):
    return jnp.logaddexp(x, y)


def test_its_functions_can_be_sent_elsewhere():
    form = form_of(nv.nonlinearity(smooth_maximum, arity=2), 0)
    ((_, phi),) = form.ridges
    assert pickle.loads(pickle.dumps(phi)).fn(0.3) == phi.fn(0.3)


def test_networks_keep_the_function_itself():
    phi = nv.nonlinearity(OF_THIS_FORM["a smooth maximum"], arity=2)

    @nv.architecture
    def net_of(net, x):
        return net.readout("v", phi(net.input("U", x), net.input("V", x)))

    assert [i.op.phi for i in nv.program(net_of, np.ones((1, 1))).instructions if hasattr(i.op, "phi")] == [phi]
    assert phi is not multiply
