"""Small drawings for the cards of the home page, stored as files, so that the page loads complete.

The drawing of the chapter `02_ntk` is made by the function `draw` in `cards/ntk.py`. `make thumbnails` redraws those of
all chapters, in a minute, and writes them into `svg/`, here `svg/02_ntk.svg`. Those of part three are in
`cards/architectures/`.
"""

from importlib import import_module
from importlib.util import find_spec


def draw(chapter: str) -> str:
    """The drawing of a chapter, `02_ntk`, as SVG.

    Raises:
        ModuleNotFoundError: There is no file for it here.
    """
    name = chapter.partition("_")[2]
    places = [f"{__name__}.cards.{name}", f"{__name__}.cards.architectures.{name}"]
    return str(import_module(next(filter(find_spec, places), places[0])).draw())
