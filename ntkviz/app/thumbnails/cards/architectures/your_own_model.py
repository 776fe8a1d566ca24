"""The source of a model beside the limit of its kernel."""

from __future__ import annotations

from html import escape

from .....gallery.models import MODELS
from .....kernels.infinite import infinite_ntk
from ....course.data import digits
from ....style.theme import FINITE, MUTED
from ...drawing import arrow, heatmap, svg

SHOWN = 4, 12  # of the lines of the source


def draw() -> str:
    """The card of chapter 16."""
    model = MODELS["Flax MLP"]
    limit = infinite_ntk(model.arch, digits(each=3).x).ntk
    lines = [line.partition("  #")[0] for line in model.text.splitlines()[slice(*SHOWN)]]
    code = "".join(_line(line, 36 + 15 * k) for k, line in enumerate(lines))
    return svg(code + arrow() + heatmap(limit, limit, 190, 110, 30), "the source of a model and a kernel")


def _line(code: str, y: float) -> str:
    indent = len(code) - len(code.lstrip())
    colour = FINITE if code.lstrip().startswith(("class", "def", "for", "return", "@")) else MUTED
    return (
        f'<text x="{12 + 4.4 * indent:.1f}" y="{y}" font-size="7.3" font-family="monospace" fill="{colour}">'
        f"{escape(code.strip())}</text>"
    )
