"""The session's one clock in a browser: its scale, its marks, and the transcript that follows it."""

import re

import pytest
from playwright.sync_api import Page, expect

from sessions_app.models import AgentSession
from tests.browser.running import Server
from tests.browser.session_pages import opened
from tests.factories import make_message, make_session, make_terminal

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
