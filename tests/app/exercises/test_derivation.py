"""A derivation opens its stages one after the other."""

from ntkviz.app import Derivation, Exercise

from ..conftest import wait_for


def test_the_next_stage_opens_when_this_one_is_solved():
    stages = [Exercise(f"Stage {k}?", f"stage {k}", lambda n: (n == 2, ""), start=1) for k in range(3)]
    derivation = Derivation("Derive it.", stages)

    def shown():
        return [stage.widget.layout.display != "none" for stage in stages]

    assert shown() == [True, False, False]
    stages[0]._field.value = "3"
    wait_for(lambda: "Not yet." in stages[0]._verdict.value)
    assert shown() == [True, False, False]
    stages[0]._field.value = "2"
    wait_for(lambda: "Yes." in stages[0]._verdict.value)
    assert shown() == [True, True, False]
    assert derivation.widget.children[1:] == tuple(stage.widget for stage in stages)
