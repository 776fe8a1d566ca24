"""Each refusal of the engine is recognised as made from its own template, and told in the reader's language."""

from ntkviz.app.translation import refusals
from ntkviz.app.translation.fields import fields

from .pseudo import pseudo


def filled(template: str) -> tuple[str, list[str]]:
    """A sentence made from a template, and the values of its fields."""
    values = [f"value{k}" for k, _ in enumerate(fields(template))]
    for field, value in zip(fields(template), values, strict=True):
        template = template.replace(field, value, 1)
    return refusals._single(template), values


def test_every_refusal_is_told_in_the_language(found, spoken):
    templates = [one.id for one in found["refusals"] if one.id]
    assert len(templates) > 200
    for template in templates:
        sentence, values = filled(template)
        told = pseudo(template)
        for field, value in zip(fields(told), values, strict=True):
            told = told.replace(field, value, 1)
        assert refusals.refused(sentence) == told


def test_other_sentences_stay_as_they_are(spoken):
    assert refusals.refused("The moon is made of cheese.") == "The moon is made of cheese."
