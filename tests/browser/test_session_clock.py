"""The session's one clock in a browser: its scale, its marks, and the transcript that follows it."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from sessions_app.models import AgentSession, MessageRole, Terminal, TerminalState, ToolCallStatus
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
def two_terminals(server: Server) -> list[Terminal]:
    """In a session of ten minutes: one was open in the second minute, one in the eighth."""
    session = make_session(with_main_run=True)
    for at_ms in range(0, 11 * MINUTE, MINUTE):
        make_message(session, f"At {at_ms // 1000} s.", at_ms=session.started_ms + at_ms)
    parts = (("First", b"made first", MINUTE), ("Second", b"made second", 8 * MINUTE))
    return [
        make_terminal(
            session,
            text,
            title=title,
            started_ms=session.started_ms + at_ms,
            duration_us=60_000_000,
            state=TerminalState.ENDED,
        )
        for title, text, at_ms in parts
    ]


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_the_terminal_that_was_open_at_the_moment_takes_the_place_of_the_other(
    signed_in_page: Page, two_terminals: list[Terminal]
) -> None:
    first, second = two_terminals
    assert first.session is not None
    page = opened(signed_in_page, first.session, "?t=00:01:30")
    view, screen = page.locator("terminal-view"), page.locator("[data-screen] .xterm-rows")
    expect(view).to_have_attribute("terminal", str(first.pk))
    moment = page.get_by_label("Moment in the session")
    box = bar(page)

    def rest_at(share: float) -> None:
        page.mouse.click(box["x"] + box["width"] * share, box["y"] + box["height"] - 3)

    rest_at(0.85)
    expect(view).to_have_attribute("terminal", str(second.pk))
    expect(screen).to_contain_text("made second")
    expect(page.get_by_role("link", name="Second")).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("link", name="First")).not_to_have_attribute("aria-current", "true")
    expect(moment).to_be_focused()
    expect(page.locator("#seq-9, #seq-10").and_(page.locator("[aria-current=time]"))).to_be_in_viewport()
    expect(page).to_have_url(re.compile(f"t=00%3A08%3A.*terminal={second.pk}"))
    # While none was open the one that is there stays.
    rest_at(0.5)
    expect(page).to_have_url(re.compile("t=00%3A0[45]%3A"))
    expect(view).to_have_attribute("terminal", str(second.pk))
    rest_at(0.15)
    expect(view).to_have_attribute("terminal", str(first.pk))
    expect(screen).to_contain_text("made first")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_back_leaves_the_page_however_often_the_clock_moved(
    signed_in_page: Page, resumed: AgentSession
) -> None:
    signed_in_page.goto(reverse("sessions"))
    page = opened(signed_in_page, resumed, "?t=00:01:00")
    before = page.evaluate("history.length")
    clock = page.locator("time-scrubber [data-clock]")
    page.get_by_label("Moment in the session").focus()
    for shown in ("00:01:10", "00:01:20", "00:01:30"):
        page.keyboard.press("ArrowRight")
        expect(clock).to_have_text(shown)
    expect(page).to_have_url(re.compile("t=00%3A01%3A30.000"))
    assert page.evaluate("history.length") == before
    page.go_back()
    expect(page).to_have_url(re.compile(f"{reverse('sessions')}$"))
    page.go_forward()
    expect(clock).to_have_text("00:01:30")


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
