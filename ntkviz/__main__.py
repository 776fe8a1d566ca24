"""The command `ntkviz`, also `python -m ntkviz`: opens the course.

Its parts are imported when they are asked for, since the engine can be installed without the course.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).parent
HELP = """\
without a command   open the course in a browser
classroom           the same for a class: light kernels, and one engine that computes for all of them
lab [FOLDER]        open a copy of the notebooks in JupyterLab, by default in ./ntkviz-notebooks
                    (--language=zh: in Chinese; homework and links have this option, too)
site [FOLDER]       write the course as plain files that need no server, by default into ./ntkviz-site
homework [FOLDER]   write homework for students and its solutions, by default into ./ntkviz-homework
links ADDRESS       print links to the pages of a public copy, on Binder and on the JupyterHub named by --hub
doctor              say what this installation has and lacks

Options that are not listed below go to Voilà or JupyterLab: --port=9000, --no-browser, --help-all, ...; those of site
are --address (where the files will be found), --live (a running course), --languages=en,zh, --seconds and --cache.
"""


def notebooks() -> Path:
    """The folder of the notebooks: inside the installed package, or beside it in a checkout."""
    inside = PACKAGE / "notebooks"
    return inside if inside.is_dir() else PACKAGE.parent / "notebooks"


def copied(folder: Path, language: str = "en") -> Path:
    """A folder with copies of the notebooks to work on, in a language; files that exist in it are left as they are."""
    from .app.translation.notebook import translated

    folder.mkdir(parents=True, exist_ok=True)
    for notebook in sorted(notebooks().glob("*.ipynb")):
        if not (folder / notebook.name).exists():
            book = translated(json.loads(notebook.read_text(encoding="utf-8")), notebook.stem, language)
            text = json.dumps(book, ensure_ascii=False, indent=1) + "\n"
            (folder / notebook.name).write_text(text, encoding="utf-8")
    return folder


def _course(command: str, options: list[str]) -> None:
    from .app import classroom, serve

    open_course = classroom.main if command == "classroom" else serve.main
    open_course([str(notebooks()), "--Voila.open_browser=True", *options])


def _lab(folder: str, options: list[str]) -> None:
    from jupyterlab.labapp import LabApp

    from .app.translation.words import languages

    parser = argparse.ArgumentParser("ntkviz lab", add_help=False, allow_abbrev=False)
    parser.add_argument("--language", choices=languages(), default="en")
    given, options = parser.parse_known_args(options)
    never = "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"
    LabApp.launch_instance([str(copied(Path(folder), given.language)), never, *options])


def _site(folder: str, options: list[str]) -> None:
    from .app.site import command

    command.main(notebooks(), [folder, *options])


def _homework(folder: str, options: list[str]) -> None:
    from .app.teaching import homework

    homework.main([folder, *options])


def _links(repository: str | None, options: list[str]) -> None:
    from .app.course import links

    links.main(notebooks(), [repository, *options] if repository else options)


def _doctor() -> None:
    from .doctor import report

    for line in report():
        print(line)


WRITTEN: dict[str, tuple[str, Callable[[str, list[str]], None]]] = {
    "lab": ("ntkviz-notebooks", _lab),
    "site": ("ntkviz-site", _site),
    "homework": ("ntkviz-homework", _homework),
}
"""The commands that write a folder, with its usual name."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command.

    Raises:
        SystemExit: The command does not exist, or the packages of the course are not installed.
    """
    parser = argparse.ArgumentParser("ntkviz", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", nargs="?", choices=["app", "classroom", *WRITTEN, "links", "doctor"], default="app")
    parser.add_argument("folder", nargs="?", help=f"for {', '.join(WRITTEN)}; the address for links")
    parser.add_argument("--version", action="version", version=metadata.version("ntkviz"))
    given, options = parser.parse_known_args(argv)
    if given.folder and given.command not in (*WRITTEN, "links"):
        parser.error(f"{given.command} takes no folder: {given.folder}")
    if given.command == "doctor":
        _doctor()
        return
    try:
        if given.command in WRITTEN:
            usual, command = WRITTEN[given.command]
            command(given.folder or usual, options)
        elif given.command == "links":
            _links(given.folder, options)
        else:
            _course(given.command, options)
    except ModuleNotFoundError as missing:
        package = str(missing.name).partition(".")[0]
        raise SystemExit(f'The course is not installed ({package} is missing): pip install "ntkviz[app]"') from missing


if __name__ == "__main__":
    main(sys.argv[1:])
