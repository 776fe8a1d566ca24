"""The home page leads to every chapter."""

import json
import re

import pytest
from pages import CHAPTERS, open_chapter
from playwright.sync_api import expect

from ntkviz.app.server.page_policy import COOKIE

HOME = "00_home"


@pytest.fixture(scope="module")
def course(root, serve, tmp_path_factory):
    """A dashboard of the course whose chapters have no code: what leads from one to another needs none."""
    folder = tmp_path_factory.mktemp("course")
    for name in CHAPTERS:
        notebook = json.loads((root / "notebooks" / f"{name}.ipynb").read_text())
        notebook["cells"] = [cell for cell in notebook["cells"] if name == HOME or cell["cell_type"] == "markdown"]
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook))
    with serve(folder, "--VoilaConfiguration.preheat_kernel=False") as server:
        yield server


@pytest.fixture
def home(page, course):
    """Its home page."""
    return open_chapter(page, course.chapter(f"{HOME}.ipynb"))


def test_cards_and_navigation_lead_from_chapter_to_chapter(home):
    expect(home.locator(".nv-card svg").first).to_be_visible()
    home.locator(".nv-card", has_text="2 · The NTK").click()
    home.wait_for_url("**/02_ntk.ipynb*")
    home.locator("#rendered_cells").wait_for(state="visible")
    home.locator(".nv-menu summary").click()
    expect(home.get_by_role("navigation", name="Chapters").locator("[aria-current]")).to_contain_text("The NTK")
    home.keyboard.press("Escape")
    home.get_by_role("navigation", name="Previous and next chapter").locator("[rel=prev]").click()
    home.wait_for_url("**/01_gaussian.ipynb*")
    home.locator("#rendered_cells").wait_for(state="visible")
    home.get_by_role("navigation", name="Previous and next chapter").locator("[rel=prev]").click()
    home.wait_for_url(f"**/{HOME}.ipynb")


def test_every_chapter_has_a_card_and_a_place_in_the_menu(home):
    for where in (".nv-card", ".nv-menu li a"):
        expect(home.locator(where)).to_have_count(len(CHAPTERS) - 1)
        names = home.locator(where).evaluate_all("links => links.map(link => link.pathname.split('/').at(-1))")
        assert sorted(names) == [f"{name}.ipynb" for name in CHAPTERS if name != HOME]


def test_chinese_pages_lead_to_each_other_and_to_english(page, course):
    page.goto(course.chapter("zh/00_home.ipynb"))
    page.locator(".nv-card", has_text="9 · MLP：有序与混沌").click()
    page.wait_for_url("**/zh/09_mlp.ipynb*")
    expect(page.locator("h1")).to_contain_text("MLP：有序与混沌")
    assert page.evaluate("document.documentElement.lang") == "zh"
    page.get_by_role("searchbox", name="搜索课程").fill("混沌")
    expect(page.locator(".nv-search ol a").first).to_have_attribute("href", re.compile(r"/zh/09_mlp\.ipynb"))
    page.evaluate("location.hash = 'layer=10'")
    page.locator(".nv-language", has_text="English").click()
    page.wait_for_url("**/render/09_mlp.ipynb#layer=10")
    expect(page.locator("h1")).to_contain_text("MLP: order and chaos")
    page.set_extra_http_headers({"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    page.goto(course.url)  # the language that was chosen last counts more than the browser's
    page.wait_for_url("**/render/00_home.ipynb*")
    page.context.clear_cookies(name=COOKIE)  # without Jupyter's own, the page could not shut down its kernel
    page.goto(course.url)
    page.wait_for_url("**/zh/00_home.ipynb*")
