"""Runs the chapters that have changed, one after the other and with the lowest priority, for a dashboard to show, in
each language that readers are led to:

python -m ntkviz.app.site.keep NOTEBOOKS FOLDER
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ..course.chapter import chapters
from ..serve import keep_compiled_code
from ..server.kept import Kept
from ..translation.words import offered
from .build import SECONDS
from .chapter import run

LOWEST = 19  # priority of a process, which its kernels have, too


def main(argv: Sequence[str]) -> None:
    """Run them; one that fails is named on stderr, and does not keep the others from being run."""
    notebooks, folder = map(Path, argv)
    os.nice(LOWEST)
    keep_compiled_code()
    for language in offered():  # English first, whose settings the others take
        for chapter in chapters(notebooks):
            _keep(notebooks / chapter.file, folder, language)


def _keep(notebook: Path, folder: Path, language: str) -> None:
    if Kept(notebook, folder, language).valid() is None:
        try:
            run(notebook, folder, SECONDS, language)
        except Exception as error:
            print(f"{notebook.name} could not be stored ({language}): {error}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
