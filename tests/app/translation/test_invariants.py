"""A translation keeps what is no matter of language; and all translations of the course do."""

import pytest
from babel.messages.pofile import read_po

from ntkviz.app.translation import words
from ntkviz.app.translation.invariants import faults

ENGLISH = "At [$\\sigma_w=1$](#sigma_w=1) it is <b>{x:.2f}</b>, `n` is 3,300 or 2 million, and *edge*. "


def test_a_good_translation_has_no_faults():
    assert (
        faults(ENGLISH, "若 [$\\sigma_w=1$](#sigma_w=1)，则为 <b>{x:.2f}</b>；`n` 为 3300 或 200 万，*边缘*。 ") == []
    )


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("(#sigma_w=1)", "(#sigma_w=2)", "links"),
        ("\\sigma_w=1$", "\\sigma_b=1$", "formulas"),
        ("<b>", "<i>", "tags"),
        ("{x:.2f}", "{x:.3f}", "fields"),
        ("`n`", "`m`", "code"),
        ("3,300", "3,000", "numbers"),
        ("2 million", "20 万", "numbers"),
        ("*edge*", "*边缘。*在", "emphasis"),
        ("*edge*. ", "*edge*.", "spaces"),
    ],
)
def test_a_bad_one_is_found(before, after, fault):
    [found] = faults(ENGLISH, ENGLISH.replace(before, after))
    assert found.startswith(fault)


def test_the_translations_of_the_course_are_good():
    wrong = {}
    for file in words.CATALOGUES.rglob("*.po"):
        with file.open("rb") as source:
            for one in read_po(source, file.parent.name):
                forms = [one.string] if isinstance(one.string, str) else one.string
                english = one.id if isinstance(one.id, str) else one.id[-1]
                found = [fault for form in forms if english and form for fault in faults(english, form)]
                if found and not one.fuzzy:
                    wrong[f"{file.parent.name}/{file.name}: {english}"] = found
    assert wrong == {}
