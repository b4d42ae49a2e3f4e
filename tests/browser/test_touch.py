"""A finger on a terminal: its lines, what was before them, the page around it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Locator, Page, expect

from sessions_app.models import Person
from tests.browser.conftest import OpenContext
from tests.browser.player_pages import SECOND_US, box_of, ended
from tests.browser.running import Server
from tests.browser.test_terminals import open_terminal, screen_text, until
from tests.factories import make_message, make_session
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

# What a page does with a finger is no matter of the engine.
pytestmark = [pytest.mark.browser, pytest.mark.once]

PHONE = {"width": 390, "height": 844}
# Longer than what counts for the speed with which a finger leaves.
REST_MS = 200
STEP_S = 1 / 60
ROW_PX = """(view) => {
  const { terminal } = view.screen;
  return terminal.element.querySelector(".xterm-screen").clientHeight / terminal.rows;
}"""


# How much of the window stands below its room.
BELOW = "(host) => host.scrollHeight - host.scrollTop - host.clientHeight"


class Finger:
    """Touches the middle of something, by whole pixels and at its own speed."""

    def __init__(self, page: Page, place: Locator) -> None:
        self._page = page
        self._devtools: CDPSession = page.context.new_cdp_session(page)
        box = box_of(place)
        self.x = box["x"] + box["width"] / 2
        self.y = box["y"] + box["height"] / 2
        self._at_s = 0.0

    def _touch(self, kind: str, *points: tuple[float, float]) -> None:
        # As soon after one another as a screen tells of fingers, however busy the machine is.
        self._at_s = time.time() if kind == "touchStart" else self._at_s + STEP_S
        touches: list[Any] = [{"x": x, "y": y} for x, y in points]
        event = {"type": kind, "touchPoints": touches, "timestamp": self._at_s}
        self._devtools.send("Input.dispatchTouchEvent", event)

    @contextmanager
    def drag(
        self, *, dx: float = 0, dy: float, steps: int = 10, back: bool = False, rests: bool = True
    ) -> Iterator[None]:
        """Down, by so much, and back where it began; what is done inside is done before the finger leaves."""
        self._touch("touchStart", (self.x, self.y))
        for step in [*range(1, steps + 1), *(range(steps - 1, -1, -1) if back else ())]:
            self._touch("touchMove", (self.x + dx * step / steps, self.y + dy * step / steps))
        if rests:
            self._page.wait_for_timeout(REST_MS)
            self._at_s += REST_MS / 1_000
        yield
        self._touch("touchEnd")

    def pinch(self, px: float, steps: int = 10) -> None:
        """Two fingers, one on each side, go apart."""
        self._touch("touchStart", (self.x - px, self.y), (self.x + px, self.y))
        for step in range(1, steps + 1):
            apart = px + px * step / steps
            self._touch("touchMove", (self.x - apart, self.y), (self.x + apart, self.y))
        self._touch("touchEnd")


@pytest.fixture
def phone(open_context: OpenContext, operator: Person, server: Server) -> Page:
    return open_context(operator, viewport=PHONE, has_touch=True, is_mobile=True).new_page()


def coloured(recorder: Recorder, count: int) -> None:
    """Lines of many parts, which are drawn anew as others."""
    recorder.write(b"".join(b"\x1b[31mline\x1b[0m \x1b[1m%d\x1b[0m\r\n" % number for number in range(count)))


def first_line(page: Page) -> int:
    """How many lines lie above the first one that is seen."""
    line: int = page.evaluate(
        "document.querySelector('terminal-view').screen.terminal.buffer.active.viewportY"
    )
    return line


def scroll_to(page: Page, line: int) -> None:
    page.locator("terminal-view").evaluate("(view, line) => view.screen.terminal.scrollToLine(line)", line)


def screen_of(page: Page) -> Locator:
    return page.locator("[data-screen]")


def test_a_finger_moves_the_lines_with_it(phone: Page) -> None:
    recorder = start_recorder()
    coloured(recorder, 200)
    open_terminal(phone, recorder.terminal)
    until(lambda: "line 199" in screen_text(phone), "the end")
    before, row = first_line(phone), phone.locator("terminal-view").evaluate(ROW_PX)
    finger = Finger(phone, screen_of(phone))
    # Each step is less than a line.
    steps = int(150 / (row / 3))
    with finger.drag(dy=150, steps=steps):
        assert first_line(phone) == before - int(150 / row)
    phone.wait_for_timeout(REST_MS)
    assert first_line(phone) == before - int(150 / row), "it rested before it left"
    follow = phone.get_by_role("button", name="Follow")
    expect(follow).to_contain_text("newer below")
    with finger.drag(dy=-250, steps=5):
        assert first_line(phone) == before
    expect(follow).not_to_contain_text("newer below")
    expect(follow).to_have_attribute("aria-pressed", "true")


def test_lines_that_are_drawn_anew_stay_under_the_finger(phone: Page) -> None:
    """Also where the one that was touched is not there any more."""
    recorder = start_recorder()
    coloured(recorder, 200)
    open_terminal(phone, recorder.terminal)
    until(lambda: "line 199" in screen_text(phone), "the end")
    before = first_line(phone)
    finger = Finger(phone, phone.locator(".xterm-rows span").nth(10))
    with finger.drag(dy=100):
        moved = first_line(phone)
        assert moved < before
        coloured(recorder, 3)
        until(lambda: "line 199\nline 0" in screen_text(phone), "it goes on below")
        assert first_line(phone) == moved


def test_the_lines_go_on_when_the_finger_leaves_and_stop_at_a_touch(phone: Page) -> None:
    recorder = start_recorder()
    coloured(recorder, 3_000)
    open_terminal(phone, recorder.terminal)
    until(lambda: "line 2999" in screen_text(phone), "the end")
    finger = Finger(phone, screen_of(phone))
    with finger.drag(dy=250, steps=4, rests=False):
        left_at = first_line(phone)
    until(lambda: first_line(phone) < left_at - 5, "the lines should go on")
    with finger.drag(dy=0, steps=1):
        stopped_at = first_line(phone)
    phone.wait_for_timeout(REST_MS)
    assert first_line(phone) == stopped_at
    with finger.drag(dy=250, steps=4, rests=False):
        pass

    def rests() -> bool:
        before = first_line(phone)
        phone.wait_for_timeout(REST_MS)
        return first_line(phone) == before

    until(rests, "they come to rest")
    assert 0 < first_line(phone) < stopped_at


def many_lines(recorder: Recorder) -> None:
    line = b"%07d " + b"." * 60 + b"\r\n"
    for start in range(0, 30_000, 10_000):
        recorder.write(b"".join(line % number for number in range(start, start + 10_000)), after_us=SECOND_US)


@pytest.mark.parametrize("line", [0, 3], ids=["at the top", "near the top"])
def test_who_pulls_at_the_top_is_offered_what_was_before(phone: Page, line: int) -> None:
    recorder = start_recorder()
    many_lines(recorder)
    open_terminal(phone, recorder.terminal)
    until(lambda: "0029999" in screen_text(phone), "the end")
    scroll_to(phone, line)
    above = phone.get_by_role("button", name="Earlier output")
    expect(above).to_be_hidden()
    with Finger(phone, screen_of(phone)).drag(dy=200):
        pass
    expect(above).to_be_visible()
    first = int(screen_text(phone)[:7])
    above.tap()
    host = phone.locator("[data-earlier-host]")
    until(lambda: f"{first - 1:07d}" in host.inner_text(), "the lines right before the first one")
    # There, too, a finger moves the lines.
    seen = host.inner_text()
    with Finger(phone, host).drag(dy=200):
        pass
    until(lambda: int(host.inner_text()[:7]) < int(seen[:7]), "the lines before those")


def test_the_page_goes_on_where_the_terminal_ends(phone: Page) -> None:
    session = make_session(with_main_run=True)
    for _ in range(60):
        make_message(session, "Some words. " * 20)
    recorder = start_recorder(session, rows=12)
    coloured(recorder, 100)
    ended(recorder)
    phone.goto(f"/sessions/{session.pk}/")
    until(lambda: "line 99" in screen_text(phone), "the end")
    phone.evaluate("scrollTo(0, 150)")
    before, host = first_line(phone), screen_of(phone)
    finger = Finger(phone, host)
    with finger.drag(dy=60):
        assert first_line(phone) < before
    phone.wait_for_timeout(REST_MS)
    assert phone.evaluate("scrollY") == 150
    scroll_to(phone, 0)
    # With the button that leads back the window is a little higher than its room, in which it would be moved first.
    host.evaluate("(host) => host.scrollTo(0, 0)")
    with finger.drag(dy=80):
        until(lambda: phone.evaluate("scrollY") < 130, "the page should go up where the lines end")
    assert first_line(phone) == 0
    phone.evaluate("scrollTo(0, 150)")
    host.evaluate("(host) => host.scrollTo(0, host.scrollHeight)")
    scroll_to(phone, before)
    with finger.drag(dy=-80):
        until(lambda: phone.evaluate("scrollY") > 170, "and down")
    assert first_line(phone) == before


def test_a_window_larger_than_its_room_is_moved_by_the_browser(phone: Page) -> None:
    recorder = start_recorder(cols=160, rows=60)
    recorder.write(b"".join(b"%03d " % number + b"w" * 150 + b"\r\n" for number in range(300)))
    open_terminal(phone, recorder.terminal)
    until(lambda: "299 w" in screen_text(phone), "the end")
    phone.get_by_role("button", name="Letters large enough to read").tap()
    host = screen_of(phone)
    until(
        lambda: host.evaluate("(host) => host.scrollHeight > host.clientHeight + 100"), "it should be large"
    )
    host.evaluate("(host) => host.scrollTo(0, host.scrollHeight)")
    before, finger = first_line(phone), Finger(phone, host)
    with finger.drag(dx=-120, dy=-20):
        until(lambda: host.evaluate("(host) => host.scrollLeft") > 50, "it should go sideways")
    with finger.drag(dy=60):
        until(lambda: host.evaluate(BELOW) > 20, "it should go up")
    assert first_line(phone) == before
    host.evaluate("(host) => host.scrollTo(0, 0)")
    with finger.drag(dy=100, steps=40, back=True):
        assert first_line(phone) in (before - 1, before), "there and back"
    with finger.drag(dy=100):
        pass
    assert first_line(phone) < before
    assert host.evaluate("(host) => host.scrollTop") == 0


def test_other_letters_leave_the_lines_where_they_are(phone: Page) -> None:
    recorder = start_recorder()
    coloured(recorder, 400)
    open_terminal(phone, ended(recorder).terminal)
    until(lambda: "line 399" in screen_text(phone), "the end")
    scroll_to(phone, 150)
    letters = phone.get_by_role("button", name="Letters large enough to read")
    for step in (1, -1, 1):
        before = phone.locator("terminal-view").evaluate(ROW_PX)
        letters.tap()
        until(lambda: phone.locator("terminal-view").evaluate(ROW_PX) != before, "other letters")  # noqa: B023
        assert first_line(phone) == 150
        phone.locator("terminal-view").evaluate(
            "(view, step) => view.screen.terminal.scrollLines(step)", step
        )
        assert first_line(phone) == 150 + step
        scroll_to(phone, 150)


def test_a_finger_on_the_thumb_of_the_lines_moves_them_its_way(phone: Page) -> None:
    recorder = start_recorder()
    coloured(recorder, 1_000)
    open_terminal(phone, recorder.terminal)
    until(lambda: "line 999" in screen_text(phone), "the end")
    # With that it is there to be touched.
    scroll_to(phone, 500)
    finger = Finger(phone, phone.locator(".xterm .scrollbar.vertical .slider"))
    with finger.drag(dy=60, steps=4, rests=False):
        left_at = first_line(phone)
        assert left_at > 550
    phone.wait_for_timeout(REST_MS)
    assert first_line(phone) == left_at, "it does not glide the other way"


def test_two_fingers_make_the_page_larger(phone: Page) -> None:
    recorder = start_recorder()
    coloured(recorder, 200)
    open_terminal(phone, recorder.terminal)
    until(lambda: "line 199" in screen_text(phone), "the end")
    before, finger = first_line(phone), Finger(phone, screen_of(phone))
    finger.pinch(60)
    until(lambda: phone.evaluate("visualViewport.scale") > 1.5, "the page should be larger")
    assert first_line(phone) == before
