"""The home page leads to every chapter."""

from playwright.sync_api import expect

HOME = "00_home.ipynb"


def test_cards_and_navigation_lead_from_chapter_to_chapter(visit):
    page = visit(HOME)
    expect(page.locator(".nv-card svg").first).to_be_visible()
    page.locator(".nv-card", has_text="2 · The NTK").click()
    page.wait_for_url("**/02_ntk.ipynb*")
    page.locator("#rendered_cells").wait_for(state="visible")
    page.locator(".nv-menu summary").click()
    expect(page.get_by_role("navigation", name="Chapters").locator("[aria-current]")).to_contain_text("The NTK")
    page.keyboard.press("Escape")
    page.get_by_role("navigation", name="Previous and next chapter").locator("[rel=prev]").click()
    page.wait_for_url("**/01_gaussian.ipynb*")
    page.locator("#rendered_cells").wait_for(state="visible")
    page.get_by_role("navigation", name="Previous and next chapter").locator("[rel=prev]").click()
    page.wait_for_url(f"**/{HOME}")


def test_every_chapter_has_a_card_and_a_place_in_the_menu(visit, root):
    page = visit(HOME)
    chapters = {path.name for path in (root / "notebooks").glob("*.ipynb")}
    for where in (".nv-card", ".nv-menu li a"):
        expect(page.locator(where)).to_have_count(len(chapters) - 1)
        names = page.locator(where).evaluate_all("links => links.map(link => link.pathname.split('/').at(-1))")
        assert sorted(names) == sorted(chapters - {HOME})
