"""Small drawings for the cards of the home page, stored as files, so that the page loads complete.

The drawing of the chapter `02_ntk` is made by the function `draw` in `cards/ntk.py`. `make thumbnails` redraws those of
all chapters, in a minute, and writes them into `svg/`, here `svg/02_ntk.svg`.
"""

from importlib import import_module


def draw(chapter: str) -> str:
    """The drawing of a chapter, `02_ntk`, as SVG.

    Raises:
        ModuleNotFoundError: There is no file for it here.
    """
    return str(import_module(f"{__name__}.cards.{chapter.partition('_')[2]}").draw())
