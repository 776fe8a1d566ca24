"""Pages for teachers, generated from the notebooks: the notes to all steps, and the worked solutions, as Markdown."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection
from pathlib import Path

from ..course.chapter import Chapter, chapters
from ..exercises.worked import Worked
from ..site.page import address
from ..translation.words import CODE, ENGLISH, say
from .answers import answers
from .formulas import with_formulas
from .steps import Step, steps

LINK = re.compile(
    r"\[(?P<text>[^\]]+)\]\((?:(?:\.\./)*notebooks/)?(?P<target>\w+\.ipynb(?:#[^)]*)?)\)"
)  # to a notebook
TO_NOTEBOOK = re.compile(r'href="(?P<name>\w+)\.ipynb(?P<link>#[^"]*)?"')
TO_HERE = re.compile(r'(?P<before>\]\(|href=")#')

NOT_FOUND_BY_SEARCH = "---\nsearch:\n  exclude: true\n---\n\n"


def course_links(markdown: str, course: str) -> str:
    """A text whose links to notebooks, as they work in a repository, lead to the pages of the course instead.

    - `course`: the address of the static edition's folder, with a slash at the end.
    """

    def page(found: re.Match[str]) -> str:
        link = "" if found["link"] in (None, "#start") else found["link"]
        return f'href="{course}{address(found["name"])}{link}"'

    return TO_NOTEBOOK.sub(page, LINK.sub(r'<a href="\g<target>">\g<text></a>', markdown))


def notes(notebooks: Path, language: str = ENGLISH) -> str:
    """The notes to all steps of a folder of notebooks in a language; links to steps are links to notebooks."""
    _ = functools.partial(say, language=language, part=CODE)
    about = _(
        "What *Present* shows when you press N, for all chapters: what a step shows, what it asks, and what the "
        "teacher says or does, with the minutes that it takes. The title of a step leads to its picture."
    )
    told = [(one, steps(notebooks / one.file, language)) for one in chapters(notebooks, language)]
    parts = [_notes(chapter, found, _) for chapter, found in told if found]
    return "".join([f"# {_('Notes to each step')}\n\n{about}\n", *parts])


def _notes(chapter: Chapter, found: list[Step], _: Callable[[str], str]) -> str:
    about = _("{summary} {count} steps, {minutes} minutes.").format(
        summary=chapter.summary, count=len(found), minutes=sum(step.minutes for step in found)
    )
    head = f"\n## {chapter.heading} {{#{chapter.name}}}\n\n{about}\n"
    return head + "".join(_note(number, step, chapter, _) for number, step in enumerate(found, 1))


def _note(number: int, step: Step, chapter: Chapter, _: Callable[[str], str]) -> str:
    title = f"**{number}. [{step.title}](#{step.link})** · {_('{minutes} min').format(minutes=step.minutes)}"
    question, answer = _("*Ask:* {question}"), _("*Then:* {answer}")
    asked = [question.format(question=step.question), answer.format(answer=step.answer)] if step.question else []
    note = [f"> {step.note}"] if step.note else []
    texts = filter(None, [title, step.text, *asked, *note])
    return with_formulas("".join(f"\n{_to_chapter(text, chapter)}\n" for text in texts))


def _to_chapter(text: str, chapter: Chapter) -> str:
    """Links to settings of a chapter's picture as links to its notebook."""
    return TO_HERE.sub(rf"\g<before>{chapter.file}#", text)


def solutions(notebooks: Path, language: str = ENGLISH, of: Collection[str] | None = None) -> str:
    """The exercises of a folder of notebooks with their solutions; it takes some seconds for each quiz that computes.

    - `of`: the names of the chapters; None for all of them.
    """
    _ = functools.partial(say, language=language, part=CODE)
    about = _(
        "For the exercises of all chapters. Where numbers are drawn for each reader, the question is that of one "
        "reader, and the solutions are those for all numbers. Readers see a solution after three hints, and a model "
        "answer after they have written their own; the course does not link to this page, and the search of "
        "this documentation does not find it."
    )
    wanted = [one for one in chapters(notebooks, language) if of is None or one.name in of]
    worked = [(one, answers(notebooks / one.file, language)) for one in wanted]
    parts = [_solutions(chapter, found, _) for chapter, found in worked if found]
    return "".join([NOT_FOUND_BY_SEARCH, f"# {_('Worked solutions')}\n\n{about}\n", *parts])


def _solutions(chapter: Chapter, found: list[Worked], _: Callable[[str], str]) -> str:
    blocks = "".join(f'\n<div class="nv-worked">{_worked(one, _)}</div>\n' for one in found)
    return f"\n## {chapter.heading} {{#{chapter.name}}}\n{blocks}"


def _worked(one: Worked, _: Callable[[str], str]) -> str:
    """As HTML."""
    parts = "".join(f"<li>{_worked(part, _)}</li>" for part in one.parts)
    return f"<p>{one.question}</p>{_answers(one.solutions, _)}" + (f"<ol>{parts}</ol>" if parts else "")


def _answers(texts: tuple[str, ...], _: Callable[[str], str]) -> str:
    if len(texts) == 1:
        return "<p>" + _("<em>Solution.</em> {text}").format(text=texts[0]) + "</p>"
    listed = "".join(f"<li>{text}</li>" for text in texts)
    return f"<p>{_('<em>Solutions</em>, by the numbers drawn:')}</p><ul>{listed}</ul>" if texts else ""
