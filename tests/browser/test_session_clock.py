"""The session's one clock in a browser: its scale, its marks, and the transcript that follows it."""

import re

import pytest
from playwright.sync_api import Page, expect

from sessions_app.models import AgentSession, MessageRole, ToolCallStatus
from tests.browser.running import Server
from tests.browser.session_pages import opened
from tests.factories import make_message, make_replies, make_session, make_terminal, make_tool_call

pytestmark = pytest.mark.browser

MINUTE = 60_000
DAY = 24 * 60 * MINUTE


@pytest.fixture
def resumed(server: Server) -> AgentSession:
    """Ten minutes of work, and ten more the next day."""
    session = make_session(with_main_run=True)
    for at_ms in [*range(0, 11 * MINUTE, MINUTE), *range(DAY, DAY + 11 * MINUTE, MINUTE)]:
        make_message(session, f"At {at_ms // 1000} s.", at_ms=session.started_ms + at_ms)
    make_terminal(session, b"made", started_ms=session.started_ms + MINUTE, duration_us=60_000_000)
    return session


def bar(page: Page) -> dict[str, float]:
    box = page.get_by_label("Moment in the session").bounding_box()
    assert box is not None
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_pause_takes_a_break_of_the_bar_and_the_clock_tells_the_time(
    signed_in_page: Page, resumed: AgentSession
) -> None:
    page = opened(signed_in_page, resumed, "?t=24:00:00")
    clock = page.locator("time-scrubber [data-clock]")
    expect(clock).to_have_text("24:00:00")
    expect(page.locator("[data-length]")).to_have_text("24:10:00")
    expect(page.locator(".scrubber__break")).to_have_attribute("title", "Nothing recorded for 23h 50m")
    box = bar(page)
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] - 3)
    expect(clock).to_have_text(re.compile(r"^24:0[45]:"))
    expect(page).to_have_url(re.compile(r"t=24%3A0[45]%3A"))
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] - 3)
    expect(page.locator("[data-hint]")).to_contain_text("Nothing recorded for 23h 50m")
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] - 3)
    expect(page.locator("[data-hint]")).to_have_text(re.compile(r"^00:0[45]:\d\d · Sunday,? 1 March 2026$"))


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_arrow_keys_move_the_clock_by_time_and_step_over_a_pause(
    signed_in_page: Page, resumed: AgentSession
) -> None:
    page = opened(signed_in_page, resumed, "?t=00:10:00")
    moment = page.get_by_label("Moment in the session")
    clock = page.locator("time-scrubber [data-clock]")
    moment.focus()
    for shown in ("24:00:00", "24:00:10"):
        page.keyboard.press("ArrowRight")
        expect(clock).to_have_text(shown)
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(clock).to_have_text("00:10:00")
    expect(moment).to_have_attribute("aria-valuetext", re.compile("^00:10:00, Sunday,? 1 March 2026$"))
    expect(page).to_have_url(re.compile("t=00%3A10%3A00.000"))
    page.keyboard.press("End")
    expect(clock).to_have_text("24:10:00")
    page.keyboard.press("Home")
    expect(clock).to_have_text("00:00:00")


@pytest.fixture
def long(server: Server) -> AgentSession:
    """A row each second, ten times what a page holds; no terminal."""
    session = make_session(with_main_run=True)
    make_message(session, "The first prompt.")
    make_replies(session, ["Some words. " * 20] * 800)
    make_tool_call(session, status=ToolCallStatus.FAILED, title="make")
    return session


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_the_transcript_follows_the_clock_beyond_the_rows_that_are_there(
    signed_in_page: Page, long: AgentSession
) -> None:
    page = opened(signed_in_page, long)
    expect(page.locator("#seq-802")).to_be_in_viewport()
    # The marks of the whole session come by themselves.
    first = page.locator(".scrubber__mark[data-kind=prompt]")
    expect(first).to_have_attribute("title", "Prompt: The first prompt.")
    box = bar(page)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 3)
    current = page.locator('[aria-current="time"]')
    expect(current).to_have_count(1)
    expect(current).to_be_in_viewport()
    assert abs(int(current.get_attribute("data-seq") or 0) - 401) < 8
    expect(page.get_by_label("Moment in the session")).to_be_focused()
    expect(page.locator("live-session")).to_have_attribute("detached", "")
    # A mark leads to its own row, and the end is the end again.
    first.dispatch_event("click")
    expect(page.locator("#seq-1")).to_have_attribute("aria-current", "time")
    expect(page.locator("#seq-1")).to_be_in_viewport()
    expect(page.locator("[data-earlier]")).to_be_hidden()
    page.get_by_label("Moment in the session").focus()
    page.keyboard.press("End")
    expect(page.locator("#seq-802")).to_be_in_viewport()
    expect(page.locator("live-session:not([detached])")).to_be_attached()
    make_message(long, "And on it goes.", role=MessageRole.ASSISTANT)
    expect(page.get_by_text("And on it goes.")).to_be_attached()


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_playing_terminal_moves_the_mark_and_not_a_page_that_is_read_elsewhere(
    signed_in_page: Page, long: AgentSession
) -> None:
    page = opened(signed_in_page, long, "?t=00:06:40")
    expect(page.locator("#seq-400")).to_be_in_viewport()
    tell = "at => document.dispatchEvent(new CustomEvent('clock:at', { detail: { at_ms: at } }))"
    page.evaluate(tell, 400_000)
    expect(page.locator("#seq-400")).to_have_attribute("aria-current", "time")
    before = page.evaluate("document.scrollingElement.scrollTop")
    page.evaluate(tell, 401_500)
    expect(page.locator("#seq-401")).to_have_attribute("aria-current", "time")
    assert page.evaluate("document.scrollingElement.scrollTop") == before
    # Far on, and one reads along: the page goes with it.
    page.evaluate(tell, 430_000)
    expect(page.locator("#seq-430")).to_be_in_viewport()
    # Scrolled away from it, nothing moves.
    page.locator("#seq-385").scroll_into_view_if_needed()
    away = page.evaluate("document.scrollingElement.scrollTop")
    page.evaluate(tell, 435_000)
    expect(page.locator("#seq-435")).to_have_attribute("aria-current", "time")
    assert page.evaluate("document.scrollingElement.scrollTop") == away
