"""Home: what this is, and a way to every chapter that exists."""

from playwright.sync_api import expect

HOME = "00_home.ipynb"


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
