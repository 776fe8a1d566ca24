"""User-defined functions: which are refused, and that two different ones are never confused."""

import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntkviz as nv
from ntkviz.errors import ProgramError
from ntkviz.language import instructions as ops
from ntkviz.language.nonlinearities import nonlinearity as nl

DATA = np.arange(6.0).reshape(2, 3) / 5


def traced(phi, *parameters):
    """The program of one layer of φ."""

    @nv.architecture
    def layer(net, x):
        return net.readout("v", phi(net.input("U", x), *parameters))

    return nv.program(layer, DATA)


def used(phi, *parameters):
    (found,) = [i.op.phi for i in traced(phi, *parameters).instructions if isinstance(i.op, ops.Nonlin)]
    return found


MIXING = {
    "adds up": [lambda x: x - x.mean(), lambda x: jnp.cumsum(x, -1), lambda x: x - x.mean(0)],
    "sorts": [lambda x: jnp.sort(x, -1)],
    "takes the largest of": [
        lambda x: x / jnp.max(x),
        jax.nn.softmax,
        lambda x: jnp.where(x == x.max(-1, keepdims=True), x, 0),
    ],
    "reverses": [lambda x: x[..., ::-1]],
    "moves": [lambda x: jnp.roll(x, 1, -1), lambda x: x * x[0]],
    "multiplies": [lambda x: jnp.prod(x, -1, keepdims=True) * x],
}


@pytest.mark.parametrize(("doing", "fn"), [(doing, fn) for doing, fns in MIXING.items() for fn in fns])
def test_functions_that_mix_coordinates_are_refused(doing, fn):
    with pytest.raises(
        ProgramError, match=rf"{doing}.* different coordinates; a nonlinearity must act on each coordinate separately"
    ):
        traced(nv.nonlinearity(fn))


@pytest.mark.parametrize(
    ("fn", "says"),
    [
        (np.sin, "calls NumPy"),
        (lambda x: x > 0, "returns bool for float64"),
        (lambda x: x.astype(jnp.float32), "returns float32 for float64"),
        (lambda x: jnp.round(x).astype(int), "returns int64 for float64"),
        (lambda x: (x, x), "returns 2 arrays"),
        (lambda x: x.T, r"returns shape \(103, 101\)"),
        (lambda x: x[..., None], "returns shape"),
        (lambda x, y: x, "fails on arrays"),
        (lambda x: x if x > 0 else 0, "fails on arrays"),
    ],
)
def test_anything_but_an_elementwise_function_of_floats_is_refused(fn, says):
    with pytest.raises(ProgramError, match=says):
        traced(nv.nonlinearity(fn))


@pytest.mark.parametrize(
    "fn",
    [
        lambda x: jnp.stack([x, -x]).max(0),
        lambda x: jnp.sum(jnp.arange(4.0)[:, None, None] * x, 0),
        lambda x: jnp.interp(x, jnp.linspace(-1, 1, 5), jnp.array([0.0, 1, 0, 1, 0])),
        lambda x: jnp.polyval(jnp.array([1.0, 2.0, 3.0]), x),
        lambda x: jnp.piecewise(x, [x < 0, x > 1], [lambda x: -x, lambda x: 2 * x, 0.0]),
        lambda x: 3.0,
        jax.jit(jnp.tanh),
        functools.partial(jax.nn.leaky_relu, negative_slope=0.3),
        jax.vmap(jnp.tanh),
    ],
)
def test_elementwise_functions_of_any_make_are_accepted(fn):
    phi = nv.nonlinearity(fn)
    assert used(phi) is phi


def test_a_function_whose_variables_changed_is_another():
    weight = 1.0

    def fn(x):
        return jnp.tanh(weight * x)

    phi = nv.nonlinearity(fn)
    before = used(phi)
    assert used(phi) is before is phi, "the same function, the same nonlinearity"
    weight = 2.0
    after = used(phi)
    assert after is not before
    assert used(phi) is after
    weight = 1.0
    assert used(phi) is before


@pytest.mark.parametrize("kind", ["array", "attribute", "default"])
def test_other_ways_to_change_a_function(kind):
    array = np.array([1.0])

    class Wave:
        frequency = 1.0

        def __call__(self, x):
            return jnp.sin(self.frequency * x)

    wave = Wave()

    def fn(x, shift=0.0):
        return jnp.tanh(array[0] * x + shift)

    phi = nv.nonlinearity(wave if kind == "attribute" else fn)
    before = used(phi)
    if kind == "array":
        array[0] = 2.0
    elif kind == "attribute":
        wave.frequency = 2.0
    else:
        fn.__defaults__ = (1.0,)
    assert used(phi) is not before


def test_a_large_array_that_changed_in_the_middle():
    """JAX prints large arrays in part."""
    table = np.zeros(5000)
    phi = nv.nonlinearity(lambda x: jnp.tanh(x) + jnp.asarray(table)[jnp.clip(x, 0, 9).astype(int)])
    before = used(phi)
    table[2500] = 1.0
    assert used(phi) is not before


def test_functions_that_claim_to_be_equal_stay_distinct():
    class Scale:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, x):
            return self.factor * x

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 0

        def method(self, x):
            return self.factor * x

    one, two = Scale(1.0), Scale(2.0)
    assert nv.nonlinearity(one) is nv.nonlinearity(one) is not nv.nonlinearity(two)
    assert nv.nonlinearity(one.method) is nv.nonlinearity(one.method) is not nv.nonlinearity(two.method)


def tan(x):
    return jnp.tan(x)


def test_a_nonlinearity_is_pickled_without_cached_results():
    phi = nv.nonlinearity(tan)
    fresh = pickle.dumps(phi)
    assert phi.formula is None
    phi.as_it_is_now(0)
    assert pickle.dumps(phi) == fresh


def test_built_in_nonlinearities_are_not_analysed(monkeypatch):
    monkeypatch.setattr(nl, "traced_elementwise", lambda *_: pytest.fail("traced"))
    traced(nv.relu), traced(nv.leaky_relu, 0.1), traced(nv.square)


@pytest.mark.parametrize("own", ["relu", "square"])
def test_a_function_named_like_a_built_in_is_analysed(own):
    def fn(x):
        return jnp.tanh(x)

    fn.__name__ = own
    assert used(nv.nonlinearity(fn)) is not getattr(nv, own)
    assert pickle.loads(pickle.dumps(nv.relu)) is nv.relu
