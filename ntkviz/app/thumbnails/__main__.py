"""Draw the cards of the home page: python -m ntkviz.app.thumbnails [NAME ...], for all chapters or those named."""

import argparse
from pathlib import Path

from . import THUMBNAILS

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("names", nargs="*", metavar="NAME", help="of a chapter, 02_ntk, say")
if unknown := set(named := parser.parse_args().names) - set(THUMBNAILS):
    parser.error(f"no drawing is known for {', '.join(sorted(unknown))}; give it a line in THUMBNAILS")
for name in named or THUMBNAILS:
    Path(__file__).with_name(f"{name}.svg").write_text(f"{THUMBNAILS[name]()}\n", encoding="utf-8")
