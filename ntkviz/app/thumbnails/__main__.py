"""Draw the cards of the home page: python -m ntkviz.app.thumbnails [NAME ...], for all chapters or those named."""

import argparse
from pathlib import Path

from ..course.chapter import DRAWINGS, chapters
from . import draw

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("names", nargs="*", metavar="NAME", help="the name of a chapter, such as 02_ntk")
known = [chapter.name for chapter in chapters("notebooks") if chapter.number]
if unknown := set(named := parser.parse_args().names) - set(known):
    parser.error(f"notebooks/ has no chapter {', '.join(sorted(unknown))}")
for name in named or known:
    Path(str(DRAWINGS), f"{name}.svg").write_text(f"{draw(name)}\n", encoding="utf-8")
