"""The pattern pages in a real browser: what they show is what every page of the console is made of."""

import pytest
from playwright.sync_api import Page, expect

from dashboard.patterns import PAGES
from sessions_app.models import Person
from tests.browser import accessibility
from tests.browser.conftest import OpenContext
from tests.browser.running import Server

# What these pages show comes from no database.
pytestmark = [pytest.mark.browser, pytest.mark.once]

ADDRESSES = ["/-/patterns/", *(f"/-/patterns/{name}/" for name in PAGES)]
WIDTHS = (1440, 1024, 390)
_COUNT_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.fixture
def server(server: Server) -> Server:
    server.stop()
    server.environment["SCROLLBACK_DEBUG"] = "1"
    server.start()
    return server


@pytest.fixture
def sessions_page(signed_in_page: Page) -> Page:
    signed_in_page.goto("/-/patterns/sessions/")
    return signed_in_page


def chosen_title(page: Page) -> str:
    return page.locator('[data-row][aria-selected="true"] .list__link').inner_text()


def test_axe_finds_nothing_on_any_pattern(open_context: OpenContext, operator: Person) -> None:
    found: list[str] = []
    # The sheet holds every component; of the composed pages, two change their shape on a phone.
    narrow = ["/-/patterns/", "/-/patterns/sessions/", "/-/patterns/session/"]
    for width, addresses in ((1440, ADDRESSES), (390, narrow)):
        page = open_context(operator, viewport={"width": width, "height": 900}, bypass_csp=True).new_page()
        for address in addresses:
            page.goto(address)
            found += accessibility.findings(page, f"{address} at {width}")
    assert not found, "\n".join(found)


def test_no_page_scrolls_sideways_or_names_a_glyph_that_is_not_drawn(
    open_context: OpenContext, operator: Person
) -> None:
    for width in WIDTHS:
        page = open_context(operator, viewport={"width": width, "height": 900}).new_page()
        for address in ADDRESSES:
            page.goto(address)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{address} at {width}"
            missing = page.evaluate(
                "[...document.querySelectorAll('use')].map((use) => use.getAttribute('href'))"
                ".filter((href) => !document.querySelector(href))"
            )
            assert not missing, address


def test_nothing_moves_while_a_page_loads(open_context: OpenContext, operator: Person) -> None:
    context = open_context(operator)
    context.add_init_script(_COUNT_SHIFTS)
    page = context.new_page()
    for name in ("sessions", "session"):
        page.goto(f"/-/patterns/{name}/")
        page.evaluate("document.fonts.ready")
        assert page.evaluate("window.shifted") < 0.01, name


def test_rows_are_walked_chosen_and_ticked_by_keys(sessions_page: Page) -> None:
    titles = sessions_page.locator("[data-row] .list__link").all_inner_texts()
    sessions_page.keyboard.press("j")
    assert chosen_title(sessions_page) == titles[0]
    sessions_page.keyboard.press("j")
    sessions_page.keyboard.press("ArrowDown")
    sessions_page.keyboard.press("k")
    assert chosen_title(sessions_page) == titles[1]
    sessions_page.keyboard.press("x")
    expect(sessions_page.locator(".list__select:checked")).to_have_count(1)
    assert sessions_page.locator('[data-row][aria-selected="true"] .list__select').is_checked()


def test_keys_are_letters_while_typing(sessions_page: Page) -> None:
    sessions_page.keyboard.press("/")
    box = sessions_page.locator("[data-search]")
    expect(box).to_be_focused()
    sessions_page.keyboard.type("jk?x")
    expect(box).to_have_value("jk?x")
    expect(sessions_page.locator('[data-row][aria-selected="true"]')).to_have_count(0)
    expect(sessions_page.locator("#key-sheet")).to_be_hidden()


def test_the_key_sheet_opens_and_switches_single_keys_off(sessions_page: Page) -> None:
    sessions_page.keyboard.press("?")
    sheet = sessions_page.locator("#key-sheet")
    expect(sheet).to_be_visible()
    sheet.get_by_label("Single keys act in this browser").uncheck()
    sessions_page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    sessions_page.keyboard.press("j")
    expect(sessions_page.locator('[data-row][aria-selected="true"]')).to_have_count(0)
    sessions_page.reload()
    sessions_page.keyboard.press("?")
    expect(sheet).to_be_hidden()


def test_two_keys_go_to_a_place(sessions_page: Page, server: Server) -> None:
    sessions_page.keyboard.press("g")
    with sessions_page.expect_navigation(url=f"{server.url}/sessions/"):
        sessions_page.keyboard.press("s")


def test_a_chosen_theme_is_there_before_the_first_paint(sessions_page: Page) -> None:
    sessions_page.locator(".rail__foot summary").click()
    sessions_page.locator('[data-theme-choice="dark"]').click()
    dark = sessions_page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    sessions_page.add_init_script(
        "document.addEventListener('DOMContentLoaded',"
        " () => window.themeAtFirst = document.documentElement.dataset.theme)"
    )
    sessions_page.reload()
    assert sessions_page.evaluate("window.themeAtFirst") == "dark"
    assert sessions_page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == dark
    sessions_page.locator(".rail__foot summary").click()
    sessions_page.locator('[data-theme-choice="system"]').click()
    assert sessions_page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != dark


def test_a_new_row_waits_on_the_pill_and_moves_nothing(sessions_page: Page) -> None:
    sessions_page.wait_for_function("document.querySelector('live-list').unseen")
    first = sessions_page.locator("[data-row]").first
    first.evaluate("(row) => row.remove()")
    before = sessions_page.locator("[data-row]").first.bounding_box()
    sessions_page.evaluate("document.dispatchEvent(new CustomEvent('scrollback:refresh'))")
    pill = sessions_page.locator("[data-news]")
    expect(pill).to_have_text("1 new")
    assert sessions_page.locator("[data-row]").first.bounding_box() == before


def test_an_empty_list_fills_by_itself(sessions_page: Page) -> None:
    sessions_page.wait_for_function("document.querySelector('live-list').unseen")
    rows = sessions_page.locator("[data-row]")
    count = rows.count()
    sessions_page.evaluate("document.querySelectorAll('[data-row]').forEach((row) => row.remove())")
    sessions_page.evaluate("document.dispatchEvent(new CustomEvent('scrollback:refresh'))")
    expect(rows).to_have_count(count)


def test_pressing_a_moment_moves_the_clock_and_the_address(signed_in_page: Page) -> None:
    signed_in_page.goto("/-/patterns/session/")
    signed_in_page.locator('.message .moment[data-seek="660000"]').click()
    expect(signed_in_page.locator("[data-clock]")).to_have_text("00:11:00")
    assert signed_in_page.url.endswith("?t=00%3A11%3A00.000")


def test_new_output_below_the_reader_waits_for_a_press(signed_in_page: Page) -> None:
    signed_in_page.goto("/-/patterns/session/")
    button = signed_in_page.locator("[data-new-output]")
    expect(button).to_be_hidden()
    signed_in_page.evaluate(
        "document.querySelector('.transcript').append(document.querySelector('.message').cloneNode(true))"
    )
    expect(button).to_be_visible()
    assert signed_in_page.evaluate("scrollY") == 0
    button.click()
    expect(button).to_be_hidden()


def test_escape_closes_a_menu_without_moving_the_page(sessions_page: Page) -> None:
    summary = sessions_page.locator(".rail__foot summary")
    summary.click()
    sessions_page.keyboard.press("Escape")
    expect(sessions_page.locator("details[open]")).to_have_count(0)
    expect(summary).to_be_focused()
    assert sessions_page.evaluate("scrollY") == 0
