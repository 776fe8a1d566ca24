"""Names of functions are for printing only: nothing in the package compares them or depends on them."""

import ast
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import ntkviz as nv
from ntkviz.errors import InputError, NotFiniteError, ProgramError

PACKAGE = Path(nv.__file__).parent
X = np.random.default_rng(0).normal(size=(6, 4))
FUNCTIONS = {"phi", "psi", "of", "fn", "slope", "nonlinearity", "function"}


def compared_names(tree):
    """Comparisons and look-ups of the names of functions."""
    for node in ast.walk(tree):
        asked = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        asked += [node.subject] if isinstance(node, ast.Match) else []
        asked += [node.slice] if isinstance(node, ast.Subscript) else []
        for part in asked:
            if isinstance(part, ast.Attribute) and part.attr in ("name", "__name__"):
                owner = part.value.attr if isinstance(part.value, ast.Attribute) else getattr(part.value, "id", "")
                if owner in FUNCTIONS:
                    yield ast.unparse(node)


def test_the_check_finds_comparisons_of_names():
    assert list(compared_names(ast.parse('if op.phi.name == "relu" or table[phi.name]: pass')))
    assert not list(compared_names(ast.parse("equation.primitive.name in REORDERING")))


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda f: str(f.relative_to(PACKAGE)))
def test_nothing_depends_on_the_name_of_a_function(file):
    found = compared_names(ast.parse(file.read_text()))
    assert [asked for asked in found if asked != "counts[phi.name]"] == []  # a listing numbers those of one name


def relu(x):
    """Not nv.relu."""
    return 2 * jnp.maximum(x, 0)


def test_twice_relu_after_batchnorm():
    own, ready = (nv.infinite_ntk(nv.architectures.batchnorm_mlp(nonlinearity=phi), X) for phi in (relu, "relu"))
    np.testing.assert_allclose(own.nngp, 4 * np.asarray(ready.nngp), rtol=1e-13)
    np.testing.assert_allclose(own.ntk, 4 * np.asarray(ready.ntk), rtol=1e-12)


def test_another_function_called_relu_after_batchnorm():
    def relu(x):
        return jnp.tanh(x)

    with pytest.raises(nv.errors.NoForwardLimitError, match="applies relu to a non-Gaussian vector"):
        nv.infinite_ntk(nv.architectures.batchnorm_mlp(nonlinearity=relu), X, method="forward")


def test_a_product_with_a_factor_called_multiply():
    def multiply(a, b):
        return 3 * a * b

    own = nv.nonlinearity(multiply, arity=2)

    def of(product):
        @nv.architecture
        def squared(net, x):
            h = net.input("U", x)
            return net.readout("v", h * product(h))

        return nv.infinite_ntk(squared, X)

    got, expected = of(lambda h: nv.moment(own(h, h))), of(lambda h: 3 * nv.moment(h * h))
    np.testing.assert_allclose(got.nngp, expected.nngp, rtol=1e-12)


def test_a_variable_of_a_function_may_change_between_two_readings():
    frequency = 0.0

    def wave(x):
        return jnp.sin(frequency * x)

    arch = nv.architectures.mlp(depth=1, nonlinearity=wave, sigma_w=1.0, sigma_b=0.0)
    variance = (X**2).sum(1) / 4
    for frequency in (1.0, 3.0, 1.0):
        expected = (1 - np.exp(-2 * frequency**2 * variance)) / 2
        np.testing.assert_allclose(np.diag(nv.infinite_ntk(arch, X).nngp), expected, rtol=1e-12)


@pytest.mark.parametrize(("frequency", "expected"), [(30, 6.170490204333978e-05), (100, 1.8600379880104179e-44)])
def test_a_fast_wave_through_a_network(frequency, expected):
    x = np.sqrt(2) * np.array([[1, 0], [0.99, np.sqrt(1 - 0.99**2)]])
    arch = nv.architectures.mlp(depth=1, nonlinearity=lambda x: jnp.sin(frequency * x), sigma_w=1.0, sigma_b=0.0)
    kernels = nv.infinite_ntk(arch, x)
    np.testing.assert_allclose(kernels.nngp[0, 1], expected, rtol=1e-9)
    # exponents up to 10⁴ have roundings of 1e-12
    np.testing.assert_allclose(np.diag(kernels.nngp), 0.5, rtol=1e-11)
    np.testing.assert_allclose(np.diag(kernels.ntk), (1 + frequency**2) / 2, rtol=1e-11)


def test_growth_without_expectation_is_refused():
    arch = nv.architectures.mlp(depth=1, nonlinearity=lambda x: jnp.exp(x * x / 8), sigma_w=1.0, sigma_b=0.0)
    assert np.isfinite(nv.infinite_ntk(arch, 0.5 * X / np.linalg.norm(X, axis=1, keepdims=True)).ntk).all()
    with pytest.raises(NotFiniteError):
        nv.infinite_ntk(arch, 5 * X)


def test_the_ntk_of_a_jump_is_refused():
    """JAX's derivative of a step is 0 everywhere, which would omit a part of the NTK."""
    with pytest.raises(ProgramError, match=r"derivative .*is not a function"):
        nv.infinite_ntk(nv.architectures.mlp(nonlinearity=lambda x: jnp.where(x > 0, 1.0, 0.0)), X)


def test_two_functions_with_one_name_are_distinguished_in_a_listing():
    one, two = (nv.nonlinearity(lambda x, c=c: jnp.tanh(c * x)) for c in (1.0, 2.0))

    @nv.architecture
    def both(net, x):
        return net.readout("v", two(net.matrix("W") @ one(net.input("U", x))))

    program = nv.program(both, X)
    assert "<lambda>(g1)" in program.to_text()
    assert "<lambda>₂(g2)" in program.to_text()
    assert "<lambda>₂′(g2)" in program.backward().to_text()


def test_a_parameter_named_like_one_of_a_repeated_layer_is_refused():
    @nv.architecture
    def twice(net, x):
        h = net.matrix("W[1]") @ net.input("U", x)
        return net.readout("v", net.repeat(2, lambda net, h: net.matrix("W") @ nv.relu(h), h))

    with pytest.raises(ProgramError, match=r"Parameter W\[1\] is declared twice"):
        nv.program(twice, X)


def test_a_parameter_whose_law_depends_on_the_input_shape_counts_as_two():
    @nv.architecture
    def scaled(net, x):
        return net.readout("v", nv.relu(net.input("U", x, std=float(x.shape[1]))).mean(1))

    with pytest.raises(InputError, match=r"different parameters \(U\)"):
        nv.infinite_ntk(scaled, [np.ones((2, 3)), np.ones((4, 3))])


@pytest.mark.parametrize("fn", [lambda x: 3.0, lambda x: 3.0 + 0 * x])
def test_a_constant_function(fn):
    """At finite width too, where it has to be as long as its argument: f = 3 Σ vᵢ/√n, and Σ vᵢ²/n is its variance."""
    arch = nv.architectures.mlp(depth=1, nonlinearity=fn)
    np.testing.assert_allclose(nv.infinite_ntk(arch, X).ntk, 9.0, rtol=1e-13)
    np.testing.assert_allclose(nv.empirical_ntk(arch, X, width=64, key=0), 9.0, rtol=1e-5)
