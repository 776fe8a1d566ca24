"""The stored drawings are what their code draws."""

import re
from pathlib import Path

import numpy as np
import pytest
from selection import full_except

from ntkviz.app import chapters
from ntkviz.app.course.chapter import DRAWINGS
from ntkviz.app.thumbnails import draw

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
CHAPTERS = [chapter.name for chapter in chapters(Path(__file__).parents[3] / "notebooks") if chapter.number]


@pytest.mark.parametrize("name", full_except(CHAPTERS, "02_ntk", "09_mlp", "14_transformer", "15_playground"))
def test_a_stored_drawing_is_what_its_code_draws(name):
    """`make thumbnails` redraws it. Other machines may round differently: coordinates to a tenth, colours to one."""
    kept, drawn = (DRAWINGS / f"{name}.svg").read_text("utf-8").strip(), draw(name)
    assert NUMBER.sub("0", kept) == NUMBER.sub("0", drawn)
    numbers = (np.array(NUMBER.findall(text), dtype=float) for text in (kept, drawn))
    np.testing.assert_allclose(*numbers, atol=1)


def test_no_drawing_is_stored_without_a_chapter():
    assert sorted(path.name for path in DRAWINGS.iterdir()) == [f"{name}.svg" for name in CHAPTERS]


def test_thumbnail_draws_networks_and_their_band():
    assert draw("01_gaussian").count("<polyline") == 32 + 2
