"""Hints in stages, and the worked solution after the last one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as widgets

from ..translation.words import _


class Hints:
    """A button that opens one hint after the other (HTML), then the solution; `opened` is told how many are open.

    The solution is also opened by `solve`, when the exercise is solved.
    """

    def __init__(self, hints: Sequence[str], solution: str, opened: Callable[[int], None]):
        self._opened, self._count = opened, 0
        self._button = widgets.Button()
        self._button.add_class("nv-button")
        self._button.on_click(lambda button: self.open(self._count + 1))
        self._shown = widgets.HTML()
        self.widget = widgets.VBox([self._button, self._shown])
        self.widget.add_class("nv-hints")
        self.word(hints, solution)
        self.open(0)

    def word(self, hints: Sequence[str], solution: str) -> None:
        """Take these texts in place of those before."""
        self.texts = list(hints), solution
        self._texts = [_("<b>Hint {k}.</b> {hint}").format(k=k, hint=hint) for k, hint in enumerate(hints, 1)]
        self._texts += [_("<b>Solution.</b> {solution}").format(solution=solution)] if solution else []
        self._last = len(hints)
        self._show()

    def open(self, count: int) -> None:
        """Show the first `count` of them."""
        self._count = min(count, len(self._texts))
        self._show()
        self._opened(self._count)

    def _show(self) -> None:
        shown = "".join(f"<p>{text}</p>" for text in self._texts[: self._count])
        self._shown.value = f'<div role="status">{shown}</div>' if shown else ""
        another = _("Hint {k} of {last}").format(k=self._count + 1, last=self._last)
        self._button.description = another if self._count < self._last else _("Show the solution")
        self._button.layout.display = "none" if self._count == len(self._texts) else None

    def solve(self) -> None:
        """Show the solution without the hints that were not asked for."""
        if self._last < len(self._texts):
            self._shown.value = f'<div role="status"><p>{self._texts[-1]}</p></div>'
            self._button.layout.display = "none"

    def without_kernel(self) -> dict[str, str]:
        """The widgets that a page needs to know to open hints itself."""
        return {"button": self._button.model_id, "shown": self._shown.model_id}
