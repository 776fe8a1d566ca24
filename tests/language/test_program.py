"""A program is a value: static structure, numbers as leaves; repeats written out; mistakes in hyper-parameters."""

import jax
import numpy as np
import pytest

import ntkviz as nv
from ntkviz.errors import HyperparameterError, InputError, ProgramError
from ntkviz.language import axes

mlp = nv.architectures.mlp


def test_the_numbers_are_leaves_and_the_structure_is_hashable(rng):
    x = rng.normal(size=(2, 3))
    one, other = (mlp(sigma_w=s, depth=d, sigma_b=b).trace((y,)) for s, d, b, y in ((1.5, 2, 0.1, x), (2, 7, 0, x + 1)))
    assert jax.tree.structure(one) == jax.tree.structure(other)
    assert hash(one.structure) == hash(other.structure)
    assert one.structure == other.structure
    assert [leaf.dtype for leaf in jax.tree.leaves(one)] == [leaf.dtype for leaf in jax.tree.leaves(other)]
    assert one.structure != mlp(nonlinearity="erf").trace((x,)).structure
    doubled = jax.tree.map(lambda leaf: 2 * leaf, one)
    np.testing.assert_array_equal(doubled.data[0], 2 * x)


def test_programs_share_one_structure_unless_a_function_or_a_shape_has_changed(rng):
    x, factor = rng.normal(size=(2, 3)), 2.0

    @nv.architecture
    def scaled(net, x, *, sigma=1.0):
        return net.readout("v", phi(net.input("U", x)), std=sigma)

    phi = nv.nonlinearity(lambda u: factor * u)
    first = scaled.trace((x,))
    assert scaled(sigma=2.0).trace((x + 1,)).structure is first.structure
    assert first.with_numbers((), ()).structure is first.with_data(x + 1).structure is first.structure.structure
    assert first.structure.constants == first.structure.data == ()
    assert scaled.trace((x[:1],)).structure != first.structure
    factor = 3.0
    assert scaled.trace((x,)).structure != first.structure


def test_index_arrays_do_not_break_hashing(rng):
    @nv.architecture
    def indexed(net, x):
        h = net.input("U", x)
        return net.readout("v", h[:, np.array([0, 2])].sum(1) + h[:, 1:].sum(1))

    traces = [indexed.trace((rng.normal(size=(2, 3, 4)),)).structure for _ in range(2)]
    assert len(set(traces)) == 1


def test_a_repeated_layer_may_share_a_matrix_from_outside(rng):
    def shared(net, x, *, loop=True):
        W = net.matrix("W")

        def layer(net, h):
            return W @ nv.relu(h) + net.bias("b", std=0.1)

        h = net.input("U", x)
        if loop:
            h = net.repeat(2, layer, h)
        else:
            for k in (1, 2):
                h = W @ nv.relu(h) + net.bias(f"b[{k}]", std=0.1)
        return net.readout("v", h)

    arch, x = nv.architecture(shared), rng.normal(size=(2, 3))
    looped, written = nv.program(arch, x), nv.program(arch(loop=False), x)
    assert [p.name for p in looped.parameters] == ["W", "U", "b[1]", "b[2]", "v"]
    assert looped.structure == written.structure


@pytest.mark.parametrize("mixed", [lambda a, h: a + h, lambda a, h: h + a, lambda a, h: nv.stack([a, h]).sum(0)])
def test_a_repeated_layer_may_use_a_vector_from_outside(rng, mixed):
    @nv.architecture
    def injected(net, x):
        a = net.input("U", x)
        return net.readout("v", net.repeat(3, lambda net, h: mixed(a, net.matrix("W") @ nv.relu(h)), a))

    program = nv.program(injected, rng.normal(size=(2, 3)))
    assert [p.name for p in program.parameters] == ["U", "W[1]", "W[2]", "W[3]", "v"]


def test_repeats_within_repeats_are_written_out(rng):
    @nv.architecture
    def nested(net, x, *, outside=False):
        start = net.input("U", x)

        def inner(net, h):
            return net.matrix("W") @ nv.relu(h) + (start if outside else 0)

        return net.readout("v", net.repeat(2, lambda net, h: net.repeat(2, inner, h), start))

    x = rng.normal(size=(2, 3))
    names = [{p.name for p in nv.program(nested(outside=o), x).parameters} for o in (False, True)]
    assert [len(n) for n in names] == [6, 6]


def test_a_repeated_layer_keeps_its_shape(rng):
    @nv.architecture
    def widening(net, x):
        return net.readout("v", net.repeat(2, lambda net, h: nv.stack([h, h], 1), net.input("U", x)))

    with pytest.raises(ProgramError, match=r"must keep the leading shape \(2,\)"):
        nv.program(widening, rng.normal(size=(2, 3)))


# --- architectures as values ---------------------------------------------------------------------------


def test_an_architecture_is_frozen_and_printable():
    arch = mlp(sigma_w=2.0)
    assert repr(arch).startswith("mlp(depth=2, nonlinearity='relu', sigma_w=2.0, ")
    assert repr(arch).endswith("parametrization='ntk')")
    assert mlp.hyper != arch.hyper
    with pytest.raises(AttributeError):
        arch.hyper = ()


@pytest.mark.parametrize(
    ("hyper", "message"),
    [
        ({"sigma": 1.0}, "mlp has no hyper-parameter 'sigma'; it has depth, nonlinearity"),
        ({"parametrization": "mup"}, "The parametrization is 'mup'; it must be 'ntk' or 'ntk4a'"),
        ({"sigma_w": -1.0}, "The standard deviation of parameter W1 is -1.0; it must be a finite number ≥ 0"),
        ({"sigma_b": float("nan")}, "The standard deviation of parameter b1 is nan"),
        ({"sigma_v": "one"}, "The standard deviation of parameter v is 'one'"),
        ({"nonlinearity": "sofplus"}, "The nonlinearity 'sofplus' is unknown; use one of abs, cos"),
        ({"nonlinearity": 3}, "The nonlinearity 3 is unknown"),
        ({"depth": 0}, "depth is 0; it must be a whole number ≥ 1"),
        ({"depth": 2.5}, "depth is 2.5; it must be a whole number ≥ 1"),
    ],
)
def test_unusable_hyperparameters_are_named(rng, hyper, message):
    with pytest.raises(HyperparameterError, match=message):
        nv.program(mlp(**hyper), rng.normal(size=(2, 3)))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((2, 3, 4)), r"takes data of shape \(batch, d\), with 2 axes, not of shape \(2, 3, 4\)"),
        (np.ones(3), r"takes data of shape \(batch, d\)"),
        (1.0, r"x has shape \(\); it needs a batch axis"),
        (np.ones((0, 3)), "at least one entry"),
        (np.array([[1.0, np.nan]]), "x contains NaN or infinity; every input must be a finite number"),
        (np.array([[1.0, np.inf]]), "x contains NaN or infinity"),
        ("digits", "x is not an array of numbers"),
        (np.ones((2, 3), complex), "x contains complex numbers; every number must be real"),
        ([[1.0], [1.0, 2.0]], "x is not an array of numbers"),
        ((np.ones((2, 3)), np.ones((4, 3))), r"different batch sizes \[2, 4\]"),
    ],
)
def test_unusable_data_are_refused_in_a_sentence(x, message):
    with pytest.raises(InputError, match=message):
        nv.program(mlp, x)


def test_what_an_architecture_must_be_and_return(rng):
    x = rng.normal(size=(2, 3))
    with pytest.raises(ProgramError, match="Hyper-parameter 'width' of fn needs a default"):

        @nv.architecture
        def fn(net, x, *, width):
            return net.readout("v", net.input("U", x))

    with pytest.raises(
        ProgramError, match=r"must return net.readout\(…\) or a scalar such as nv.moment\(x\), not Vector"
    ):
        nv.program(nv.architecture(lambda net, x: net.input("U", x)), x)
    with pytest.raises(
        ProgramError, match=r"returns shape \(2, 3\); it must return one number for each of the 2 inputs"
    ):
        nv.program(nv.architecture(lambda net, x: net.readout("v", net.input("U", x[:, :, None]))), x)
    with pytest.raises(HyperparameterError, match="Expected an architecture"):
        nv.program(len, x)


def test_negative_learning_rates_and_numbers_that_are_not_finite_are_refused(rng):
    x = rng.normal(size=(2, 3))
    with pytest.raises(HyperparameterError, match="learning-rate factor of parameter U is -1"):
        nv.program(nv.architecture(lambda net, x: net.readout("v", net.input("U", x, lr=-1))), x)
    with pytest.raises(HyperparameterError, match="not finite"):
        nv.program(nv.architecture(lambda net, x: net.readout("v", net.input("U", x) * np.inf)), x)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (axes.Index((axes.freeze(slice(1, 3)),)), axes.Index((1, axes.freeze(slice(None, None, 2))))),
        (axes.Index((Ellipsis, 2)), axes.Index((0, None))),
        (axes.Pad(((0, 1), (2, 0))), axes.Pad(((1, 1), (0, 3)))),
    ],
)
def test_rearranging_both_sides_of_a_kernel_at_once_is_as_one_after_the_other(rng, left, right):
    kernel = rng.normal(size=(4, 3, 2, 5))
    on_left, shape = left(kernel, 2), axes.rearranged_shape(right, kernel.shape[2:])
    first = len(axes.rearranged_shape(left, kernel.shape[:2]))
    both = np.stack([right(row, 2) for row in on_left.reshape(-1, *kernel.shape[2:])])
    how = axes.on_both_sides(left, 2, right, 2)
    np.testing.assert_array_equal(how(kernel, 4), both.reshape(*on_left.shape[:first], *shape))


def test_arrays_of_places_are_not_taken_at_once():
    places = axes.Index((axes.freeze([0, 1]),))
    assert axes.on_both_sides(places, 1, places, 1) is None
