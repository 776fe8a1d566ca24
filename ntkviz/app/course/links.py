"""Links by which a course opens the lessons on Binder, or copies them to a reader's JupyterHub:

    ntkviz links https://github.com/OWNER/NAME --hub=https://hub.example.org

The address of the repository is all that differs between one copy of the course and another.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from ..translation.words import ENGLISH, languages
from .edition import Edition, editions

BINDER = "https://mybinder.org"


def on_binder(repository: str, branch: str, page: str) -> str:
    """The address that builds the repository on Binder, or takes a build that exists, and opens a page."""
    place = urlsplit(repository)
    source = f"gh{place.path}" if place.hostname == "github.com" else f"git/{quote(repository, safe='')}"
    return f"{BINDER}/v2/{source}/{quote(branch, safe='')}?{urlencode({'urlpath': page})}"


def on_hub(hub: str, repository: str, branch: str, notebook: str) -> str:
    """The address with which nbgitpuller copies the repository to a reader's server, and opens a notebook there."""
    folder = urlsplit(repository).path.rsplit("/", 1)[-1].removesuffix(".git")
    asked = {"repo": repository, "branch": branch, "urlpath": f"lab/tree/{folder}/notebooks/{notebook}"}
    return f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(asked)}"


def lines(repository: str, branch: str, hub: str | None, edition: Edition) -> Iterator[str]:
    """Markdown: a badge, and a list of the chapters with their links."""
    repository, pages = repository.rstrip("/"), f"voila/render/{edition.folder}"
    yield f"[![Binder]({BINDER}/badge_logo.svg)]({on_binder(repository, branch, f'{pages}00_home.ipynb')})"
    yield ""
    for chapter in edition.chapters:
        line = f"- {chapter.heading}: [on Binder]({on_binder(repository, branch, f'{pages}{chapter.file}')})"
        yield line + (f", [on our JupyterHub]({on_hub(hub, repository, branch, chapter.file)})" if hub else "")


def main(notebooks: Path, argv: list[str]) -> None:
    """Print the links to the pages in a folder."""
    parser = argparse.ArgumentParser(
        "ntkviz links", description="Links to the lessons on Binder and on a JupyterHub, as Markdown."
    )
    parser.add_argument("repository", help="the address of a public copy, such as https://github.com/OWNER/NAME")
    parser.add_argument("--branch", default="main")
    parser.add_argument("--hub", help="the address of a JupyterHub with nbgitpuller")
    parser.add_argument("--language", choices=languages(), default=ENGLISH, help="of the pages on Binder")
    given = parser.parse_args(argv)
    if given.hub and given.language != ENGLISH:
        parser.error(
            "a JupyterHub copies the notebooks from the repository, which has them in English; leave out --hub"
        )
    if not urlsplit(given.repository).hostname:
        parser.error(f"{given.repository} is not the address of a repository, such as https://github.com/OWNER/NAME")
    print("\n".join(lines(given.repository, given.branch, given.hub, editions(notebooks)[given.language])))
