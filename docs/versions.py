"""Lists the versions of the documentation in a folder, for the menu of their pages, and leads from it to the newest.

    python docs/versions.py FOLDER

`make docs-version` puts each version into a folder of its own, and then runs this.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

LEAD = '<!doctype html>\n<title>ntkviz</title>\n<meta http-equiv="refresh" content="0; url={newest}/index.html">\n'


def versions(folder: Path) -> list[str]:
    """The versions in a folder, the newest first."""
    found = [page.parent.name for page in folder.glob("*/index.html")]
    numbered = [name for name in found if re.fullmatch(r"\d+(\.\d+)*", name)]
    return sorted(numbered, key=lambda name: [int(part) for part in name.split(".")], reverse=True)


def main(folder: Path) -> None:
    """Write the list and the page that leads to the newest version."""
    found = versions(folder)
    if not found:
        raise SystemExit(f"There is no version of the documentation in {folder}; run `make docs-version` first.")
    listed = [{"version": name, "title": name, "aliases": ["latest"] * (name == found[0])} for name in found]
    (folder / "versions.json").write_text(json.dumps(listed, indent=2), encoding="utf-8")
    (folder / "index.html").write_text(LEAD.format(newest=found[0]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
