"""Steps are read as they are written, and the plans for teachers agree with them."""

import json
import re

import pytest

from ntkviz.app import chapters
from ntkviz.app.teaching.steps import Step, steps
from ntkviz.errors import InputError

ROW = re.compile(r"^\| \[([^\]]+)\]\(\.\./\.\./notebooks/(\w+\.ipynb)(?:#(\S+))?\) \| (\d+) \|", re.MULTILINE)
PART = re.compile(r"^## (\d):(\d\d) · [^\n]+ \((\d+) minutes\)\n(.*?)(?=^## )", re.MULTILINE | re.DOTALL)

ASKING = """### [A bell](#depth=1&width=1)
<details><summary>Will it be a *bell*?</summary>

Yes.

</details>

<aside>2 min. Most say no.</aside>"""


@pytest.fixture
def notebook(tmp_path):
    def write(*sources):
        cells = [{"cell_type": "markdown", "source": source.splitlines(keepends=True)} for source in sources]
        (tmp_path / "01_a.ipynb").write_text(json.dumps({"cells": cells}))
        return tmp_path / "01_a.ipynb"

    return write


def test_a_step_has_a_question_its_answer_and_a_note(notebook):
    shown = "### [Here](#start)\nLook *here*.\n\n<aside>1 min.</aside>"
    found = steps(notebook("# Title", ASKING, shown, "## A section\n### Not a step"))
    asks = Step("A bell", "depth=1&width=1", "", "Will it be a *bell*?", "Yes.", 2, "Most say no.")
    assert found == [asks, Step("Here", "start", "Look *here*.", "", "", 1, "")]


def test_a_step_without_minutes_is_refused_by_its_title(notebook):
    with pytest.raises(InputError, match=r"“A bell” of 01_a\.ipynb"):
        steps(notebook(ASKING.replace("2 min. ", "")))


def test_every_chapter_has_six_to_eight_steps(root):
    counts = {one.name: len(steps(root / "notebooks" / one.file)) for one in chapters(root / "notebooks") if one.number}
    assert set(counts.values()) <= {6, 7, 8}, counts


def rows(text):
    """`(title, notebook, settings, minutes)` of each row of a plan."""
    return [(title, file, link, int(minutes)) for title, file, link, minutes in ROW.findall(text)]


def test_the_lecture_follows_the_steps_and_fits_into_90_minutes(root):
    text = (root / "docs/teaching/lecture_90_minutes.md").read_text()
    end = 0
    for hours, minutes, length, part in PART.findall(text):
        assert 60 * int(hours) + int(minutes) == end, "a part begins where the one before ends"
        end += int(length)
        assert sum(row[-1] for row in rows(part)) <= int(length)
    assert end == 90
    for title, file, link, minutes in rows(text):
        assert (title, link, minutes) in [(s.title, s.link, s.minutes) for s in steps(root / "notebooks" / file)]


def test_the_three_weeks_name_chapters_by_their_titles_and_minutes(root):
    planned = rows((root / "docs/teaching/three_weeks.md").read_text())
    expected = {
        (one.heading, one.file, "", sum(step.minutes for step in steps(root / "notebooks" / one.file)))
        for one in chapters(root / "notebooks")
        if one.number
    }
    assert sorted(planned) == sorted(expected)


@pytest.mark.parametrize("plan", ["lecture_90_minutes", "three_weeks"])
def test_the_chinese_plans_name_what_readers_see_in_chinese(root, plan):
    notebooks = root / "notebooks"
    planned = rows((root / f"docs/teaching/{plan}.zh.md").read_text())
    known = {(one.heading, one.file, "") for one in chapters(notebooks, "zh")}
    known |= {(s.title, file, s.link) for file in {row[1] for row in planned} for s in steps(notebooks / file, "zh")}
    assert len(planned) >= 16
    assert {row[:3] for row in planned} <= known
