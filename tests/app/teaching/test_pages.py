"""Pages for teachers link to the course as a repository does, and as a site does."""

import os
import re

import pytest

from ntkviz.app.exercises.worked import Worked
from ntkviz.app.teaching import pages
from ntkviz.app.translation.words import LANGUAGE


@pytest.mark.parametrize(
    ("written", "linked"),
    [
        ("[W](../../notebooks/02_ntk.ipynb#width=64&draw=2)", '<a href="site/02_ntk.html#width=64&draw=2">W</a>'),
        (
            "[W](02_ntk.ipynb#start), [V](00_home.ipynb)",
            '<a href="site/02_ntk.html">W</a>, <a href="site/index.html">V</a>',
        ),
        ('<a href="02_ntk.ipynb#width=8">W</a>', '<a href="site/02_ntk.html#width=8">W</a>'),
        ("[W](notes.md), [V](https://a.org/b.ipynb)", "[W](notes.md), [V](https://a.org/b.ipynb)"),
    ],
)
def test_links_to_notebooks_lead_to_the_course(written, linked):
    assert pages.course_links(written, "site/") == linked


def test_notes_have_every_step_and_their_links_name_the_chapter(root):
    text = pages.notes(root / "notebooks")
    assert "**7. [Stripes](12_gru_lstm.ipynb#forget_bias=0&sigma_b=2)** · 2 min" in text
    assert 'Then <a href="12_gru_lstm.ipynb#forget_bias=3">β = 3</a>' in text
    assert "$" not in text


def test_solutions_are_nested_as_the_exercises_are():
    worked = Worked("Both?", parts=(Worked("One", ("<b>1</b>",)), Worked("Two", ("2", "3"))))
    html = pages._worked(worked, str)
    assert html.startswith("<p>Both?</p><ol><li><p>One</p><p><em>Solution.</em> <b>1</b></p></li>")
    assert html.endswith("<ul><li>2</li><li>3</li></ul></li></ol>")


def test_solutions_are_in_the_language_of_their_page(root):
    spoken = os.environ.get(LANGUAGE)
    text = pages.solutions(root / "notebooks", "zh", of=["01_gaussian"])
    assert "# 习题解答" in text
    assert "<em>解答：</em>" in text
    assert not re.search(r"\b(the|is|of)\b", re.sub(r"<math.*?</math>|<code>.*?</code>", "", text))
    assert os.environ.get(LANGUAGE) == spoken
