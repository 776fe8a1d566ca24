"""A derivation in stages: each asks for an intermediate result, and the next one opens when it is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets

from .task import Task
from .worked import Worked


class Derivation:
    """Exercises that follow on each other; those after the first that is unsolved are not shown yet.

    - `question`: what is to be derived, as HTML.
    - `stages`: the exercises, in order; each has its own hints and solution.
    """

    def __init__(self, question: str, stages: Sequence[Task]):
        self._question, self._stages = question, list(stages)
        self.widget = widgets.VBox([widgets.HTML(question), *(stage.widget for stage in stages)])
        self.widget.add_class("nv-derivation")
        for stage in stages:
            stage.keeper.observe(lambda change: self._open(), names="kept")
        self._open()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)

    def without_kernel(self) -> dict[str, Any]:
        """What a page needs to play this without a kernel (`static/stored/exercises.js`)."""
        stages = [{"box": stage.widget.model_id} | stage.without_kernel() for stage in self._stages]
        return {"kind": "derivation", "stages": stages}

    def worked(self) -> Worked:
        """What is derived, and each stage with its solution, for teachers."""
        return Worked(self._question, parts=tuple(stage.worked() for stage in self._stages))

    def _open(self) -> None:
        closed = False
        for stage in self._stages:
            stage.widget.layout.display = "none" if closed else None
            closed = closed or not stage.keeper.solved
