"""Colours: text is readable, marks stand out, and scales become lighter evenly."""

import json
import re

import numpy as np
import pytest
from ipywidgets import Widget

from ntkviz.app.style import theme
from ntkviz.app.style.theme import kernel_colours


def luminance(colour):
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def dark_palette():
    rule = theme.STYLESHEET[theme.STYLESHEET.index(':root[data-nv-theme="dark"]') :]
    return theme.PALETTE | theme.variables(rule)


@pytest.mark.parametrize("palette", [theme.PALETTE, dark_palette()], ids=["light", "dark"])
def test_contrast_of_text_and_of_marks(palette):
    for ground in ("paper", "surface"):
        for text in ("ink", "muted", "accent", "good", "bad"):
            assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
    for mark in ("finite", "limit"):
        assert contrast(palette[mark], palette["paper"]) >= 3, mark


@pytest.mark.parametrize("colours", [theme.SEQUENTIAL, theme.NEGATIVE], ids=["positive", "negative"])
def test_colour_scales_grow_evenly_in_lightness(colours):
    lightness = np.array([116 * max(luminance(c), 0.0089) ** (1 / 3) - 16 for c in colours])
    steps = np.diff(lightness)
    assert (steps > 0).all()
    assert steps.max() < 2 * steps.mean()


@pytest.mark.parametrize("palette", [theme.PALETTE, dark_palette()], ids=["light", "dark"])
def test_third_colour_stands_out(palette):
    assert contrast(palette["third"], palette["paper"]) >= 3


def test_missing_numbers_are_sent_as_null(monkeypatch):
    sent = []
    monkeypatch.setattr(Widget, "_send", lambda self, message, buffers=None: sent.append(message))
    theme.figure().add_heatmap(z=[[1.5, np.nan], [-np.inf, 0.0]])
    assert "[[1.5, null], [null, 0.0]]" in json.dumps(sent, allow_nan=False, default=str)


def test_the_unit_is_written_above_the_colour_bar():
    assert kernel_colours(979200.0, 0.0)["colorbar"]["title"]["text"] == "× 9.79·10<sup>5</sup>"
    assert kernel_colours(2.0, -1e-9)["cmin"] == 0  # rounding is no sign


def test_a_figure_sets_the_colours_of_kernels_only_when_they_change(monkeypatch):
    figure = theme.figure()
    axis, updates = type(figure.layout.coloraxis), []
    update = axis.update
    monkeypatch.setattr(axis, "update", lambda self, colours: (updates.append(colours), update(self, colours)))
    for unit, lowest in [(1.0, 0.0), (1.0, 0.0), (2.0, 0.0), (2.0, -1.0), (2.0, -1.0), (1.0, 0.0)]:
        figure.set_kernel_colours(unit, lowest)
        shown = figure.layout.coloraxis
        assert shown.cmax == pytest.approx(theme.BRIGHTEST * unit)
        assert (shown.cmin < 0) == (lowest < 0)
        assert shown.colorbar.title.text == f"× {unit:.2f}"
    assert len(updates) == 4


IDEAS = {
    "limit": theme.LIMIT,
    "networks": theme.FINITE,
    "third": theme.THIRD,
    "chosen": theme.SERIES[3],
    "data": theme.INK,
}
PULL = {"move", "rate", "kernel", "gap"}  # the terms of chapter 2, which stand for parts of one plot


def test_terms_of_formulas_have_the_colours_of_the_plots():
    """What the stylesheet keeps lit, and what the page looks for, are the colours of the plots."""
    script = (theme.STATIC / "terms.js").read_text("utf-8")
    for idea, colour in IDEAS.items():
        rgb = f'"rgb({", ".join(str(int(colour[k : k + 2], 16)) for k in (1, 3, 5))})"'
        assert f"{idea}: {rgb}" in script
        assert f'[data-lit="{idea}"] .nv-plot .trace:not(:has([style*={rgb}]))' in theme.STYLESHEET
        assert f".mjx-nv-{idea} {{" in theme.STYLESHEET


def test_no_selector_searches_the_whole_page():
    """Chromium would evaluate it anew whenever a plot measures a text: a first picture took 0.3 s longer."""
    assert re.findall(r"(?:html|body|\.ntkviz)(?:\.[\w-]+)*:has\((?! *[>~+])[^)]*\)", theme.STYLESHEET) == []


def test_every_term_of_a_formula_stands_for_something(root):
    for path in (root / "notebooks").glob("*.ipynb"):
        terms = set(re.findall(r"class\{mjx-nv-(\w+)\}", path.read_text("utf-8")))
        assert terms <= IDEAS.keys() | PULL, path.name
