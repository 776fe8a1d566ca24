"""A task checks what the reader has built."""

import time

import ipywidgets as widgets
import pytest

from ntkviz.app import Task

from ..conftest import wait_for


@pytest.mark.parametrize(
    ("answer", "said"),
    [((True, "It is <so>."), "Yes.</span> It is &lt;so&gt;."), ((False, "It is not."), "Not yet.</span> It is not.")],
)
def test_task_runs_its_check_when_the_button_is_pressed(answer, said):
    asked = []
    task = Task("Do it.", lambda: asked.append(1) or answer)
    assert not asked
    task.widget.children[1].children[0].click()
    deadline = time.monotonic() + 10
    while said not in task._verdict.value and time.monotonic() < deadline:
        time.sleep(0.01)
    assert said in task._verdict.value
    assert len(asked) == 1


def test_a_verdict_is_cleared_when_a_widget_that_it_depends_on_changes():
    guess, other = widgets.IntText(value=1), widgets.IntText(value=1)
    task = Task("Guess.", lambda: (guess.value == 2, "It is 2."), beside=(guess, other), about=(guess,))
    task.ask()
    wait_for(lambda: "Not yet." in task._verdict.value)
    other.value = 3
    assert "Not yet." in task._verdict.value
    guess.value = 2
    assert task._verdict.value == ""
    task.ask()
    wait_for(lambda: "Yes." in task._verdict.value)
