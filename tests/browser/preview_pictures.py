"""Draws the pictures that other sites show of a page that is shared there: run it when a card or a title has changed.

.venv/bin/python tests/browser/preview_pictures.py
"""

import shutil
from html import escape
from pathlib import Path

from pages import FLAGS, NOTEBOOKS
from playwright.sync_api import sync_playwright

from ntkviz.app import chapters
from ntkviz.app.course.chapter import DRAWINGS, Chapter
from ntkviz.app.site.build import PREVIEWS

SIZE = {"width": 1200, "height": 630}  # pixels, as other sites expect it
STYLE = """
body { margin: 0; padding: 48px 70px; font: 30px sans-serif; color: #1b2430; background: white; }
svg { display: block; width: 735px; height: 391px; margin: 8px auto; }
h1 { margin: 0; font-size: 58px; } p { margin: 6px 0 0; color: #0072b2; }
"""


def page(chapter: Chapter) -> str:
    """What is drawn."""
    drawing = DRAWINGS / f"{chapter.name}.svg"
    shown = drawing if drawing.is_file() else DRAWINGS / "02_ntk.svg"
    title = chapter.title if chapter.name != "00_home" else "What does an infinitely wide network compute?"
    size = "" if len(title) < 30 else ' style="font-size: 42px"'
    return f"<style>{STYLE}</style><h1{size}>{escape(title)}</h1>{shown.read_text('utf-8')}<p>ntkviz</p>"


def main() -> None:
    """Draw them all."""
    folder = Path(str(PREVIEWS))
    folder.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        window = browser.new_page(viewport=SIZE)
        for chapter in chapters(NOTEBOOKS):
            window.set_content(page(chapter))
            window.screenshot(path=folder / f"{chapter.name}.png")
        browser.close()


if __name__ == "__main__":
    main()
