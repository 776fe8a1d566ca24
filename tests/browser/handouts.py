"""Writes a handout and slides of each chapter as PDF, from its steps in the static edition: `make handouts` runs it.

.venv/bin/python tests/browser/handouts.py .cache/site .cache/handouts

A handout has each step's picture with its readings, and its words with the answer open. On slides, a question has a
page of its own before its answer.
"""

import base64
import shutil
import sys
from pathlib import Path

from pages import FLAGS, NOTEBOOKS, open_chapter, until
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from ntkviz.app.course.edition import editions
from ntkviz.app.site.page import INDEX, address

WINDOW = {"width": 1120, "height": 900}  # in which a picture is as wide as the page, above its steps
SETTLED = 700  # ms after which a step's stored picture has been drawn

STYLE = """
:root, body { background: white !important; }
body { margin: 0 !important; padding: 0 !important; color: black; }
article { break-inside: avoid; }
article p.refusal { border-left: 1.5mm solid #a02020; padding-left: 3mm; color: #a02020; }
article img { display: block; width: 100% !important; object-fit: contain; object-position: left; }
article details { padding: 0 !important; background: none !important; }
"""
HANDOUT = """
@page { size: A4; margin: 13mm 15mm; }
article { margin-bottom: 4mm; }
article .jp-RenderedMarkdown { font-size: 10.5pt !important; line-height: 1.4 !important; }
article img { width: 94% !important; }
"""
SLIDES = """
@page { size: 297mm 167mm; margin: 9mm 12mm; }
h1 { break-after: page; padding-top: 60mm; text-align: center; }
article { break-after: page; font-size: 15pt !important; }
article img { height: 84mm !important; object-position: center; }
article p.refusal { font-size: 11pt; }
article p.refusal + img { height: 64mm !important; }
"""

ASSEMBLE = """([pictures, asFirst]) => {
    const title = document.createElement('h1');
    title.textContent = document.title;
    const page = (step, k, open) => {
        const made = document.createElement('article');
        const words = step.querySelector('.jp-RenderedMarkdown').cloneNode(true);
        words.querySelectorAll('aside, .jp-InternalAnchorLink').forEach((one) => one.remove());
        words.querySelectorAll('details').forEach((one) => (one.open = open));
        const image = new Image();
        Object.assign(image, { src: pictures[k].image, alt: pictures[k].said });
        const heading = words.querySelector('h3');
        heading.textContent = `${k + 1}. ${heading.querySelector('a').textContent}`;
        made.append(heading, image, words);
        for (const refusal of pictures[k].refused) {
            image.before(Object.assign(document.createElement('p'), { className: 'refusal', textContent: refusal }));
        }
        made.className = 'jp-RenderedHTMLCommon';
        return made;
    };
    const steps = [...document.querySelectorAll('.nv-step')];
    const made = steps.flatMap((step, k) => {
        const asked = asFirst && step.querySelector('details');
        return asked ? [page(step, k, false), page(step, k, true)] : [page(step, k, true)];
    });
    document.body.replaceChildren(title, ...made);
    document.body.classList.remove('jp-Notebook');
}"""


# The header would stay in view, over the picture, and buttons do not belong on paper. Of a refused step, only what
# belongs to its settings is printed.
ALONE = """
.nv-header, .modebar-container, .refused .nv-outdated { display: none !important; }
.nv-figures { min-height: 1px; } /* an empty one would be waited for */
"""
REFUSAL = ".nv-picture [role=alert]"
DRAWN = f"!document.querySelector('.nv-picture .nv-outdated:not(.nv-hidden)') || document.querySelector('{REFUSAL}')"


def pictures(page: Page) -> list[dict[str, str | list[str]]]:
    """Each step's picture as an image, with the readings below its plots, these as text, and its refusals."""
    page.add_style_tag(content=ALONE)
    return [picture(page, link) for link in page.locator(".nv-step h3 > a:first-child").all()]


def picture(page: Page, link: Locator) -> dict[str, str | list[str]]:
    """The picture of the step whose link this is."""
    link.click()
    page.wait_for_timeout(SETTLED)
    until(page, DRAWN)
    refused = page.locator(REFUSAL).all_inner_texts()
    page.evaluate("refused => document.body.classList.toggle('refused', refused)", bool(refused))
    if refused:
        page.wait_for_timeout(SETTLED)
    image = page.locator(".nv-picture .nv-figures").screenshot(animations="disabled")
    said = " ".join(page.locator(".nv-picture .nv-plot:not(.nv-hidden, .nv-outdated) .nv-reading").all_inner_texts())
    page.evaluate("document.body.classList.remove('refused')")
    return {"image": f"data:image/png;base64,{base64.b64encode(image).decode()}", "said": said, "refused": refused}


def write(browser: Browser, chapter: str, folder: Path) -> None:
    """Write both files of a chapter, whose page is at the address `chapter`, into a folder."""
    context = browser.new_context(viewport=WINDOW, device_scale_factor=2, reduced_motion="reduce")
    name = chapter.rpartition("/")[2].removesuffix(".html")
    page = open_chapter(context.new_page(), chapter)
    drawn = pictures(page)
    for kind, style in (("handout", HANDOUT), ("slides", SLIDES)):
        if kind == "slides":
            open_chapter(page, chapter)
        page.evaluate(ASSEMBLE, [drawn, kind == "slides"])
        page.add_style_tag(content=STYLE + style)
        page.wait_for_timeout(SETTLED)
        page.pdf(path=folder / f"{name}_{kind}.pdf", prefer_css_page_size=True, print_background=True)
    context.close()


def main(site: Path, folder: Path) -> None:
    """Write those of all chapters of a static edition, in all languages that it has."""
    written = [edition for edition in editions(NOTEBOOKS).values() if (site / edition.folder / INDEX).is_file()]
    found = [(edition.folder, chapter) for edition in written for chapter in edition.chapters if chapter.number]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for place, chapter in found:
            (folder / place).mkdir(parents=True, exist_ok=True)
            write(browser, (site / place / address(chapter.name)).resolve().as_uri(), folder / place)
            print(chapter.heading, flush=True)
        browser.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
