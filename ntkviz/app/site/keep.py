"""Runs the chapters that have changed, one after the other and with the lowest priority, for a dashboard to show:

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
from .build import SECONDS
from .chapter import run

LOWEST = 19  # priority of a process, which its kernels have, too


def main(argv: Sequence[str]) -> None:
    """Run them; one that fails is named on stderr, and does not keep the others from being run."""
    notebooks, folder = map(Path, argv)
    os.nice(LOWEST)
    keep_compiled_code()
    for chapter in chapters(notebooks):
        notebook = notebooks / chapter.file
        if Kept(notebook, folder).valid() is None:
            try:
                run(notebook, folder, SECONDS)
            except Exception as error:
                print(f"{chapter.file} could not be stored: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
