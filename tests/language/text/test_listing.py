"""The listing reads like the paper's programs, and its three forms consist of the same lines."""

import re
from dataclasses import dataclass

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.language.instructions import Op
from ntkviz.language.program import Instruction, Program
from ntkviz.language.text.listing import Page
from ntkviz.language.text.notation import Formula, call, formula


def rnn(net, tokens):
    u, b, W = net.input("U", tokens, std=1.2), net.bias("b", std=0.1), net.matrix("W", std=1.4)
    h, s = u[:, 0] + b, []
    for t in range(1, tokens.shape[1]):
        s.append(nv.erf(h))
        h = u[:, t] + W @ s[-1] + b
    return net.readout("v", nv.stack([*s, nv.erf(h)], 1).mean(1))


def everything(net, x):
    h = net.input("U", x)
    q = nv.leaky_relu(net.matrix("K", shape=(2,))[1] @ h, 0.3)
    q = q - nv.moment(q)
    weights = nv.softmax(nv.inner(q[:, :, None], q[:, None]) / 2.0)
    attended = weights @ q + 0.5 * q**2
    back = net.matrix("gate_w", trainable=False).T @ nv.batchnorm(attended.transpose(1, 0).reshape(-1, 3))
    return net.readout("v", nv.concatenate([back, back * nv.relu(back)], 1), axes=1)


def test_an_mlp_reads_like_the_paper(rng):
    assert nv.program(nv.architectures.mlp(depth=2, sigma_b=0.5), rng.normal(size=(3, 6))).to_text() == "\n".join(
        [
            " 0  ξ    : data          (3, 6) = data",
            " 4  g1   : G-var         (3,)   = 1.5·W1 ξ/√6,  W1 ~ N(0, 1)",
            " 8  b1   : initial G-var ()     = 0.5·N(0, 1)",
            " 9  x1   : X-var         (3,)   = g1 + b1",
            "17  x2   : X-var         (3,)   = relu(x1)",
            "18  g2   : G-var         (3,)   = 1.5·W[1] x2/√n,  W[1] ~ N(0, 1)",
            "19  b[1] : initial G-var ()     = 0.5·N(0, 1)",
            "20  x3   : X-var         (3,)   = g2 + b[1]",
            "21  x4   : X-var         (3,)   = relu(x3)",
            "25  v    : initial G-var ()     = N(0, 1)",
            "26  f    : output        (3,)   = vᵀx4/√n",
        ]
    )


def formulas(trace, fn, shape=(2, 3)):
    return {line.name: line.formula_text for line in trace(fn, shape).lines()}


def test_rearrangements_and_sums_are_written_inside(trace):
    written = formulas(trace, rnn, (2, 3, 4))
    assert written == {
        "ξ": "data",
        "g1": "1.2·U ξ/√4,  U ~ N(0, 1)",
        "b": "0.1·N(0, 1)",
        "x1": "g1[:, 0] + b",
        "x2": "erf(x1)",
        "g2": "1.4·W x2/√n,  W ~ N(0, 1)",
        "x3": "g1[:, 1] + g2 + b",
        "x4": "erf(x3)",
        "g3": "1.4·W x4/√n",
        "x5": "g1[:, 2] + g3 + b",
        "x6": "erf(x5)",
        "v": "N(0, 1)",
        "f": "vᵀmean(stack(x2, x4, x6; axis 1); axis 1)/√n",
    }


def test_windows_of_a_convolution_show_their_first_and_last(rng):
    listing = nv.program(nv.architectures.cnn(), rng.normal(size=(1, 8, 6, 1))).to_text()
    assert "pad(ξ)[:, [[0, 1, 2], …, [7, 8, 9]], [[0, 1, 2], …, [5, 6, 7]]]" in listing


def test_every_instruction_has_its_notation(trace):
    written = formulas(trace, everything, (2, 3, 4))
    assert written["g2"] == "K[1] g1/√n,  K ~ N(0, 1)"
    assert written["x1"] == "leaky_relu(g2; 0.3)"
    assert written["θ1"] == "1ᵀx1/n"
    assert written["x2"] == "x1 - θ1"
    assert written["θ2"] == "⟨x2[:, :, None], x2[:, None]⟩/n"
    assert written["θ3"] == "softmax(θ2/2)"
    assert "Σ_l θ3[a,k,l] x2[a,l]" in written.values()
    assert any(f.startswith("batchnorm(reshape(") for f in written.values())
    assert any("gate_wᵀ x" in f and f.endswith("N(0, 1), frozen") for f in written.values())
    assert written["f"].endswith("/√(6·n)")


def test_parametrizations_and_failing_readouts_show(trace, rng):
    def tied(net, x):
        h = nv.relu(net.input("U", x, std=0.7))
        return nv.inner(h, nv.relu(net.matrix("W", lr=0.5) @ h))

    ntk4a = nv.program(nv.architecture(tied)(parametrization="ntk4a"), rng.normal(size=(2, 3))).to_text()
    assert "= U ξ/√3,  U ~ N(0, 0.7²)" in ntk4a
    assert "W ~ N(0, 1), lr 0.5" in ntk4a
    assert formulas(trace, tied)["f"] == "⟨x1, x2⟩/n"
    assert formulas(trace, lambda net, x: nv.moment(nv.square(net.input("U", x))))["f"] == "1ᵀx1/n"
    assert formulas(trace, lambda net, x: net.readout("v", net.input("U", x), mean=1.0))["f"] == "x1ᵀg1/n"


def test_generated_names_avoid_the_parameters_names(trace):
    def arch(net, x):
        h = nv.relu(net.input("g1", x) + net.bias("x1", std=1.0))
        return net.readout("v", h)

    names = [line.name for line in trace(arch).lines()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("fn", "shape"), [(rnn, (2, 3, 4)), (everything, (2, 3, 4))])
def test_latex_balances_and_has_a_line_for_each_line(trace, fn, shape):
    program = trace(fn, shape)
    latex = program.to_latex()
    assert latex.startswith("\\begin{aligned}\n")
    assert latex.endswith("\n\\end{aligned}")
    assert latex.count("{") == latex.count("}")
    assert latex.count(r"\left(") == latex.count(r"\right)")
    assert latex.count(r"\\") == len(program.lines()) - 1
    assert not re.search(r"(\^\{[^{}]*\}){2}|(_\{[^{}]*\}){2}", latex)  # a double script is an error in TeX
    assert re.sub(r"[\x00-\x7f]", "", latex) == ""  # symbols are commands: every renderer has their glyphs


@pytest.mark.parametrize(("fn", "shape"), [(rnn, (2, 3, 4)), (everything, (2, 3, 4))])
def test_graph_is_connected_and_runs_forward(trace, fn, shape):
    program = trace(fn, shape)
    graph = program.to_graph()
    assert [n["label"] for n in graph["nodes"]] == [line.name for line in program.lines()]
    assert all(int(e["source"]) < int(e["target"]) for e in graph["edges"])
    reached, frontier = set(), {str(program.output)}
    while frontier:
        reached |= frontier
        frontier = {e["source"] for e in graph["edges"] if e["target"] in frontier} - reached
    assert reached == {n["id"] for n in graph["nodes"]}


def test_every_instruction_that_is_no_plain_number_is_on_some_line(trace):
    program = trace(everything, (2, 3, 4))
    listed = {k for line in program.lines() for k in (*line.written_inside, line.index)}
    for index, instruction in enumerate(program.instructions):
        assert index in listed or instruction.kind == "scalar"


def test_a_program_without_numbers_can_be_listed(trace):
    text = trace(rnn, (2, 3, 4)).structure.to_text()
    assert re.search(r"c\d+·U ξ/√4", text)


@dataclass(frozen=True)
class Unheard(Op):
    """An instruction that the listing does not know."""


@dataclass(frozen=True)
class Heard(Op):
    """One that says how it is written."""


@formula.rule(Heard)
def _(op: Heard, page: Page, x: Formula) -> Formula:
    return call("♪", x)


def test_a_new_instruction_is_listed_and_may_say_how(trace):
    program = trace(lambda net, x: net.readout("v", net.input("U", x)))
    more = (Instruction(Unheard(), (4,), "vector", (2,)), Instruction(Heard(), (4,), "vector", (2,)))
    extended = Program(program.instructions + more, program.parameters, program.output, program.constants, program.data)
    assert np.all([line.formula_text for line in extended.lines()[-2:]] == ["Unheard(g1)", "♪(g1)"])
    assert extended.lines()[-3].formula_text == "vᵀg1/√n"
