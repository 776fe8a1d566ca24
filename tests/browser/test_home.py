"""Home: what this is, and a way to every chapter that exists."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

HOME = "00_home.ipynb"
SHOTS = Path(__file__).parents[2] / ".cache" / "screenshots"


def test_cards_and_navigation_lead_from_chapter_to_chapter(visit):
    page = visit(HOME)
    expect(page.locator(".nv-card svg").first).to_be_visible()
    page.locator(".nv-card", has_text="2 · The NTK").click()
    page.wait_for_url("**/02_ntk.ipynb*")
    page.locator("#rendered_cells").wait_for(state="visible")
    expect(page.get_by_role("navigation", name="Chapters").locator("[aria-current]")).to_contain_text("The NTK")
    page.get_by_role("navigation", name="Previous and next chapter").locator("[rel=prev]").click()
    page.wait_for_url("**/01_gaussian.ipynb*")
    page.locator("#rendered_cells").wait_for(state="visible")
    page.get_by_role("navigation", name="Previous and next chapter").locator("[rel=prev]").click()
    page.wait_for_url(f"**/{HOME}")


def test_every_chapter_named_exists(visit, dashboard):
    page = visit(HOME)
    links = page.locator(".nv-header a, .nv-card, .nv-turn a").evaluate_all("links => links.map(link => link.href)")
    assert links
    for link in set(links):
        assert page.request.get(link).ok, link


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080), (820, 1180)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_looks(page, visit, size, theme):
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    visit(HOME)
    page.locator(".nv-card svg").first.wait_for()
    page.screenshot(path=SHOTS / f"home-{size[0]}x{size[1]}-{theme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
