"""The command that writes the static edition: `ntkviz site FOLDER`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from ..course.edition import Edition
from ..translation.words import languages, offered
from .build import SECONDS, build
from .page import INDEX, Addresses


def main(notebooks: Path, argv: Sequence[str]) -> None:
    """Write it, and say where it is."""
    parser = argparse.ArgumentParser("ntkviz site", description="Write the course as a folder of plain files.")
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--address", type=_on_the_web, default="", help="where the folder will be found, for previews of shared pages"
    )
    parser.add_argument(
        "--live", type=_on_the_web, default="", help="the address of a running course, to which pages then lead"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a processor for each chapter's settings")
    kept = platformdirs.user_cache_path("ntkviz") / "site"
    parser.add_argument("--cache", type=Path, default=kept, help="what is kept of chapters until they change")
    parser.add_argument("--languages", default="", help="such as en,zh; by default all that readers are led to")
    given = parser.parse_args(argv)
    asked = given.languages.split(",") if given.languages else offered()
    if unknown := set(asked) - set(languages()):
        parser.error(f"there is no {', '.join(sorted(unknown))} among the languages: {', '.join(languages())}")
    chosen = [language for language in languages() if language in asked]
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        parser.error(f"{given.folder} cannot be written ({problem.strerror}); name another folder")
    addresses = Addresses(given.address, given.live)
    for line in build(notebooks, given.folder, given.cache, addresses, given.seconds, chosen):
        print(line, flush=True)
    index = given.folder / Edition(chosen[0], []).folder / INDEX
    size = sum(file.stat().st_size for file in given.folder.rglob("*.*")) / 1e6
    print(f"{size:.0f} MB. Open {index} in a browser, or copy the folder to any web space.")


def _on_the_web(text: str) -> str:
    """An address without a slash at its end; empty if there is none.

    Raises:
        argparse.ArgumentTypeError: It is none of the web.
    """
    if text and not text.startswith(("https://", "http://")):
        raise argparse.ArgumentTypeError(f"{text} is no address of the web; it must start with https:// or http://")
    return text.rstrip("/")
