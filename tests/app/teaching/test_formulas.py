"""Formulas without MathJax."""

import pytest

from ntkviz.app.teaching.formulas import html, with_formulas
from ntkviz.errors import InputError


@pytest.mark.parametrize(
    ("latex", "written"),
    [
        (r"g^1=\tfrac1{\sqrt2}U\xi", "<i>g</i><sup>1</sup>=(1/√2)<i>U</i>ξ"),
        (r"\sqrt{1000}", "√1000"),
        (r"1/\sqrt n", "1/√<i>n</i>"),
        (r"\sqrt{x+1}", "√(<i>x</i>+1)"),
        (r"-\tfrac12", "−½"),
        (r"\class{mjx-nv-rate}{\eta}\;\Theta(\bar\xi,\xi)", "η Θ(ξ\u0304,ξ)"),
        (r"\bar x", "<i>x\u0304</i>"),
        (r"e^{-\lambda t}", "<i>e</i><sup>−λ<i>t</i></sup>"),
        (r"\sigma_w W^{\top}", "σ<sub><i>w</i></sub><i>W</i><sup>⊤</sup>"),
    ],
)
def test_a_formula_is_written_in_html(latex, written):
    assert html(latex) == written


def test_formulas_are_found_in_a_text():
    assert with_formulas("At $\\gamma=0.03$ and\n$$\\chi_1$$ it is 5 $.") == "At γ=0.03 and\nχ<sub>1</sub> it is 5 $."


@pytest.mark.parametrize("latex", [r"\underbrace{x}", r"\sqrt", "{x", r"\frac1"])
def test_what_cannot_be_written_is_refused(latex):
    with pytest.raises(InputError):
        html(latex)
