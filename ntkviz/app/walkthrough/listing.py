"""The program of a network as a listing, line by line, over the verdict of the Simple GIA Check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets

from ...language import GIAReport, Program
from ..plots.panel import Panel
from ..style.wording import kinds_of_lines
from ..translation.refusals import refused
from ..translation.words import _, joined


def verdict(report: GIAReport) -> str:
    """What the Simple GIA Check says of a program, with its reasons, for a line of text below a plot."""
    if report.passes:
        return _('Simple GIA Check: <span class="nv-right">passes</span>.')
    reasons = (escape(refused(reason)) for reason in report.reasons)
    return joined([_('Simple GIA Check: <span class="nv-wrong">fails</span>.'), *reasons])


class Listing(Panel):
    """The lines of a program: index, name, formula, and type in the papers' terms.

    The indices are those in the reasons of the check. A program that does not fit is scrolled.
    """

    def __init__(self, heading: str, name: str = "program"):
        self._body = widgets.HTML()
        content = widgets.VBox([widgets.HTML(f"<h3>{escape(heading)}</h3>"), self._body])
        super().__init__(name, content)
        self.widget.add_class("nv-listing")
        self._program: Program | None = None

    def show(self, program: Program, report: GIAReport) -> None:
        """Show one program and its check."""
        self._program = program
        kinds = kinds_of_lines()
        rows = "".join(
            f'<tr><td>{line.index}</td><th scope="row">{escape(line.name)}</th>'
            f"<td>= {escape(line.formula_text)}</td><td>{escape(kinds[line.type])}</td></tr>"
            for line in program.lines()
        )
        # Focusable, so that it can be scrolled with the keyboard.
        with self.drawing():
            self._body.value = (
                f'<div class="nv-lines" tabindex="0" role="region" aria-label="{_("The lines of the program")}">'
                f"<table><tbody>{rows}</tbody></table></div>"
            )
        self.say(verdict(report))

    def table(self) -> Iterator[Sequence[Any]]:
        yield "line", "name", "formula", "kind"
        for line in self._program.lines() if self._program else ():
            yield line.index, line.name, line.formula_text, line.type
