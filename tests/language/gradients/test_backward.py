"""The backward program is the gradient, value by value, and is listed like the forward one."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtri
from selection import full_among

import ntkviz as nv
from ntkviz.errors import ProgramError
from ntkviz.language import axes, instructions
from ntkviz.language.axes import AxesMap
from ntkviz.language.gradients import instructions as gradient_instructions
from ntkviz.language.gradients.gia import readout_parameter
from ntkviz.language.instructions import Linear, Op
from ntkviz.language.text import gradients as gradient_listing
from ntkviz.language.text import notation
from ntkviz.networks.sampling import run, sample_parameters

WIDTH = 6
VECTORS, SEQUENCES = (3, 4), (2, 3, 2)
library = nv.architectures


def scalars_of_all_kinds(net, x):
    """Every function of random scalars that has a notation, with broadcasting."""
    h = net.input("U", x)
    theta = nv.inner(h[:, :, None], h[:, None])
    scale = (theta.mean(2) + 2.0) * theta[:, 0] / (1.5 - theta[:, :, 1] ** 2) - nv.sqrt(nv.moment(nv.square(h)))
    power = (2.0 + nv.moment(h) ** 2) ** (-0.5)
    return net.readout("v", (scale * h * (-power)).sum(1) + power[:, 1] * nv.einsum("b,bi->b", power[:, 0], h))


def rearrangements_of_all_kinds(net, x):
    """Every rule of rearrangement, and both joins."""
    h = nv.erf(net.input("U", x))
    a = h.transpose(1, 0).reshape(-1, 1).broadcast_to((6, 2)).sum(1).reshape(3, 2).transpose()
    b = nv.concatenate([a, h[:, np.array([2, 0])]], axis=1).pad([(0, 0), (1, 2)])[..., 1:-1, None].mean(-1)
    return net.readout("v", nv.stack([b, 2.0 * nv.erf(b)], axis=1), axes=2)


def functions_of_several_vectors(net, x):
    """A nonlinearity of two vectors and a random scalar, a shift that broadcasts, a vector used as bias and readout."""
    h, v = net.input("U", x), net.vector("v", mean=0.5)
    return net.readout(v, gate(h, nv.tanh(h) + v, nv.moment(h)) - nv.inner(h, h) + nv.abs(v))


gate = nv.nonlinearity(lambda x, y, theta: x * jnp.cos(y + theta), arity=2)

GRAPHS = (np.random.default_rng(5).normal(size=SEQUENCES), np.array([[[0, 1, 0], [1, 0, 1], [0, 1, 0.0]]] * 2))
CASES = {
    "mlp": (library.mlp(depth=3), VECTORS),
    "mlp ntk4a": (library.mlp(sigma_b=0.5, parametrization="ntk4a"), VECTORS),
    "rnn": (library.rnn(pooling="average", sigma_w=1.3, sigma_b=0.2), SEQUENCES),
    "gru": (library.gru(sigma_b=0.3), SEQUENCES),
    "lstm": (library.lstm(nonlinearity="tanh"), SEQUENCES),
    "transformer": (library.transformer(depth=2), SEQUENCES),
    "attention": (library.attention(tied=True, heads=2), SEQUENCES),
    "tied_autoencoder": (library.tied_autoencoder(), VECTORS),
    "layernorm_mlp": (library.layernorm_mlp(eps=0.1), VECTORS),
    "batchnorm_mlp": (library.batchnorm_mlp(depth=2), VECTORS),
    "cnn": (library.cnn(), (2, 4, 2)),
    "cnn average": (library.cnn(pooling="average", padding="VALID", filter_size=2), (2, 3, 3, 2)),
    "gcn": (library.gcn(), GRAPHS),
    "resnet": (library.resnet(), VECTORS),
    "mean_readout_mlp": (library.mean_readout_mlp(depth=3, nonlinearity="erf"), VECTORS),
    "tied_readout": (library.tied_readout(nonlinearity="erf"), VECTORS),
    "mean of a G-var": (nv.architecture(lambda net, x: nv.moment(net.matrix("W") @ net.input("U", x))), VECTORS),
    "scalars": (nv.architecture(scalars_of_all_kinds), (2, 3, 4)),
    "rearrangements": (nv.architecture(rearrangements_of_all_kinds), (2, 3, 4)),
    "several vectors": (nv.architecture(functions_of_several_vectors), VECTORS),
}


@pytest.fixture
def program_of(rng):
    """The forward program of a case."""

    def programming(name):
        arch, data = CASES[name]
        return nv.program(arch, rng.normal(size=data) if isinstance(data[0], int) else data)

    return programming


# --- the gradients -------------------------------------------------------------------------------------


def output_of(program, parameters, added):
    """f, written without the engine's multiplications, and with a perturbation added to each value."""
    numbers = program.number
    readout = readout_parameter(program)
    values = []
    for index, instruction in enumerate(program.instructions):
        op, args = instruction.op, [values[a] for a in instruction.args]
        match op:
            case instructions.Data(k):
                value = jnp.asarray(program.data[k])
            case instructions.Constant(k):
                value = jnp.asarray(program.constants[k])
            case instructions.InitialVector(k):
                value = numbers(program.parameters[k].multiplier) * parameters[k]
            case instructions.InputMatMul(k):
                p = program.parameters[k]
                value = jnp.einsum("ni,...i->...n", parameters[k], args[0]) * numbers(p.multiplier) / p.fan**0.5
            case instructions.MatMul(k, entry, transpose):
                p, letters = program.parameters[k], "mn" if transpose else "nm"
                value = jnp.einsum(f"{letters},...m->...n", parameters[k][entry], args[0])
                value = value * numbers(p.multiplier) / (p.fan * WIDTH) ** 0.5
            case instructions.Readout():
                value = op.evaluate(*args) / (readout.fan**0.5 * scale(program))
            case _:
                value = op.evaluate(*args)
        values.append(value + added[index] if index in added else value)
    return values[program.output]


def scale(program):
    """√n for a readout that passes the check, otherwise n: f = vᵀx/scale, dx = scale·∂f/∂x."""
    return WIDTH**0.5 if program.lines()[-1].formula_text.endswith(("√n", "·n)")) else WIDTH


@pytest.mark.parametrize("name", full_among(CASES, "lstm", "transformer", "attention", "cnn average"))
def test_every_gradient_is_that_of_automatic_differentiation(program_of, name):
    program = program_of(name)
    both = program.backward()
    parameters = sample_parameters(program, WIDTH, jax.random.key(1), jnp.float64)
    values = jax.jit(lambda: run(both, parameters).values)()
    shapes = {k: (*i.shape, WIDTH) if i.kind == "vector" else i.shape for k, i in enumerate(program.instructions)}
    zeros = {value: jnp.zeros(shapes[value]) for value, _ in both.gradients}
    expected = jax.jit(jax.jacrev(lambda added: output_of(program, parameters, added)))(zeros)
    assert {program.output} < {value for value, _ in both.gradients}
    for value, gradient in both.gradients:
        factor = {"vector": scale(program), "scalar": scale(program) / WIDTH, "output": 1.0}
        kind = "output" if value == program.output else program.instructions[value].kind
        np.testing.assert_allclose(values[gradient], factor[kind] * expected[value], rtol=1e-9, atol=1e-12)


def test_the_forward_part_is_untouched(program_of):
    program = program_of("mlp")
    both = program.backward()
    assert both.instructions[: len(program)] == program.instructions
    assert both.lines()[: len(program.lines())] == program.lines()
    assert both.forward == program.forward == program
    assert (both.output, both.parameters) == (program.output, program.parameters)


def test_repeats_are_written_out_first(rng):
    x = rng.normal(size=VECTORS)
    assert (
        library.mlp(depth=3).trace((x,)).backward().gradients
        == nv.program(library.mlp(depth=3), x).backward().gradients
    )


def test_a_backward_program_is_a_value_too(rng):
    one, other = (nv.program(library.mlp(sigma_w=s), rng.normal(size=VECTORS)).backward() for s in (1.0, 2.0))
    assert one.structure == other.structure
    assert hash(one.structure) == hash(other.structure)
    assert jax.tree.structure(one) == jax.tree.structure(other)
    forward_only = nv.program(library.mlp(), rng.normal(size=VECTORS))
    assert one.structure != forward_only.structure


def test_assuming_gia_the_gradients_use_copies(program_of):
    both = program_of("rnn").backward(assume_gia=True)
    written = [line.formula_text for line in both.lines() if "ᵀ dg" in line.formula_text]
    assert written == ["1.3·W′ᵀ dg3/√n,  W′ ~ N(0, 1)", "1.3·W′ᵀ dg2/√n"]
    assert [p.name for p in both.parameters] == ["U", "b", "W", "v", "W′"]


def test_refusals_are_sentences(rng, program_of):
    with pytest.raises(ProgramError, match="derivative of step is not a function, so there is no NTK"):
        nv.program(library.mlp(nonlinearity="step"), rng.normal(size=VECTORS)).backward()
    with pytest.raises(ProgramError, match="already has its gradients; differentiate the forward program instead"):
        program_of("mlp").backward().backward()


# --- the listing --------------------------------------------------------------------------------------------


def gradients(program):
    return [(line.name, line.type, line.formula_text) for line in program.backward().lines()[len(program.lines()) :]]


def test_a_backward_mlp_reads_like_the_paper(rng):
    both = nv.program(library.mlp(depth=2, sigma_b=0.5), rng.normal(size=(3, 6))).backward()
    assert "\n".join(both.to_text().splitlines()[10:]) == "\n".join(
        [
            "   26  f     : output        (3,)   = vᵀx4/√n",
            "   27  df    : scalar        (3, 3) = identity",
            "28–29  dv    : X-var         (3,)   = sum(df·x4; axis 1)",
            "   30  dx4   : X-var         (3, 3) = df·v",
            "31–32  dx3   : X-var         (3, 3) = relu′(x3) ⊙ dx4",
            "   33  dg2   : X-var         (3, 3) = dx3",
            "   34  db[1] : X-var         (3,)   = sum(dx3; axis 1)",
            "   35  dx2   : G-var         (3, 3) = 1.5·W[1]ᵀ dg2/√n",
            "36–37  dx1   : X-var         (3, 3) = relu′(x1) ⊙ dx2",
            "   38  dg1   : X-var         (3, 3) = dx1",
            "   39  db1   : X-var         (3,)   = sum(dx1; axis 1)",
        ]
    )


def test_the_worked_example_reads_like_the_paper(rng):
    both = nv.program(library.mean_readout_mlp(), [[0.7]]).backward()
    assert both.to_text() == "\n".join(
        [
            "    0  ξ   : data   (1, 1) = data",
            "    4  g1  : G-var  (1,)   = U ξ,  U ~ N(0, 1)",
            "    6  x1  : X-var  (1,)   = g1 + 1",
            "   11  g2  : G-var  (1,)   = W[1] x1/√n,  W[1] ~ N(0, 1)",
            "   12  x2  : X-var  (1,)   = g2²",
            "   13  f   : scalar (1,)   = 1ᵀx2/n",
            "   14  df  : scalar (1, 1) = identity",
            "   15  dx2 : X-var  (1, 1) = df·1",
            "16–17  dg2 : X-var  (1, 1) = df·square′(g2)",
            "   18  dx1 : G-var  (1, 1) = W[1]ᵀ dg2/√n",
            "   19  dg1 : X-var  (1, 1) = dx1",
        ]
    )


def test_contributions_to_one_gradient_are_added_on_one_line(program_of):
    assert gradients(program_of("rnn")) == [
        ("df", "scalar", "identity"),
        ("dv", "X-var", "sum(df·mean(stack(x2, x4, x6; axis 1); axis 1); axis 1)"),
        ("x7", "X-var", "(df·v)[:, :, None]/3"),
        ("dx6", "X-var", "x7[:, :, 2]"),
        ("dx5", "X-var", "erf′(x5) ⊙ dx6"),
        ("dg3", "X-var", "dx5"),
        ("g4", "G-var", "1.3·Wᵀ dg3/√n"),
        ("dx4", "X-var", "x7[:, :, 1] + g4"),
        ("dx3", "X-var", "erf′(x3) ⊙ dx4"),
        ("dg2", "X-var", "dx3"),
        ("g5", "G-var", "1.3·Wᵀ dg2/√n"),
        ("dx2", "X-var", "x7[:, :, 0] + g5"),
        (
            "dx1",
            "X-var",
            "place(dx5; [:, :, 2]) + place(dx3; [:, :, 1]) + place(erf′(x1[:, 0]) ⊙ dx2; [:, :, 0])",
        ),
        ("dg1", "X-var", "dx1"),
        ("db", "X-var", "sum(dx1; axes 1, 2)"),
    ]


def test_scalars_positions_and_batches_have_their_notation(program_of):
    attention = {name: written for name, _, written in gradients(program_of("transformer"))}
    assert attention["dθ2"] == "⟨dx1[O,a,k], g1[a,l]⟩/n"
    assert attention["dθ1"] == "softmax′(θ1)ᵀ dθ2"
    assert attention["dθ4"].startswith("-0.5·θ4^-1.5·⟨x3, dx4⟩/n")
    assert attention["dθ3"] == "-1ᵀdx3/n"
    assert "Σ_k θ2[a,k,l] dx1[O,a,k] + sum(dθ1·g1[:, :, None]; axis 2)" in attention["dg1"]
    cnn = {name: written for name, _, written in gradients(program_of("cnn"))}
    assert cnn["θ1"] == "df[…, None]/√4"
    assert cnn["dx2"].endswith(" + place(g7; [:, :, 0:4]))[:, :, 1:5]")
    normalised = {name: written for name, _, written in gradients(program_of("batchnorm_mlp"))}
    assert normalised["dg2"] == "batchnorm′(g2; axis 0)ᵀ dx3"
    several = [written for _, _, written in gradients(program_of("several vectors"))]
    assert any("<lambda>_2′(g1, x3; θ1) ⊙ dx" in written for written in several)


def test_rearrangements_are_undone(trace):
    def arch(net, x):
        turned = nv.erf(nv.erf(net.input("U", x)).transpose(1, 2, 0))
        return net.readout("v", nv.erf(turned.transpose(2, 0, 1).pad([(0, 0), (1, 2), (0, 0)])), axes=2)

    written = {name: formula_text for name, _, formula_text in gradients(trace(arch, (2, 3, 4, 5)))}
    padded = "pad(transpose(x2; (2, 0, 1)))"
    assert written["dx2"] == f"transpose((erf′({padded}) ⊙ dx3)[:, :, 1:4, :]; (0, 2, 3, 1))"
    assert written["dx1"] == "transpose(erf′(transpose(x1; (1, 2, 0))) ⊙ dx2; (0, 3, 1, 2))"


def test_a_gradient_passed_on_by_a_long_sum_keeps_its_name(program_of):
    written = {name: formula_text for name, _, formula_text in gradients(program_of("cnn"))}
    assert (written["dg4"], written["dg2"], written["db[1]"]) == ("dx3", "dx3", "sum(dx3; axes 1, 2)")


def test_scalar_derivatives_are_the_schoolbook_ones(program_of):
    written = {name: formula_text for name, _, formula_text in gradients(program_of("scalars"))}
    assert written["dθ4"] == "-2·θ4·0.5·(θ4^2 + 2)^-1.5·dθ5"
    assert written["dθ3"] == "-θ6"
    assert written["dθ2"] == "sqrt′(θ2)ᵀ dθ3"
    assert written["θ8"] == "θ7/(1.5 - θ1[:, :, 1]^2)"
    quotient = "(mean(θ1; axis 2) + 2)·θ1[:, 0]/(1.5 - θ1[:, :, 1]^2)^2"
    assert written["dθ1"].startswith(f"place(2·θ1[:, :, 1]·{quotient}·θ7; [:, :, :, 1]) + place(")
    assert written["dθ1"].endswith(" + (θ1[:, 0]·θ8)[:, :, :, None]/3")


def test_generated_names_avoid_the_parameters_names(rng):
    @nv.architecture
    def arch(net, x):
        return net.readout("v", nv.relu(net.input("g1", x)) + net.bias("dx1", std=1.0))

    names = [line.name for line in nv.program(arch, rng.normal(size=VECTORS)).backward().lines()]
    assert {"dx1", "dx1′", "ddx1"} <= set(names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", CASES)
def test_latex_and_graph_of_a_backward_program_are_consistent(program_of, name):
    both = program_of(name).backward()
    latex = both.to_latex()
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\left(") == latex.count(r"\right)")
    assert not re.search(r"(\^\{[^{}]*\}){2}|(_\{[^{}]*\}){2}", latex)
    assert re.sub(r"[\x00-\x7f]", "", latex) == ""
    assert r"\mathrm{d}x^{1}" in latex or r"\mathrm{d}g^{1}" in latex
    edges = both.to_graph()["edges"]
    assert all(int(e["source"]) < int(e["target"]) for e in edges)


@pytest.mark.parametrize("name", CASES)
def test_every_instruction_is_on_some_line(program_of, name):
    both = program_of(name).backward()
    listed = {k for line in both.lines() for k in (*line.written_inside, line.index)}
    for index, instruction in enumerate(both.instructions):
        assert index in listed or instruction.kind == "scalar"


def classes(base, *modules):
    return [
        c for m in modules for c in vars(m).values() if isinstance(c, type) and issubclass(c, base) and c is not base
    ]


def test_every_instruction_says_how_it_is_written():
    kinds = {instructions.Linear, instructions.Product, instructions.Source, gradient_instructions.OfGradients}
    for op in set(classes(Op, instructions, gradient_instructions)) - kinds:
        if issubclass(op, instructions.OfLayers | instructions.Delayed):  # no listing has them
            continue
        assert notation.formula.entry(op) is not notation.formula.entry(Op), op
        if issubclass(op, Linear) and not issubclass(op, gradient_instructions.Transposed):
            assert gradient_listing.transposed.entry(op) is not gradient_listing.transposed.entry(Op), op
    for how in set(classes(AxesMap, axes)) - {axes.SumTo, axes.AtStep, axes.EveryStep}:
        assert gradient_listing.put_back.entry(how) is not gradient_listing.put_back.entry(AxesMap), how


def test_jumps_of_vectors_that_are_not_trained_have_no_gradient(rng):
    """Dropout: each input keeps a coordinate with probability q, divided by q, so that only the diagonal changes."""
    x, keep, most = rng.normal(size=(3, 5)), 0.75, float(ndtri(0.75))

    @nv.architecture
    def network(net, x, *, drops=True):
        h = nv.relu(net.input("U", x))
        if drops:
            below = nv.nonlinearity(lambda z: jnp.where(z < most, 1 / keep, 0.0))
            h = below(net.vector("mask", shape=(len(x),), trainable=False)) * h
        return net.readout("v", h)

    found, plain = nv.infinite_ntk(network, x), nv.infinite_ntk(network(drops=False), x)
    for one, other in zip(found[:2], plain[:2], strict=True):
        np.testing.assert_allclose(one, other * (1 + np.eye(3) * (1 / keep - 1)), rtol=1e-8)

    @nv.architecture
    def trained(net, x):
        return net.readout("v", nv.sign(net.vector("mask", shape=(len(x),))) * net.input("U", x))

    with pytest.raises(ProgramError, match="derivative of sign is not a function"):
        nv.infinite_ntk(trained, x)
