"""A question in words says nothing to Python of what is answered."""

from ntkviz.app import Explanation


def test_it_has_a_name_of_its_own_and_no_trait_for_the_answer_of_a_reader():
    one, other = Explanation("Why?", "Because."), Explanation("Why not?", "Because.")
    assert one.name != other.name
    assert {name for name, trait in one.traits(sync=True).items() if not name.startswith("_")} == {
        "answer",
        "comm",
        "layout",
        "name",
        "question",
        "tabbable",
        "tooltip",
    } - {"comm"}
