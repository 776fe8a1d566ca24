"""Small drawings for the cards of the home page, computed when the page is made.

A chapter `02_ntk` has its drawing in `ntk.py`, a function `draw`, and its line in `THUMBNAILS`.
"""

from collections.abc import Callable

from . import gaussian, gradient_independence, ntk

THUMBNAILS: dict[str, Callable[[], str]] = {
    "01_gaussian": gaussian.draw,
    "02_ntk": ntk.draw,
    "04_gradient_independence": gradient_independence.draw,
}
