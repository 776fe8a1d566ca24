"""The exercises of all chapters: three hints, a solution that the check accepts, and reasons wherever a quiz could be
solved by elimination."""

import json
import re
from collections import Counter
from types import SimpleNamespace

import pytest

from ntkviz import app
from ntkviz.app import Derivation, Exercise, Explanation, Quiz, Task
from ntkviz.app.exercises.exercise import decimal_number

from ..conftest import wait_for

SECTION = '<a id="exercise"></a>'
THEORY = [
    "01_gaussian",
    "02_ntk",
    "04_how_wide",
    "06_tensor_programs",
    "07_gradient_independence",
    "08_beyond_the_kernel",
]
READERS = range(8)  # the seeds of their numbers


class Silent:
    """A picture that computes nothing: exercises need no more of it than its controls."""

    def __init__(self, *args, **options):
        self.refresh = lambda: None


def chapters(root):
    """The cells of the notebooks that have exercises, by name."""
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        if any(SECTION in "".join(cell["source"]) for cell in cells):
            yield path.stem, cells


def code(cells):
    """The code of the picture, and that of the exercises."""
    sources, kinds = ["".join(cell["source"]) for cell in cells], [cell["cell_type"] for cell in cells]
    section = next(k for k, source in enumerate(sources) if SECTION in source)
    found = [source for source, kind in zip(sources, kinds, strict=True) if kind == "code"]
    return [found[0], *(s for s, kind in zip(sources[section:], kinds[section:], strict=True) if kind == "code")]


@pytest.fixture(scope="module")
def course(root):
    """By chapter, everything that it asks, by kind."""
    asked = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "Picture", Silent)
        for kind in (Task, Quiz, Explanation, Derivation):
            made = kind.__init__

            def recorded(self, *args, made=made, kind=kind, **options):
                made(self, *args, **options)
                vars(now)[kind.__name__].append(self)

            patch.setattr(kind, "__init__", recorded)
        for name, cells in chapters(root):
            asked[name] = now = SimpleNamespace(Task=[], Quiz=[], Explanation=[], Derivation=[])
            names = {"display": lambda *shown: None}
            for source in code(cells):
                exec(source, names)
    return asked


def tasks(course):
    return [(name, task) for name, asked in course.items() for task in asked.Task]


def test_every_exercise_has_three_hints_and_a_solution_for_every_reader(course):
    assert len(tasks(course)) > 30
    for name, task in tasks(course):
        for seed in READERS:
            task.keeper.stored = {"seed": seed}
            assert len(task._hints._texts) == 4, (name, task._question.value)
            assert all(len(re.sub("<[^>]*>", "", text)) > 15 for text in task._hints._texts)
            assert "Solution." in task._hints._texts[-1]


def answer(task):
    """The number at which the solution arrives: the last one in bold."""
    return re.findall("<b>([^<]*)</b>", task._hints._texts[-1])[-1].replace(",", "").replace("−", "-")


def test_every_calculated_solution_is_accepted(course):
    for name, task in tasks(course):
        if not isinstance(task, Exercise) or "Check" not in [b.description for b in task.widget.children[1].children]:
            continue  # what is measured takes seconds
        for seed in READERS if task._numbers else [0]:
            task.keeper.stored = {"seed": seed, "solved": False}
            task._field.value = answer(task)
            wait_for(lambda task=task: task._verdict.value != "measuring …")
            assert "Yes." in task._verdict.value, (name, seed, task._question.value, task._verdict.value)
            task._field.value = str(decimal_number(task._field.value) * 1.3 + 1)[:8]
            wait_for(lambda task=task: "measuring" not in task._verdict.value)
            assert "Not yet." in task._verdict.value or "whole" in task._verdict.value


def test_every_quiz_asks_for_its_reasons(course):
    for name, quiz in ((name, quiz) for name, asked in course.items() for quiz in asked.Quiz):
        assert len(quiz._reasons) == quiz._count, name
        assert len(quiz._offered) >= 2 + len(set(quiz._reasons)), name  # some are reasons of none
        assert max(map(len, quiz._offered)) <= 35, name  # they must fit a phone


def test_the_browser_keeps_every_answer_under_a_name_of_its_own(course):
    for name, asked in course.items():
        names = [task.keeper.name for task in asked.Task] + [quiz.keeper.name for quiz in asked.Quiz]
        names += [question.name for question in asked.Explanation]
        assert not [twice for twice, count in Counter(names).items() if count > 1], name


def test_chapters_ask_for_explanations_and_derivations(course):
    assert sum(bool(asked.Explanation) for asked in course.values()) >= 13
    assert [name for name, asked in course.items() if asked.Derivation] == THEORY
