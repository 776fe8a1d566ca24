"""The static edition in Chromium: from a plain file server and from a disk, without a server of ours or a kernel."""

import functools
import http.server
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from app.translation import pseudo
from dots import write_course
from handouts import WINDOW, pictures, write
from pages import open_chapter, reading
from playwright.sync_api import expect

from ntkviz.app.site.build import build
from ntkviz.app.site.page import Addresses
from ntkviz.app.translation import words as translation
from ntkviz.app.translation.extraction import templates

ADDRESSES = Addresses("https://example.org/course", "https://live.example.org")
LANGUAGES = ["en", pseudo.CODE]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The static edition of a home page and of a chapter that takes no time to compute, in two languages."""
    notebooks, site, cache, catalogues = map(tmp_path_factory.mktemp, ("notebooks", "site", "cache", "catalogues"))
    write_course(notebooks)
    for part, template in templates(notebooks).items():
        pseudo.write(catalogues, template, part)
    with pytest.MonkeyPatch.context() as patched, ThreadPoolExecutor(1) as thread:
        patched.setattr(translation, "CATALOGUES", catalogues)
        patched.setenv("NTKVIZ_CATALOGUES", str(catalogues))
        # In a thread: Playwright has an event loop in that of the tests.
        run = [thread.submit(lambda: list(build(notebooks, site, cache, ADDRESSES, 30.0, LANGUAGES))) for _ in range(2)]
        first, again = (one.result() for one in run)
    translation.catalogue.cache_clear()
    assert first[2].startswith("1 · Dots: ")
    assert first[3].startswith("1 · ⟦Dótš êêêê⟧: ")
    assert all(line.endswith("(unchanged)") for line in again)
    return site


@pytest.fixture(scope="module", params=["server", "disk"])
def edition(request, folder):
    """Its address, on a plain file server or on a disk."""
    if request.param == "disk":
        yield folder.as_uri()
        return
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *arguments: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def dots(chromium, edition):
    """The chapter's page, one for all tests of an address."""
    with reading(chromium) as page:
        yield open_chapter(page, f"{edition}/01_dots.html")


def says(page, text):
    expect(page.locator(".nv-picture .nv-reading")).to_have_text(text)


def press(page, control, *keys):
    handle = page.locator(".nv-control", has_text=control).locator(".noUi-handle")
    for key in keys:
        handle.press(key)


def press_at_once(page, control, *keys):
    press = "(e, keys) => keys.forEach((key) => e.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true})))"
    page.locator(".nv-control", has_text=control).locator(".noUi-handle").evaluate(press, keys)


def drawn(page):
    return page.evaluate("(({x, y}) => [...x, ...y])(document.querySelector('.nv-picture .js-plotly-plot').data[0])")


def test_a_step_shows_its_settings_and_a_key_goes_to_the_next_stored_ones(dots):
    dots.get_by_role("link", name="Wide and high").click()
    says(dots, "width 8, height 50, good: sum 58")
    assert drawn(dots) == [8, 50]
    press(dots, "height", "ArrowRight")
    says(dots, "width 8, height 75, good: sum 83")


def test_a_key_pressed_again_before_the_first_press_is_answered_goes_on_in_its_direction(dots):
    dots.evaluate("location.hash = 'width=8&height=75'")
    says(dots, "width 8, height 75, good: sum 83")
    press_at_once(dots, "height", "ArrowLeft", "ArrowLeft")
    says(dots, "width 8, height 25, good: sum 33")
    assert drawn(dots) == [8, 25]


def test_settings_that_are_not_stored_have_no_numbers_and_lead_to_stored_ones(dots):
    dots.get_by_role("button", name="Reset").click()
    says(dots, "width 1, height 0, good: sum 1")
    press(dots, "width", "ArrowRight")
    says(dots, "width 2, height 0, good: sum 2")
    dots.locator(".nv-control", has_text="word").locator("select").select_option("bad")
    says(dots, "Out of date: not stored for these settings.")
    assert "nv-outdated" in dots.locator(".nv-picture .nv-plot").get_attribute("class")
    expect(dots.locator(".nv-status")).to_contain_text("Not stored in this edition.")
    dots.locator(".nv-status a").click()
    expect(dots.locator(".nv-picture .nv-reading")).to_contain_text("sum")
    assert "nv-outdated" not in dots.locator(".nv-picture .nv-plot").get_attribute("class")


def test_controls_that_have_nothing_to_do_with_a_view_do_not_count_there(dots):
    dots.get_by_role("button", name="Reset").click()
    says(dots, "width 1, height 0, good: sum 1")
    dots.locator(".nv-control", has_text="word").locator("select").select_option("bad")
    says(dots, "width 1, height 0, bad: sum 1")
    dots.locator(".nv-control", has_text="view").locator("select").select_option("alone")
    says(dots, "width 1, height 0, alone: sum 1")
    expect(dots.locator(".nv-control", has_text="word")).to_be_hidden()


def test_a_link_with_invalid_settings_says_so_until_the_next_move(dots):
    dots.evaluate("location.hash = 'width=3&height=50&no=1'")
    expect(dots.get_by_role("alert")).to_contain_text("left at their initial values: width, no.")
    says(dots, "width 1, height 50, good: sum 51")
    dots.get_by_role("button", name="Reset").click()
    expect(dots.get_by_role("alert")).to_be_hidden()


def test_play_goes_through_all_stops(dots):
    dots.get_by_role("button", name="Reset").click()
    dots.get_by_role("button", name="Play").click()
    says(dots, "width 16, height 0, good: sum 16")
    expect(dots.get_by_role("button", name="Play")).to_be_visible()


def test_a_handle_moves_between_stored_settings(dots):
    dots.get_by_role("button", name="Reset").click()
    dots.get_by_role("slider", name="dot").press("PageUp")
    says(dots, "width 1, height 12, good: sum 13")


def test_answers_are_checked_with_the_same_words(dots):
    asked, then = dots.locator(".nv-derivation .nv-exercise").all()
    expect(then).to_be_hidden()
    number = int(asked.inner_text().split("What is ")[1].split(" ")[0])
    for answer, words in [("1", "Not yet. It is larger than that."), ("a", "“a” is not a whole number such as 1000.")]:
        asked.get_by_role("textbox").fill(answer)
        asked.get_by_role("button", name="Check").click()
        expect(asked.get_by_role("status").first).to_have_text(words)
    asked.get_by_role("textbox").fill(str(2 * number))
    asked.get_by_role("button", name="Check").click()
    expect(asked.get_by_role("status").first).to_have_text(f"Yes. It is {2 * number}.")
    expect(asked.locator(".nv-hints p")).to_have_text(f"Solution. {2 * number}")
    expect(then).to_be_visible()
    then.get_by_role("button", name="Measure").click()
    expect(then.get_by_role("status").first).to_contain_text("needs the running course")
    for hint in ("Hint 1 of 1", "Show the solution"):
        then.get_by_role("button", name=hint).click()
    expect(then.locator(".nv-hints")).to_contain_text("Solution. 3")


def test_a_quiz_gives_its_verdict(dots):
    item = dots.locator(".nv-item")
    item.get_by_role("button", name="yes").click()
    expect(item.get_by_role("status")).to_have_text("Now choose the reason.")
    item.get_by_role("combobox").select_option("luck")
    expect(item.get_by_role("status")).to_have_text("Not yet. The reason is not right.")
    item.get_by_role("combobox").select_option("law")
    expect(item.get_by_role("status")).to_have_text("Yes. So it is.")


def test_a_framed_page_is_its_picture_and_leads_to_the_rest(edition, page):
    open_chapter(page, f"{edition}/01_dots.html?frame#width=8&height=50")
    says(page, "width 8, height 50, good: sum 58")
    for hidden in (".nv-header", ".nv-step", ".nv-exercise", ".nv-turn", "h1"):
        expect(page.locator(hidden).first).to_be_hidden()
    press(page, "height", "ArrowRight")
    says(page, "width 8, height 75, good: sum 83")
    page.wait_for_url("**/01_dots.html?frame#width=8&height=75&*")
    rest = page.get_by_role("link", name="↗")
    rest.focus()
    with page.context.expect_page() as opened:
        rest.click()
    opened.value.wait_for_url("**/01_dots.html#width=8&height=75&*")
    expect(opened.value.locator(".nv-header")).to_be_visible()


@pytest.mark.parametrize("edition", ["server"], indirect=True)  # a page on a disk is in no frame of another site
def test_a_page_in_a_frame_needs_no_storage(edition, page):
    page.set_content(f'<iframe sandbox="allow-scripts" src="{edition}/01_dots.html?frame" width="1000" height="700">')
    framed = page.frame_locator("iframe")
    expect(framed.locator(".nv-picture .nv-reading.lm-Widget")).to_have_text("width 1, height 0, good: sum 1")
    framed.locator(".nv-control", has_text="width").locator(".noUi-handle").press("ArrowRight")
    expect(framed.locator(".nv-picture .nv-reading")).to_have_text("width 2, height 0, good: sum 2")


def test_search_leads_to_a_step_of_a_page_and_a_link_opens_it(dots, edition, page):
    dots.get_by_role("searchbox").fill("high")
    link = dots.locator(".nv-search li a").first
    assert link.evaluate("e => e.href") == f"{edition}/01_dots.html#width=8&height=50"
    open_chapter(page, link.evaluate("e => e.href"))
    says(page, "width 8, height 50, good: sum 58")
    page.goto(f"{edition}/index.html")
    page.locator("#rendered_cells").wait_for(state="visible")
    page.locator(".nv-card").click()
    page.wait_for_url("**/01_dots.html")


def test_those_who_share_a_page_find_its_description_and_its_picture(dots):
    found = {
        name: dots.locator(f"meta[{kind}='{name}']").get_attribute("content")
        for kind, name in [("name", "description"), ("property", "og:title"), ("property", "og:image")]
    }
    image = "https://example.org/course/previews/01_dots.png"
    assert found == {"description": "Dots & lines.", "og:title": "Dots", "og:image": image}
    assert dots.locator("link[rel=canonical]").get_attribute("href") == "https://example.org/course/01_dots.html"


def test_a_page_in_another_language_has_its_own_states_and_search_and_leads_to_the_same_settings_in_english(
    edition, page
):
    folder = f"{edition}/{pseudo.CODE}"
    open_chapter(page, f"{folder}/01_dots.html#width=8&height=50")
    says(page, "⟦wídth 8, héíght 50, good: šúm 58 êêêê êêêê⟧")
    press(page, "héíght", "ArrowRight")
    says(page, "⟦wídth 8, héíght 75, good: šúm 83 êêêê êêêê⟧")
    page.wait_for_url(f"{folder}/01_dots.html#width=8&height=75&*")
    page.get_by_role("searchbox").fill("high")
    link = page.locator(".nv-search li a").first
    assert (link.inner_text(), link.get_attribute("href")) == ("⟦Wídé áñd hígh êêêê⟧", "01_dots.html#width=8&height=50")
    head = "[...document.querySelectorAll('link[hreflang], link[rel=canonical]')].map((e) => [e.hreflang, e.href])"
    addresses = {
        language: f"{ADDRESSES.site}/{place}01_dots.html"
        for language, place in zip(LANGUAGES, ("", "de/"), strict=True)
    }
    assert page.evaluate(head) == [["", addresses["de"]], *map(list, addresses.items())]
    assert page.locator("meta[name=description]").get_attribute("content") == "⟦Dótš & líñéš. êêêê⟧"
    assert page.evaluate("document.documentElement.lang") == pseudo.CODE
    page.keyboard.press("Escape")
    page.locator(".nv-language").click()
    page.wait_for_url(f"{edition}/01_dots.html#width=8&height=75&*")
    page.locator("#rendered_cells").wait_for(state="visible")
    says(page, "width 8, height 75, good: sum 83")
    assert page.locator(".nv-language").evaluate("e => e.href").startswith(f"{folder}/01_dots.html")
    page.goto(f"{folder}/index.html")
    page.locator("#rendered_cells").wait_for(state="visible")
    page.locator(".nv-card").click()
    page.wait_for_url(f"{folder}/01_dots.html*")


def test_the_page_says_that_it_is_the_static_edition(dots):
    expect(dots.locator(".nv-edition")).to_contain_text("static edition")
    expect(dots.get_by_role("button", name="CSV")).to_have_count(0)


def test_it_leads_to_the_running_course_with_its_settings(dots):
    followed = dots.locator(".nv-live").evaluate(
        "link => { link.addEventListener('click', event => event.preventDefault()); link.click(); return link.href; }"
    )
    settings = dots.evaluate("location.hash")
    assert len(settings) > 1
    assert followed == f"{ADDRESSES.live}/voila/render/01_dots.ipynb{settings}"


def test_steps_become_a_handout_and_slides(chromium, edition, tmp_path):
    write(chromium, f"{edition}/01_dots.html", tmp_path)
    pages = {file.name: len(re.findall(rb"/Type\s*/Page\b", file.read_bytes())) for file in tmp_path.iterdir()}
    assert pages == {"01_dots_handout.pdf": 2, "01_dots_slides.pdf": 3}  # a title, and two steps without a question


# What a picture does whose second step is refused.
REFUSE = """const link = document.querySelectorAll(".nv-step h3 > a:first-child")[1];
link.addEventListener("click", () => setTimeout(() => {
    const alert = document.createElement("div");
    alert.setAttribute("role", "alert");
    alert.textContent = "No limit.";
    document.querySelector(".nv-picture").prepend(alert);
    document.querySelector(".nv-picture .nv-plot").classList.add("nv-outdated");
}, 300))"""


def test_a_handout_shows_a_refusal_and_no_picture_that_is_out_of_date(chromium, edition):
    page = chromium.new_page(viewport=WINDOW, reduced_motion="reduce")
    open_chapter(page, f"{edition}/01_dots.html").evaluate(REFUSE)
    first, second = pictures(page)
    page.close()
    assert (first["said"], first["refused"]) == ("width 1, height 0, good: sum 1", [])
    assert (second["said"], second["refused"]) == ("", ["No limit."])
