"""Small drawings for the cards of the home page, kept as files, so that the page is whole at once.

A chapter `02_ntk` has its drawing in `ntk.py`, a function `draw`. `make thumbnails` draws those of all chapters anew,
in a minute, and writes `svg/02_ntk.svg`.
"""

from importlib import import_module


def draw(chapter: str) -> str:
    """The drawing of a chapter, `02_ntk`, as SVG.

    Raises:
        ModuleNotFoundError: there is no file for it here.
    """
    return import_module(f"{__name__}.{chapter.partition('_')[2]}").draw()
