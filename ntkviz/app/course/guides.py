"""The code of the guides, which their pages show, since reading it is what a guide is for; pages never run it."""

from __future__ import annotations

import json
from pathlib import Path

from .chapter import Chapter, chapters


def code_of_guides(folder: Path | str = ".") -> dict[str, dict[str, str]]:
    """The code of each guide as HTML, `{name: {cell id: HTML}}`."""
    return {one.name: _code(Path(folder) / one.file) for one in chapters(folder) if _is_guide(one)}


def _is_guide(chapter: Chapter) -> bool:
    return chapter.number is None


def _code(path: Path) -> dict[str, str]:
    from nbconvert.filters import Highlight2HTML  # for the server alone: a kernel need not load it

    highlighted = Highlight2HTML(pygments_lexer="python3")  # type: ignore[no-untyped-call]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {cell["id"]: highlighted("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"}
