"""The player's buttons and keys, the screen as text, what was above it; on a phone, beside a transcript, by axe."""

import re
import time

import pytest
from playwright.sync_api import Page, Route, ViewportSize, WebSocketRoute, expect

from sessions_app.models import Person, Terminal
from sessions_app.terminal.asciicast.model import Output
from tests.browser import accessibility
from tests.browser.conftest import OpenContext
from tests.browser.player_pages import SECOND_US, bar, box_of, counted, counting, ended, lines, wait_for_text
from tests.browser.problems import Problems
from tests.browser.running import Server
from tests.browser.test_terminals import expect_live, expect_screen, open_terminal, screen_text, until
from tests.factories import make_message, make_session
from tests.sessions_app.terminals.recorder import start_recorder

# How the page uses answers that are the same from either engine.
pytestmark = [pytest.mark.browser, pytest.mark.once]

PHONE: ViewportSize = {"width": 390, "height": 844}
# How much of the window stands below what is seen of it, and how much more it is than its room.
BELOW_AND_ABOVE = """({ scrollHeight, clientHeight, scrollTop }) =>
  [scrollHeight - clientHeight - scrollTop, scrollHeight - clientHeight]"""


def test_playing_to_the_live_end_goes_on_following(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    recorder = start_recorder()
    recorder.write(b"one\r\n", after_us=SECOND_US)
    recorder.write(b"two\r\n", after_us=SECOND_US)
    open_terminal(page, recorder.terminal)
    page.get_by_role("button", name="Pause", exact=True).click()
    bar(page).fill("800")
    expect_screen(page, "one")
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.locator("[data-follow]")).to_have_attribute("aria-pressed", "true")
    recorder.write(b"three\r\n", after_us=SECOND_US)
    expect_screen(page, "one\ntwo\nthree")


def test_a_pause_is_at_the_live_moment_before_it_is_drawn(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    recorder = counting(30)
    open_terminal(page, recorder.terminal)
    until(lambda: "line 30" in screen_text(page), "the end")
    held: list[Route] = []
    page.route("**/stretch?*", lambda route: held.append(route))
    page.keyboard.press("Space")
    # Playwright hears of a request only while it is asked for something.
    until(lambda: page.evaluate("true") and bool(held), "it asks for the moment")
    expect(page.locator("[data-clock]")).to_have_text("00:00:30 / 00:00:30")
    expect(bar(page)).to_have_attribute("aria-valuetext", "0:30 of 0:30")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-clock]")).to_have_text("00:00:25 / 00:00:30")
    for route in held:
        route.continue_()
    page.unroute("**/stretch?*")
    until(lambda: screen_text(page).endswith("line 25"), "the moment")


def test_pausing_takes_nothing_off_the_screen(signed_in_page: Page, server: Server) -> None:
    """Of writes that came together, too, before the page asked again where what is."""
    page = signed_in_page
    recorder = start_recorder()
    open_terminal(page, recorder.terminal)
    knows = "document.querySelector('terminal-view').player.map !== null"
    until(lambda: page.evaluate(knows), "it should know where what is")
    page.route("**/map", lambda route: None)
    recorder.send(
        Output(1_000_000, b"one\r\n"), Output(1_008_000, b"two\r\n"), Output(1_020_000, b"three\r\n")
    )
    expect_screen(page, "one\ntwo\nthree")
    moment = page.locator("copy-button[data-moment]")
    expect(moment).to_have_attribute("text", re.compile(r"t=00:00:01\.020$"))
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play from the start")).to_be_visible()
    expect(page.locator("terminal-view[data-busy]")).to_have_count(0)
    assert screen_text(page) == "one\ntwo\nthree"
    expect(moment).to_have_attribute("text", re.compile(r"t=00:00:01\.020$"))
    page.keyboard.press("End")
    expect_live(page, "connected")
    page.keyboard.press(",")
    expect_screen(page, "one\ntwo")


def test_pausing_before_one_knows_where_what_is_takes_nothing_off(
    signed_in_page: Page, server: Server
) -> None:
    page = signed_in_page
    recorder = start_recorder()
    recorder.write(b"one\r\n", after_us=SECOND_US)
    held: list[Route] = []
    page.route("**/map", lambda route: held.append(route))
    open_terminal(page, recorder.terminal)
    expect_screen(page, "one")
    recorder.write(b"two\r\n", after_us=SECOND_US)
    expect_screen(page, "one\ntwo")
    page.keyboard.press("Space")
    for route in held:
        route.continue_()
    expect(page.get_by_role("button", name="Play from the start")).to_be_visible()
    expect(page.locator("terminal-view[data-busy]")).to_have_count(0)
    assert screen_text(page) == "one\ntwo"


@pytest.mark.parametrize("way", ["key of the bar", "drag", "clock"])
def test_going_to_the_end_of_what_goes_on_follows_it(signed_in_page: Page, server: Server, way: str) -> None:
    page = signed_in_page
    recorder = start_recorder()
    recorder.write(b"one\r\n", after_us=SECOND_US)
    recorder.write(b"two\r\n", after_us=SECOND_US)
    open_terminal(page, recorder.terminal)
    expect_screen(page, "one\ntwo")
    bar(page).fill("600")
    expect_screen(page, "one")
    follow = page.locator("[data-follow]")
    expect(follow).to_have_attribute("aria-pressed", "false")
    if way == "drag":
        box = box_of(bar(page))
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] * 0.6, middle)
        page.mouse.down()
        # The bar keeps its length under the hand, though the recording does not.
        recorder.write(b"three\r\n", after_us=SECOND_US)
        until(lambda: page.evaluate("document.querySelector('terminal-view').endUs") == 3e6, "it grew")
        page.mouse.move(box["x"] + box["width"] + 20, middle, steps=4)
        page.mouse.up()
    else:
        if way == "clock":
            page.get_by_title("Go to a time").click()
            page.get_by_label("Go to a time, such as").fill("100%")
            page.keyboard.press("Enter")
        else:
            bar(page).focus()
            page.keyboard.press("End")
        recorder.write(b"three\r\n", after_us=SECOND_US)
    expect(follow).to_have_attribute("aria-pressed", "true")
    expect_screen(page, "one\ntwo\nthree")


def test_the_key_for_later_goes_on_following(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    recorder = counting()
    open_terminal(page, recorder.terminal)
    expect_screen(page, lines(10))
    follow = page.locator("[data-follow]")
    page.keyboard.press("ArrowRight")
    expect(follow).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("2")
    expect_screen(page, lines(2))
    page.keyboard.press("ArrowRight")
    expect_screen(page, lines(7))
    expect(follow).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("ArrowRight")
    expect(follow).to_have_attribute("aria-pressed", "true")
    recorder.write(b"line 11\r\n", after_us=SECOND_US)
    expect_screen(page, lines(11))


def test_one_steps_from_write_to_write(signed_in_page: Page) -> None:
    page = signed_in_page
    open_terminal(page, counted().terminal)
    page.get_by_role("button", name="Previous write").click()
    expect_screen(page, lines(9))
    page.keyboard.press(",")
    expect_screen(page, lines(8))
    page.keyboard.press(".")
    expect_screen(page, lines(9))
    page.get_by_role("button", name="Next write").click()
    expect_screen(page, lines(10))
    expect(page.get_by_role("button", name="Pause", exact=True)).to_have_count(0)


def test_the_speed_is_chosen_and_changed_by_keys(signed_in_page: Page) -> None:
    page = signed_in_page
    open_terminal(page, counted().terminal)
    speed = page.get_by_label("Speed")
    page.keyboard.press("<")
    expect(speed).to_have_value("0.5")
    for _ in range(3):
        page.keyboard.press("<")
    expect(speed).to_have_value("0.25")
    speed.select_option("16")
    page.locator("[data-screen]").focus()
    started = time.monotonic()
    page.keyboard.press("Space")
    expect_screen(page, lines(10))
    expect(page.get_by_role("button", name="Play from the start")).to_be_visible()
    assert time.monotonic() - started < 5, "ten seconds at sixteen times the speed"


def test_keys_jump_and_a_click_on_the_screen_does_not_take_them(signed_in_page: Page) -> None:
    page = signed_in_page
    open_terminal(page, counted().terminal)
    page.locator("[data-screen]").click()
    page.keyboard.press("3")
    expect_screen(page, lines(3))
    page.keyboard.press("0")
    expect_screen(page, "")
    page.keyboard.press("ArrowRight")
    expect_screen(page, lines(5))
    page.get_by_role("button", name="End", exact=True).click()
    expect_screen(page, lines(10))
    page.keyboard.press("Home")
    expect_screen(page, "")


def test_keys_go_from_marker_to_marker(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    recorder = start_recorder()
    for number in range(1, 4):
        recorder.write(b"line %d\r\n" % number, after_us=SECOND_US)
        recorder.mark(f"step {number}")
    open_terminal(page, ended(recorder).terminal)
    page.keyboard.press("Home")
    expect_screen(page, "")
    page.keyboard.press("m")
    expect_screen(page, lines(1))
    expect(page.locator("[data-connection]")).to_have_text("Marker “step 1”")
    page.keyboard.press("m")
    expect_screen(page, lines(2))
    page.keyboard.press("Shift+M")
    expect_screen(page, lines(1))


def test_the_help_sheet_lists_the_keys_of_the_player(signed_in_page: Page, server: Server) -> None:
    signed_in_page.goto("/terminals/")
    signed_in_page.keyboard.press("?")
    sheet = signed_in_page.locator("#key-sheet")
    for words in ("Jump to tenths of the recording", "Search inside the terminal", "Full window", "Next hit"):
        expect(sheet).to_contain_text(words)


def test_the_whole_window_is_taken_and_given_back(signed_in_page: Page) -> None:
    page = signed_in_page
    open_terminal(page, counted().terminal)
    before = box_of(page.locator("terminal-view"))
    page.keyboard.press("f")
    expect(page.get_by_role("button", name="Full window")).to_have_attribute("aria-pressed", "true")
    assert box_of(page.locator("terminal-view")) == {"x": 0, "y": 0, "width": 1440, "height": 900}
    expect(page.locator(".shell > header")).to_have_attribute("inert", "")
    page.keyboard.press("3")
    expect_screen(page, lines(3))
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Full window")).to_have_attribute("aria-pressed", "false")
    assert box_of(page.locator("terminal-view")) == before
    expect(page.locator(".shell > header")).not_to_have_attribute("inert", "")


# Text


def test_the_screen_and_the_selection_are_copied(
    open_context: OpenContext, operator: Person, server: Server
) -> None:
    page = open_context(operator, permissions=["clipboard-read", "clipboard-write"]).new_page()
    open_terminal(page, counted().terminal)
    expect_screen(page, lines(10))
    page.get_by_role("button", name="Copy the screen as text").click()
    until(lambda: clipboard(page) == lines(10), "the screen should be copied")
    expect(page.get_by_role("group", name="Selected text")).to_be_hidden()
    page.locator("terminal-view").evaluate("(view) => view.screen.terminal.select(0, 3, 6)")
    selected = page.get_by_role("group", name="Selected text")
    selected.get_by_role("button", name="Copy").click()
    until(lambda: clipboard(page) == "line 4", "the selection should be copied")
    page.locator("[data-screen] .xterm-screen").click(position={"x": 300, "y": 300})
    expect(selected).to_be_hidden()


def test_what_is_copied_is_what_one_has_scrolled_to(
    open_context: OpenContext, operator: Person, server: Server
) -> None:
    page = open_context(operator, permissions=["clipboard-read", "clipboard-write"]).new_page()
    recorder = start_recorder(rows=10)
    recorder.write(b"".join(b"line %d\r\n" % number for number in range(1, 51)))
    open_terminal(page, ended(recorder).terminal)
    expect_screen(page, lines(50))
    page.locator("[data-screen]").focus()
    for _ in range(9):
        page.keyboard.press("PageUp")
    page.get_by_role("button", name="Copy the screen as text").click()
    until(lambda: clipboard(page) == lines(10), "the first ten lines should be copied")
    page.get_by_role("button", name="Screen as plain text").click()
    region = page.get_by_role("region", name="Screen as plain text", exact=True)
    expect(region.locator("pre")).to_have_text(lines(10))


def clipboard(page: Page) -> str:
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_the_screen_is_there_as_plain_text_and_is_told_once_it_rests(signed_in_page: Page) -> None:
    page = signed_in_page
    open_terminal(page, counted().terminal)
    said = page.locator("[data-said]")
    expect(said).to_have_attribute("role", "status")
    page.keyboard.press("3")
    expect(said).to_have_text("At 0:03 of 0:10. Last line: line 3")
    region = page.get_by_role("region", name="Screen as plain text", exact=True)
    page.get_by_role("button", name="Screen as plain text").click()
    expect(region).to_be_focused()
    expect(region.locator("pre")).to_have_text(lines(3))
    page.keyboard.press("Escape")
    assert box_of(region)["width"] <= 2
    # It can be reached by the keyboard alone, and then it can be seen.
    region.focus()
    assert box_of(region)["width"] > 500


def test_what_is_selected_in_the_plain_text_stays_while_the_recording_goes_on(
    signed_in_page: Page, server: Server
) -> None:
    page = signed_in_page
    recorder = counting()
    open_terminal(page, recorder.terminal)
    page.keyboard.press("5")
    expect_screen(page, lines(5))
    page.get_by_role("button", name="Screen as plain text").click()
    text = page.get_by_role("region", name="Screen as plain text", exact=True).locator("pre")
    expect(text).to_have_text(lines(5))
    text.evaluate("(text) => getSelection().setBaseAndExtent(text.firstChild, 7, text.firstChild, 13)")
    recorder.write(b"line 11\r\n", after_us=SECOND_US)
    expect(page.locator("[data-clock]")).to_have_text("00:00:05 / 00:00:11")
    # Longer than it waits for the player to rest.
    page.wait_for_timeout(1_000)
    assert page.evaluate("getSelection().toString()") == "line 2"
    page.keyboard.press("6")
    expect(text).to_have_text(lines(6))


def test_running_output_is_not_read_out(signed_in_page: Page) -> None:
    page = signed_in_page
    open_terminal(page, counted().terminal)
    said = page.locator("[data-said]")
    expect(said).to_have_text("At 0:10 of 0:10. Last line: line 10")
    page.evaluate(
        """() => {
          window.spoken = [];
          const said = document.querySelector("[data-said]");
          const heard = () => said.textContent && window.spoken.push(said.textContent);
          new MutationObserver(heard).observe(said, { childList: true });
        }"""
    )
    page.get_by_label("Speed").select_option("4")
    page.get_by_role("button", name="Play from the start").click()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Play from the start")).to_be_visible()
    expect_screen(page, lines(10))
    until(lambda: bool(page.evaluate("window.spoken")), "the end should be told")
    assert page.evaluate("window.spoken") == ["At 0:10 of 0:10. Last line: line 10"]


def test_a_link_to_a_moment_opens_the_screen_it_was_copied_at(signed_in_page: Page) -> None:
    """To the microsecond: neither without the write it was copied at, nor with the next one."""
    page = signed_in_page
    recorder = start_recorder()
    recorder.write(b"first\r\n", after_us=1_234_567)
    recorder.write(b"second\r\n", after_us=100)
    recorder.write(b"third\r\n", after_us=1_000_000)
    ended(recorder)
    page.goto(f"/terminals/{recorder.terminal.pk}/?t=0")
    moment = page.locator("copy-button[data-moment]")
    expect(moment).to_have_attribute("text", re.compile(r"/\?t=00:00:00\.000$"))
    for text, clock in (
        ("first", "00:00:01.234567"),
        ("first\nsecond", "00:00:01.234667"),
        ("first\nsecond\nthird", "00:00:02.234667"),
    ):
        named = re.compile(rf"/\?t={re.escape(clock)}$")
        page.locator("terminal-view").evaluate("(view) => view.step(() => view.player.nextWrite())")
        expect_screen(page, text)
        expect(moment).to_have_attribute("text", named)
        address = moment.get_attribute("text")
        assert address is not None
        page.goto(address)
        expect_screen(page, text)
        expect(moment).to_have_attribute("text", named)
    page.goto(f"/terminals/{recorder.terminal.pk}/?t=1.5")
    expect_screen(page, "first\nsecond")
    expect(moment).to_have_attribute("text", re.compile(r"t=00:00:01\.500$"))
    page.keyboard.press("End")
    expect_screen(page, "first\nsecond\nthird")
    address = moment.get_attribute("text")
    assert address is not None
    assert address.endswith("?t=00:00:02.234667")
    page.goto(address)
    expect_screen(page, "first\nsecond\nthird")


def test_nothing_earlier_is_offered_where_all_of_it_is_on_the_screen(signed_in_page: Page) -> None:
    page = signed_in_page
    recorder = counted()
    # By then screens are kept that the player could begin with.
    wait_for_text(recorder)
    for query in ("", "?t=00:00:10", "?t=00:00:05"):
        page.goto(f"/terminals/{recorder.terminal.pk}/{query}")
        expect_screen(page, lines(5 if query.endswith("05") else 10))
        expect(page.locator("terminal-view[data-busy]")).to_have_count(0)
        expect(page.locator("[data-above]")).to_be_hidden()


def test_the_clock_is_at_the_end_no_sooner_than_the_screen(signed_in_page: Page, problems: Problems) -> None:
    page = signed_in_page
    # Playwright stands between the page and the server, and passes on an answer after the server has closed.
    problems.allow("WebSocket is already in CLOSING or CLOSED state")
    recorder = counted()
    holds_back = True

    def connect(socket: WebSocketRoute) -> None:
        if not holds_back:
            socket.connect_to_server()

    page.route_web_socket("**/live/terminals/**", connect)
    page.goto(f"/terminals/{recorder.terminal.pk}/")
    expect(page.locator("[data-player] [data-clock]")).to_contain_text("/ 00:00:10")
    expect(bar(page)).to_have_value("0")
    holds_back = False
    page.reload()
    expect_screen(page, lines(10))
    expect(bar(page)).to_have_value("1000")


def test_what_was_above_the_screen_opens_over_it_and_one_comes_back(
    open_context: OpenContext, operator: Person, server: Server
) -> None:
    page = open_context(operator, permissions=["clipboard-read", "clipboard-write"]).new_page()
    recorder = start_recorder()
    line = b"%07d " + b"." * 60 + b"\r\n"
    for start in range(0, 30_000, 5_000):
        recorder.write(b"".join(line % number for number in range(start, start + 5_000)), after_us=SECOND_US)
    ended(recorder)
    page.goto(f"/terminals/{recorder.terminal.pk}/?t=00:00:05.500")
    until(lambda: "0024999" in screen_text(page), "the screen at that moment")
    page.locator("terminal-view").evaluate("(view) => view.screen.terminal.scrollToTop()")
    page.locator("[data-screen]").focus()
    page.keyboard.press("PageUp")
    first = int(screen_text(page)[:7])
    page.get_by_role("button", name="Earlier output").click()
    earlier = page.get_by_role("region", name="Earlier output", exact=True)
    expect(earlier).to_be_visible()
    until(lambda: f"{first - 1:07d}" in earlier_text(page), "the lines right before the first one")
    rows = earlier.locator(".xterm-rows > div")
    box = box_of(rows.nth(3))
    page.mouse.move(box["x"] + 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    page.get_by_role("group", name="Selected text").get_by_role("button", name="Copy").click()
    until(lambda: clipboard(page) == rows.nth(3).inner_text().strip(), "the line of the earlier screen")
    page.keyboard.press("Escape")
    expect(page.get_by_role("group", name="Selected text")).to_be_hidden()
    expect(earlier).to_be_hidden()
    assert int(screen_text(page)[:7]) == first


def test_what_was_above_is_offered_to_who_played_to_the_live_end(
    signed_in_page: Page, server: Server
) -> None:
    page = signed_in_page
    recorder = start_recorder()
    line = b"%07d " + b"." * 60 + b"\r\n"
    for start in range(0, 30_000, 5_000):
        recorder.write(b"".join(line % number for number in range(start, start + 5_000)), after_us=SECOND_US)
    page.goto(f"/terminals/{recorder.terminal.pk}/?t=00:00:05.500")
    until(lambda: "0024999" in screen_text(page), "the screen at that moment")
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.locator("[data-follow]")).to_have_attribute("aria-pressed", "true")
    until(lambda: "0029999" in screen_text(page), "the end")
    first = int(screen_text(page)[:7])
    assert first > 0
    page.locator("terminal-view").evaluate("(view) => view.screen.terminal.scrollToTop()")
    page.locator("[data-screen]").focus()
    page.keyboard.press("PageUp")
    page.get_by_role("button", name="Earlier output").click()
    until(lambda: f"{first - 1:07d}" in earlier_text(page), "the lines right before the first one")


def test_what_a_slow_viewer_was_not_sent_can_be_looked_at(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    recorder = start_recorder()
    line = b"%07d " + b"." * 60 + b"\r\n"
    for start in range(0, 30_000, 10_000):
        recorder.write(b"".join(line % number for number in range(start, start + 10_000)))
    open_terminal(page, recorder.terminal)
    until(lambda: "0029999" in screen_text(page), "the end")
    # As the server says it when it leaves out what lies between.
    gap = {"type": "gap", "offset": len(line % 0) * 5_000, "to": len(line % 0) * 25_000, "timeUs": 0}
    page.locator("terminal-view").evaluate("(view, gap) => view.applyLive(gap, () => {})", gap)
    notice = page.locator("[data-notice]")
    expect(notice).to_contain_text("1.4 MB were left out to catch up.")
    notice.get_by_role("button", name="Load what was left out").click()
    until(lambda: "0024999" in earlier_text(page), "the last of the lines that were left out")
    page.get_by_role("button", name="Back").click()
    expect(page.get_by_role("region", name="Earlier output", exact=True)).to_be_hidden()
    recorder.write(b"and on\r\n")
    until(lambda: screen_text(page).endswith("and on"), "it goes on following")


@pytest.mark.parametrize("key", ["3", "Space", "End"])
def test_what_could_not_be_read_is_said_until_it_can(
    signed_in_page: Page, server: Server, problems: Problems, key: str
) -> None:
    problems.allow("Failed to load resource")
    page = signed_in_page
    notice = page.locator("[data-notice-text]")
    page.route("**/stretch?*", lambda route: route.abort())
    page.goto(f"/terminals/{counted().terminal.pk}/?t=3")
    expect(notice).to_have_text("The recording could not be read. Try again.")
    page.keyboard.press("3")
    expect(page.locator("terminal-view")).not_to_have_attribute("data-busy", "")
    expect(notice).to_be_visible()
    page.unroute("**/stretch?*")
    page.keyboard.press(key)
    expect(page.locator("[data-screen] .xterm-rows")).to_contain_text("line 3")
    expect(notice).to_be_hidden()


def test_what_is_damaged_is_said_only_where_it_is(
    signed_in_page: Page, server: Server, problems: Problems
) -> None:
    problems.allow("status of 422")
    page = signed_in_page
    notice = page.locator("[data-notice-text]")
    words = {"content_type": "text/plain; charset=utf-8", "body": "This is damaged."}
    page.route("**/stretch?*", lambda route: route.fulfill(status=422, **words))
    page.goto(f"/terminals/{counted().terminal.pk}/?t=3")
    expect(notice).to_have_text("This is damaged.")
    page.unroute("**/stretch?*")
    page.keyboard.press("2")
    expect_screen(page, lines(2))
    expect(notice).to_be_hidden()


def test_a_recording_that_went_to_the_trash_is_said_to_be_gone(
    signed_in_page: Page, server: Server, problems: Problems
) -> None:
    problems.allow("status of 404")
    page = signed_in_page
    recorder = counted()
    open_terminal(page, recorder.terminal)
    expect_screen(page, lines(10))
    Terminal.objects.update(deleted_ms=1)
    gone = "This terminal is gone: it may have been deleted or moved to the trash."
    page.keyboard.press("2")
    expect(page.locator("[data-notice-text]")).to_have_text(gone)
    page.keyboard.press("/")
    page.get_by_label("Search the output").fill("line")
    expect(page.locator("[data-search-status]")).to_have_text(gone)
    expect(page.locator("[data-search-retry]")).to_be_hidden()
    page.locator("terminal-view").evaluate("(view) => view.parts.earlier.open({ offset: 30 })")
    expect(page.locator("[data-earlier-title]")).to_have_text(gone)


def earlier_text(page: Page) -> str:
    text: str = page.locator("[data-earlier-host]").inner_text()
    return text


# Everywhere


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_reaches_everything_with_a_thumb(
    open_context: OpenContext, operator: Person, server: Server, width: int
) -> None:
    viewport = {"width": width, "height": 844}
    page = open_context(operator, viewport=viewport, has_touch=True, is_mobile=True).new_page()
    open_terminal(page, counted().terminal)
    small = page.evaluate(
        """() => [...document.querySelectorAll("terminal-view :is(button, select, summary, label)")]
          .filter((element) => element.checkVisibility() && !element.closest(".timeline__ticks, [data-text-region]"))
          .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
          .filter(([, { width, height }]) => width < 44 || height < 44)
          .map(([html, { width, height }]) => `${width}x${height} ${html}`)"""
    )
    assert small == []
    assert box_of(bar(page))["height"] >= 44
    page.get_by_role("button", name="Search", exact=True).tap()
    page.get_by_label("Search the output").fill("line")
    outside = page.evaluate(
        """() => [...document.querySelectorAll("terminal-view *")]
          .filter((element) => element.checkVisibility() && !element.closest(".xterm, svg"))
          .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
          .map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert outside == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("button", name="Close the search").tap()
    page.touchscreen.tap(width / 2, box_of(bar(page))["y"] + 30)
    expect_screen(page, lines(5))
    expect(page.locator("[data-peek-picture]")).to_be_hidden()


def test_a_phone_can_have_letters_to_read(
    open_context: OpenContext, operator: Person, server: Server
) -> None:
    recorder = start_recorder(cols=160, rows=40)
    recorder.write(b"w" * 160, after_us=SECOND_US)
    page = open_context(operator, viewport=PHONE, has_touch=True, is_mobile=True).new_page()
    open_terminal(page, recorder.terminal)
    until(lambda: letter_px(page) < 6, "the whole window should be seen first")
    page.get_by_role("button", name="Letters large enough to read").tap()
    until(lambda: letter_px(page) >= 12, "the letters should grow")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Letters large enough to read").tap()
    until(lambda: letter_px(page) < 6, "and fit again")


def test_of_a_window_too_high_for_its_room_the_end_is_seen_first(
    open_context: OpenContext, operator: Person, server: Server
) -> None:
    session = make_session(with_main_run=True)
    recorder = start_recorder(session, rows=40)
    recorder.write(b"".join(b"line %d\r\n" % number for number in range(100)))
    page = open_context(operator, viewport=PHONE, has_touch=True, is_mobile=True).new_page()
    page.goto(f"/sessions/{session.pk}/")
    until(lambda: "line 99" in screen_text(page), "the end")
    host = page.locator("[data-screen]")
    assert host.evaluate("(host) => host.scrollHeight - host.clientHeight") > 100
    assert host.evaluate("(host) => host.scrollHeight - host.clientHeight - host.scrollTop") < 2


def test_the_end_stays_in_sight_when_the_window_grows_or_the_room_shrinks(
    open_context: OpenContext, operator: Person, server: Server
) -> None:
    session = make_session(with_main_run=True)
    recorder = start_recorder(session)
    recorder.write(b"".join(b"line %d\r\n" % number for number in range(100)))
    page = open_context(operator, viewport=PHONE, has_touch=True, is_mobile=True).new_page()
    page.goto(f"/sessions/{session.pk}/")
    until(lambda: "line 99" in screen_text(page), "the end")
    host = page.locator("[data-screen]")
    recorder.resize(80, 60)
    until(lambda: host.evaluate(BELOW_AND_ABOVE)[1] > 100, "a window too high for its room")
    until(lambda: host.evaluate(BELOW_AND_ABOVE)[0] < 2, "the end in sight")
    before = host.evaluate(BELOW_AND_ABOVE)[1]
    page.set_viewport_size({"width": 844, "height": 390})
    until(lambda: host.evaluate(BELOW_AND_ABOVE)[1] > before, "a lower room")
    until(lambda: host.evaluate(BELOW_AND_ABOVE)[0] < 2, "the end in sight")
    # Who looks at what is above is left there.
    host.evaluate("(host) => host.scrollTo(0, 10)")
    page.wait_for_timeout(100)
    page.set_viewport_size(PHONE)
    until(lambda: host.evaluate(BELOW_AND_ABOVE)[1] == before, "the room as before")
    assert host.evaluate(BELOW_AND_ABOVE)[0] > 2


def letter_px(page: Page) -> float:
    size: float = page.evaluate("document.querySelector('terminal-view').screen.terminal.options.fontSize")
    return size


def test_keys_of_the_page_stay_with_the_page_beside_a_transcript(
    signed_in_page: Page, server: Server
) -> None:
    page = signed_in_page
    session = make_session(with_main_run=True)
    for _ in range(60):
        make_message(session, "Some words. " * 20)
    recorder = start_recorder(session)
    for number in range(1, 11):
        recorder.write(b"line %d\r\n" % number, after_us=SECOND_US)
    page.goto(f"/sessions/{session.pk}/")
    expect_screen(page, lines(10))
    page.keyboard.press("Home")
    page.keyboard.press("3")
    until(lambda: page.evaluate("scrollY") == 0, "Home is the page's")
    assert screen_text(page) == lines(10)
    page.locator("[data-screen]").focus()
    page.keyboard.press("3")
    expect_screen(page, lines(3))
    page.keyboard.press("/")
    expect(page.get_by_label("Search the output")).to_be_focused()


@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing(open_context: OpenContext, operator: Person, server: Server, width: int) -> None:
    recorder = start_recorder()
    for number in range(1, 5):
        recorder.write(b"\x1b[31mline\x1b[0m %d\r\n" % number, after_us=5 * SECOND_US)
        recorder.mark(f"step {number}")
    recorder.resize(100, 30)
    viewport = {"width": width, "height": 900}
    page = open_context(operator, viewport=viewport, bypass_csp=True).new_page()
    open_terminal(page, recorder.terminal)
    found = accessibility.findings(page, "following")
    bar(page).fill("500")
    expect(page.locator("[data-behind]")).to_be_visible()
    page.keyboard.press("/")
    page.get_by_label("Search the output").fill("line")
    page.locator("terminal-view").evaluate("(view) => view.screen.terminal.select(0, 0, 4)")
    found += accessibility.findings(page, "searching, with a selection")
    page.get_by_role("button", name="Screen as plain text").click()
    page.get_by_role("button", name="Full window").click()
    found += accessibility.findings(page, "text over the whole window")
    assert found == []


@pytest.mark.once  # What xterm.js holds back is no matter of the engine.
def test_who_stops_in_the_middle_of_an_update_sees_what_it_has_drawn(signed_in_page: Page) -> None:
    recorder = start_recorder()
    recorder.write(b"before\r\n", after_us=SECOND_US)
    recorder.write(b"\x1b[?2026hhalf of it", after_us=SECOND_US)
    recorder.write(b" and the rest\x1b[?2026l", after_us=2 * SECOND_US)
    ended(recorder)
    page = signed_in_page
    open_terminal(page, recorder.terminal)
    expect_screen(page, "before\nhalf of it and the rest")
    # xterm.js would show it by itself after a second, so it is looked at as soon as one has arrived.
    shown = page.locator("terminal-view").evaluate(
        """async (view) => {
          await view.seek(3e6);
          await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
          const { modes } = view.screen.terminal;
          return [view.querySelector("[data-screen] .xterm-rows").textContent, modes.synchronizedOutputMode];
        }"""
    )
    assert "half of it" in shown[0]
    assert "rest" not in shown[0]
    assert not shown[1]


@pytest.mark.once  # The parser is the browser's.
def test_who_stops_within_a_sequence_of_an_update_breaks_nothing(signed_in_page: Page) -> None:
    recorder = start_recorder()
    recorder.write(b"\x1b[?2026hhalf \x1b[38;5;", after_us=SECOND_US)
    recorder.write(b"208mof it\x1b[?2026l", after_us=SECOND_US)
    ended(recorder)
    page = signed_in_page
    open_terminal(page, recorder.terminal)
    expect_screen(page, "half of it")
    page.evaluate("document.querySelector('terminal-view').seek(1e6)")
    expect_screen(page, "half")
    page.keyboard.press(".")
    expect_screen(page, "half of it")


@pytest.mark.once  # Between two modules of the page.
def test_what_is_no_output_is_done_after_the_output_before_it(signed_in_page: Page) -> None:
    """Else it would be acknowledged, and more sent, before xterm.js has drawn what came."""
    recorder = start_recorder()
    open_terminal(signed_in_page, recorder.terminal)
    order = signed_in_page.locator("terminal-view").evaluate(
        """({ screen }) => new Promise((resolve) => {
          const order = [];
          const bytes = new Uint8Array(200_000).fill(0x41);
          screen.apply({ type: "output", offset: 0, bytes }, () => order.push("output"));
          screen.apply({ type: "marker", offset: 200_000 }, () => resolve([...order, "marker"]));
        })"""
    )
    assert order == ["output", "marker"]
