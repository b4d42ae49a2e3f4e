"""What a page says once its reader is signed out, with the way back; no part of it shows the page of sign-in."""

from urllib.parse import urlencode

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Page, expect

from sessions_app.models import Person, Terminal
from tests.browser.conftest import sign_in
from tests.browser.player_pages import box_of, counted, counting, lines
from tests.browser.problems import Problems
from tests.browser.running import Server
from tests.browser.session_pages import opened
from tests.browser.test_terminals import expect_live, expect_screen, open_terminal
from tests.factories import make_message, make_session, make_terminal

# The server answers so on both engines.
pytestmark = [pytest.mark.browser, pytest.mark.once]

TOAST = "[data-failure]"
MINUTE = 60_000


@pytest.fixture
def page(signed_in_page: Page, server: Server, problems: Problems) -> Page:
    """The page of a recording, whose reader is not signed in any more."""
    # Chromium prints every answer that is an error.
    problems.allow("Failed to load resource|WebSocket")
    recorder = counted()
    open_terminal(signed_in_page, recorder.terminal)
    expect_screen(signed_in_page, lines(10))
    Session.objects.all().delete()
    return signed_in_page


def expect_told(page: Page, path: str) -> None:
    toast = page.locator(TOAST)
    expect(toast).to_have_count(1)
    expect(toast).to_contain_text("This could not be loaded. You are signed out.")
    expect(toast.get_by_role("button", name="Retry")).to_have_count(0)
    toast.get_by_role("link", name="Sign in").click()
    page.get_by_label("User name").wait_for()
    assert urlencode({"next": path}) in page.url


def path_of(page: Page) -> str:
    path: str = page.evaluate("location.pathname + location.search")
    return path


def test_a_moment_that_cannot_be_sought_says_why(page: Page) -> None:
    path = path_of(page)
    page.locator("[data-screen]").focus()
    page.keyboard.press("2")
    expect(page.locator(TOAST)).to_be_visible()
    expect(page.locator("[data-notice]")).to_be_hidden()
    expect_told(page, path)


@pytest.mark.parametrize("comes_first", ["full window", "toast"])
def test_it_is_told_over_the_whole_window_too(page: Page, comes_first: str) -> None:
    path = path_of(page)
    page.locator("[data-screen]").focus()
    for key in ("f", "2") if comes_first == "full window" else ("2", "f"):
        page.keyboard.press(key)
        if key == "2":
            expect(page.locator(TOAST)).to_be_visible()
    expect(page.locator("terminal-view")).to_have_attribute("data-full", "")
    # What is behind the terminal is visible to Playwright, too; a press on it would not arrive.
    expect_told(page, path)


def test_a_search_that_is_not_answered_says_why(page: Page) -> None:
    page.keyboard.press("/")
    page.get_by_label("Search the output").fill("line")
    expect(page.locator("[data-search-status]")).to_have_text("The search was not answered.")
    expect(page.locator("[data-search-retry]")).to_be_hidden()
    # The sign-in leads back to the search.
    assert "q=line" in path_of(page)
    expect_told(page, path_of(page))


def test_a_selected_line_whose_time_cannot_be_looked_up_says_why(page: Page) -> None:
    path = path_of(page)
    page.locator("terminal-view").evaluate("(view) => view.screen.terminal.selectLines(5, 5)")
    page.get_by_role("button", name="Go to when it was written").click()
    expect_told(page, path)


def test_what_came_before_says_why_it_does_not_come(page: Page) -> None:
    path = path_of(page)
    page.locator("terminal-view").evaluate("(view) => view.parts.earlier.open({ offset: 30 })")
    expect(page.locator("[data-earlier-title]")).to_have_text("What came before could not be loaded.")
    expect_told(page, path)


def test_a_live_terminal_goes_on_once_its_reader_has_signed_in_elsewhere(
    signed_in_page: Page, server: Server, operator: Person, problems: Problems
) -> None:
    problems.allow("Failed to load resource|WebSocket")
    page = signed_in_page
    recorder = counting(2)
    open_terminal(page, recorder.terminal)
    expect_screen(page, lines(2))
    notice = page.locator("[data-notice]")
    follow = page.locator("[data-follow]")
    Session.objects.all().delete()
    expect_live(page, "closed")
    expect(notice).to_contain_text("Your access has changed.")
    expect(notice.get_by_role("link", name="Load again")).to_have_attribute("href", "")
    expect(follow).to_have_attribute("aria-pressed", "false")
    follow.click()
    expect(notice).to_contain_text("You are signed out.")
    link = notice.get_by_role("link", name="Sign in")
    expect(link).to_have_attribute("href", f"/sign-in/?{urlencode({'next': path_of(page)})}")
    recorder.write(b"line 3\r\n")
    sign_in(page.context, server, operator)
    follow.click()
    expect_live(page, "connected")
    expect_screen(page, lines(3))
    expect(notice).to_be_hidden()
    expect(follow).to_have_attribute("aria-pressed", "true")


def test_the_preview_shows_no_page_of_sign_in(page: Page) -> None:
    timeline = page.locator("[data-timeline]")
    for share in (0.3, 0.6):
        with page.expect_response(lambda response: "/sign-in/" in response.url):
            timeline.hover(position={"x": box_of(timeline)["width"] * share, "y": 30})
    # Two turns of the page later it would stand there.
    page.evaluate("() => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 100))")
    expect(page.locator("[data-peek]")).to_be_visible()
    assert page.locator("[data-peek-picture]").inner_html() == ""
    expect(page.locator(TOAST)).to_have_count(0)


def test_the_palette_says_so_where_its_places_would_stand(page: Page) -> None:
    path = path_of(page)
    page.keyboard.press("Control+k")
    palette = page.locator("command-palette")
    expect(palette.get_by_role("alert")).to_have_text("You are signed out. Sign in")
    palette.get_by_role("link", name="Sign in").click()
    page.get_by_label("User name").wait_for()
    assert urlencode({"next": path}) in page.url


@pytest.fixture
def two_terminals(server: Server) -> list[Terminal]:
    """In a session of ten minutes: one was open in the second minute, one in the eighth."""
    session = make_session(with_main_run=True)
    for at_ms in range(0, 11 * MINUTE, MINUTE):
        make_message(session, f"At {at_ms // 1000} s.", at_ms=session.started_ms + at_ms)
    times = (MINUTE, 8 * MINUTE)
    return [
        make_terminal(
            session, b"made", started_ms=session.started_ms + at_ms, duration_us=60_000_000, state="ended"
        )
        for at_ms in times
    ]


def test_another_terminal_of_the_session_that_cannot_be_opened_says_why(
    signed_in_page: Page, problems: Problems, two_terminals: list[Terminal]
) -> None:
    problems.allow("Failed to load resource|WebSocket")
    first, _ = two_terminals
    assert first.session is not None
    page = opened(signed_in_page, first.session, "?t=00:01:30")
    expect(page.locator("terminal-view")).to_have_attribute("terminal", str(first.pk))
    Session.objects.all().delete()
    box = box_of(page.get_by_label("Moment in the session"))
    page.mouse.click(box["x"] + box["width"] * 0.85, box["y"] + box["height"] - 3)
    expect(page.locator(TOAST)).to_be_visible()
    expect(page.locator("terminal-view")).to_have_attribute("terminal", str(first.pk))
    expect_told(page, path_of(page))
