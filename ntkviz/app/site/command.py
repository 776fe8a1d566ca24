"""The command that writes the static edition: `ntkviz site FOLDER`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from .build import SECONDS, build


def main(notebooks: Path, argv: Sequence[str]) -> None:
    """Write it, and say where it is."""
    parser = argparse.ArgumentParser("ntkviz site", description="Write the course as a folder of plain files.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--address", default="", help="where the folder will be found, for previews of shared pages")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a processor for each chapter's settings")
    kept = platformdirs.user_cache_path("ntkviz") / "site"
    parser.add_argument("--cache", type=Path, default=kept, help="what is kept of chapters until they change")
    given = parser.parse_args(argv)
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        parser.error(f"{given.folder} cannot be written ({problem.strerror}); name another folder")
    for line in build(notebooks, given.folder, given.cache, given.address.rstrip("/"), given.seconds):
        print(line, flush=True)
    size = sum(file.stat().st_size for file in given.folder.rglob("*.*")) / 1e6
    print(f"{size:.0f} MB. Open {given.folder / 'index.html'} in a browser, or copy the folder to any web space.")
