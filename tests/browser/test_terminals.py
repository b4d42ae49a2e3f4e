"""Terminals in a real browser, against the real server, recorded by the real recorder."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dashboard.lib.db import write_transaction
from sessions_app.actions.terminals.reading import DAMAGED, read_bytes
from sessions_app.models import Person, Terminal
from sessions_app.terminal.asciicast.model import Output
from tests.browser.conftest import OpenContext
from tests.browser.problems import Problems
from tests.browser.running import Server
from tests.factories import make_message, make_session
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = pytest.mark.browser

PATIENCE_S = 20.0
# What stands behind the word of its state.
STATE_DOUBT = (
    """() => getComputedStyle(document.querySelector("[data-state] .badge > span"), "::after").content"""
)
# Writes a numbered line for each one it reads, so a test decides when there is output.
ECHO = "import sys\nfor line in sys.stdin: print('line', line.strip(), flush=True)"


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def screen_text(page: Page) -> str:
    """Everything that the reader can scroll to, line by line."""
    text: str = page.locator("terminal-view").evaluate(
        """(view) => {
          const buffer = view.screen.terminal.buffer.active;
          const lines = [];
          for (let y = 0; y < buffer.length; y++) lines.push(buffer.getLine(y).translateToString(true));
          return lines.join("\\n").trimEnd();
        }"""
    )
    return text


def expect_screen(page: Page, text: str) -> None:
    until(lambda: screen_text(page) == text, f"the screen should be {text[-200:]!r}")


def expect_live(page: Page, state: str) -> None:
    expect(page.locator("terminal-view")).to_have_attribute("data-live", state, timeout=PATIENCE_S * 1000)


def open_terminal(page: Page, terminal: Terminal) -> None:
    page.goto(f"/terminals/{terminal.pk}/")
    expect_live(page, "ended" if terminal.state == "ended" else "connected")


class Program:
    """ECHO in a recorded terminal; `say` makes it print lines and knows what it has printed."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._count = 0
        self.printed = ""

    def say(self, lines: int) -> None:
        for _ in range(lines):
            self._count += 1
            self._write(f"{self._count}\n")
            # The terminal echoes what is typed, and the program answers.
            self.printed += f"{self._count}\nline {self._count}\n"

    def end(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self._process.wait(PATIENCE_S)

    def _write(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()


@contextmanager
def recorded(server: Server, folder: Path) -> Iterator[tuple[Program, Terminal]]:
    script = folder / "echo.py"
    script.write_text(ECHO)
    command = ("record", "--quiet", "--title", "echo", "--", sys.executable, "-u", str(script))
    quiet = subprocess.DEVNULL
    process = server.popen(*command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)
    try:
        until(lambda: Terminal.objects.exists(), "the recorder should open a terminal")
        yield Program(process), Terminal.objects.get()
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.kill()
        process.wait()


def test_two_browsers_one_of_them_offline_end_with_the_same_bytes(
    open_context: OpenContext, operator: Person, server: Server, problems: Problems, tmp_path: Path
) -> None:
    problems.allow_absence()
    steady, wandering = open_context(operator), open_context(operator)
    with recorded(server, tmp_path) as (program, terminal):
        first, second = steady.new_page(), wandering.new_page()
        open_terminal(first, terminal)
        open_terminal(second, terminal)
        program.say(5)
        until(lambda: "line 5" in screen_text(second), "the second browser should see the first lines")
        wandering.set_offline(True)
        expect_live(second, "offline")
        seen_before = screen_text(second)
        program.say(40)
        until(lambda: "line 45" in screen_text(first), "the first browser should see the lines at once")
        assert screen_text(second) == seen_before
        wandering.set_offline(False)
        until(lambda: "line 45" in screen_text(second), "the second browser should catch up")
        program.say(5)
        program.end()
        expect_live(first, "ended")
        expect_live(second, "ended")
    terminal.refresh_from_db()
    stored = read_bytes(terminal.pk, 0, terminal.size).decode()
    assert screen_text(first) == screen_text(second) == stored.replace("\r\n", "\n").rstrip()
    assert [line for line in stored.split() if line == "line"] == ["line"] * 50


def test_a_page_outlives_its_server(
    signed_in_page: Page, server: Server, problems: Problems, tmp_path: Path
) -> None:
    problems.allow_absence()
    with recorded(server, tmp_path) as (program, terminal):
        open_terminal(signed_in_page, terminal)
        program.say(3)
        until(lambda: "line 3" in screen_text(signed_in_page), "the lines before")
        server.stop()
        expect_live(signed_in_page, "offline")
        assert signed_in_page.evaluate(STATE_DOUBT) == '" when last seen"'
        program.say(3)
        server.start()
        expect_live(signed_in_page, "connected")
        assert signed_in_page.evaluate(STATE_DOUBT) == "none"
        until(lambda: "line 6" in screen_text(signed_in_page), "the lines that were printed meanwhile")
        program.end()
        expect_live(signed_in_page, "ended")
    terminal.refresh_from_db()
    stored = read_bytes(terminal.pk, 0, terminal.size).decode()
    assert screen_text(signed_in_page) == stored.replace("\r\n", "\n").rstrip()


def test_a_recording_starts_empty_and_fills(signed_in_page: Page, server: Server) -> None:
    recorder = start_recorder()
    open_terminal(signed_in_page, recorder.terminal)
    assert screen_text(signed_in_page) == ""
    recorder.write(b"\x1b[32mfirst\x1b[0m\r\n")
    expect(signed_in_page.locator(".xterm-rows")).to_contain_text("first")
    expect_screen(signed_in_page, "first")


@pytest.mark.once  # How a page looks is no matter of the engine.
def test_the_window_is_the_recorded_one(signed_in_page: Page, server: Server) -> None:
    recorder = start_recorder(cols=132, rows=40)
    recorder.write(b"x" * 132 + b"y")
    open_terminal(signed_in_page, recorder.terminal)
    expect_screen(signed_in_page, "x" * 132 + "\ny")
    recorder.resize(60, 20)
    expect(signed_in_page.locator("[data-window]")).to_have_text(re.compile("60.20"))


def test_the_list_follows_its_terminals(signed_in_page: Page, server: Server) -> None:
    signed_in_page.goto("/terminals/")
    expect(signed_in_page.get_by_text("No terminals yet")).to_be_visible()
    expect(signed_in_page.locator("html")).to_have_attribute("data-live", "connected")
    recorder = start_recorder()
    row = signed_in_page.locator(f'tr[data-row][data-id="{recorder.terminal.pk}"]')
    expect(row).to_contain_text("Live")
    recorder.write(b"compiling\r\n")
    expect(row).to_contain_text("compiling")
    recorder.exit(2)
    expect(row).to_contain_text("Exit 2")
    row.get_by_role("link").first.click()
    expect(signed_in_page).to_have_url(re.compile(str(recorder.terminal.pk)))


def test_a_long_history_starts_near_its_end_and_gives_what_came_before(
    signed_in_page: Page, server: Server
) -> None:
    recorder = start_recorder()
    line = b"%07d " + b"." * 60 + b"\r\n"
    for start in range(0, 30_000, 10_000):
        recorder.write(b"".join(line % number for number in range(start, start + 10_000)))
    page = signed_in_page
    open_terminal(page, recorder.terminal)
    until(lambda: screen_text(page).endswith("0029999 " + "." * 60), "the end")
    first = numbers_of(screen_text(page))[0]
    assert first > 0
    page.locator("terminal-view").evaluate("(view) => view.screen.terminal.scrollToTop()")
    page.locator("[data-screen]").focus()
    page.keyboard.press("PageUp")
    page.get_by_role("button", name="Earlier output").click()
    until(lambda: f"{first - 1:07d}" in page.locator("[data-earlier-host]").inner_text(), "what came before")
    recorder.write(b"and on\r\n")
    page.get_by_role("button", name="Back").click()
    until(lambda: screen_text(page).endswith("and on"), "it should have followed meanwhile")
    numbers = numbers_of(screen_text(page))
    assert numbers == list(range(numbers[0], 30_000)), "no line is missing or twice"


def numbers_of(text: str) -> list[int]:
    return [int(line[:7]) for line in text.split("\n") if line[:7].isdecimal()]


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_recording_is_played_from_the_start_with_its_timing(signed_in_page: Page, server: Server) -> None:
    recorder = start_recorder()
    recorder.write(b"one\r\n", after_us=100_000)
    recorder.write(b"two\r\n", after_us=1_500_000)
    # A pause of an hour is skipped.
    recorder.write(b"three\r\n", after_us=3_600_000_000)
    recorder.exit(0)
    recorder.refresh()
    open_terminal(signed_in_page, recorder.terminal)
    expect_screen(signed_in_page, "one\ntwo\nthree")
    signed_in_page.get_by_role("button", name="Play from the start").click()
    expect_screen(signed_in_page, "one")
    expect(signed_in_page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    expect_screen(signed_in_page, "one\ntwo\nthree")
    expect(signed_in_page.locator("[data-clock]")).to_have_text("01:00:01 / 01:00:01", use_inner_text=True)


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_any_moment_can_be_sought(signed_in_page: Page, server: Server) -> None:
    recorder = start_recorder()
    for number in range(10):
        recorder.write(b"%d\r\n" % number, after_us=1_000_000)
    open_terminal(signed_in_page, recorder.terminal)
    bar = signed_in_page.get_by_label("Time in the recording")
    bar.fill("500")
    expect_screen(signed_in_page, "0\n1\n2\n3\n4")
    bar.fill("800")
    expect_screen(signed_in_page, "0\n1\n2\n3\n4\n5\n6\n7")
    bar.fill("300")
    expect_screen(signed_in_page, "0\n1\n2")
    signed_in_page.get_by_role("button", name="Follow").click()
    expect_screen(signed_in_page, "0\n1\n2\n3\n4\n5\n6\n7\n8\n9")
    recorder.write(b"new\r\n")
    until(lambda: screen_text(signed_in_page).endswith("new"), "it should follow again")


def expect_moment(page: Page, clock: str) -> None:
    expect(page.locator("[data-clock]")).to_have_text(re.compile(rf"^{clock}(?:\.\d+)? / "))
    expect(page.locator("terminal-view")).not_to_have_attribute("data-busy", "")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_link_to_a_moment_opens_it_paused(
    open_context: OpenContext, operator: Person, server: Server
) -> None:
    recorder = start_recorder()
    for number in range(5):
        recorder.write(f"second {number + 1}\r\n".encode(), after_us=1_000_000)
    base = f"/terminals/{recorder.terminal.pk}/"
    context = open_context(operator, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{base}?t=00:00:02.500")
    expect_screen(page, "second 1\nsecond 2")
    expect_moment(page, "00:00:02")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    expect(page.locator("[data-follow]")).to_have_attribute("aria-pressed", "false")

    page.get_by_role("button", name="Copy link to this moment").click()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{server.url}{base}?t=00:00:02.500"

    # Beyond the end is the end; of what is no moment it is said.
    page.goto(f"{base}?t=99:00:00")
    expect_moment(page, "00:00:05")
    expect_screen(page, "\n".join(f"second {number}" for number in range(1, 6)))
    expect(page.locator("[data-follow]")).to_have_attribute("aria-pressed", "false")
    page.goto(f"{base}?t=2.5")
    expect_screen(page, "second 1\nsecond 2")
    page.goto(f"{base}?t=soon")
    expect_live(page, "connected")
    expect(page.get_by_text("The moment “soon” in this link could not be read.")).to_be_visible()


def test_a_moment_of_a_session_moves_its_clock_and_its_terminal(signed_in_page: Page, server: Server) -> None:
    session = make_session(with_main_run=True)
    for _ in range(120):
        make_message(session, "Some words. " * 20)
    # One second for each row, and for each line of the terminal that was open all the time.
    recorder = start_recorder(session)
    assert recorder.terminal.started_ms == session.started_ms
    for number in range(120):
        recorder.write(f"second {number + 1}\r\n".encode(), after_us=1_000_000)
    page = signed_in_page
    page.goto(f"/sessions/{session.pk}/?t=00:00:20.000")
    expect(page.locator("#seq-20")).to_be_in_viewport()
    expect(page.locator("time-scrubber [data-clock]")).to_have_text("00:00:20")
    expect(page.locator("terminal-view [data-clock]")).to_have_text(re.compile("^00:00:20 / "))
    until(lambda: screen_text(page).endswith("second 20"), "the terminal should be at the moment too")
    # A link to a row, as that of a hit, is a link to its moment.
    page.goto(f"/sessions/{session.pk}/?at=3#seq-3")
    expect(page.locator("time-scrubber [data-clock]")).to_have_text("00:00:03")
    until(lambda: screen_text(page).endswith("second 3"), "the terminal should be at that moment")
    # Moving the clock puts the new moment into the address, and nothing that would say otherwise.
    page.get_by_label("Moment in the session").focus()
    page.keyboard.press("Home")
    expect(page).to_have_url(re.compile(rf"/sessions/{session.pk}/\?t=\S+$"))


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_the_keyboard_moves_the_player_and_is_not_caught(signed_in_page: Page, server: Server) -> None:
    recorder = start_recorder()
    for number in range(20):
        recorder.write(b"%d\r\n" % number, after_us=1_000_000)
    recorder.exit(0)
    recorder.refresh()
    open_terminal(signed_in_page, recorder.terminal)
    signed_in_page.keyboard.press("ArrowLeft")
    expect_screen(signed_in_page, "\n".join(str(number) for number in range(15)))
    screen = signed_in_page.get_by_role("region", name="Screen of the terminal")
    screen.focus()
    signed_in_page.keyboard.press("Tab")
    expect(signed_in_page.get_by_role("region", name="Screen as plain text", exact=True)).to_be_focused()
    signed_in_page.get_by_role("button", name="Refresh").focus()
    signed_in_page.keyboard.press("Tab")
    expect(signed_in_page.get_by_label("Time in the recording")).to_be_focused()


HOSTILE = (
    b"\x1b[10000000S\x1b[99999999T\x1b[2147483647L\x1b[2147483647M\x1b[2147483647b\x1b[99999999@"
    b"\x1b[99999999P\x1b[99999999X\x1b[99999999I\x1b[99999999Z"
    b"\x1b[c\x1b[>c\x1b[6n\x1b[?6n\x1b[?2026$p\x1b[21t\x1bP$qm\x1b\\\x1b]11;?\x07\x1b]4;1;?\x07"
    b"\x1b]0;<img src=x onerror=alert(1)>\x07\x1b]52;c;c3RvbGVu\x07"
    b"<script>alert(1)</script>"
)


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_hostile_output_neither_freezes_nor_speaks_nor_runs(signed_in_page: Page, server: Server) -> None:
    recorder = start_recorder()
    open_terminal(signed_in_page, recorder.terminal)
    signed_in_page.evaluate(
        """() => {
          window.answers = [];
          document.querySelector("terminal-view").screen.terminal.onData((data) => window.answers.push(data));
        }"""
    )
    title = signed_in_page.title()
    started = time.monotonic()
    recorder.write(HOSTILE + b"\r\nstill here")
    until(lambda: screen_text(signed_in_page).endswith("still here"), "the screen should go on")
    assert time.monotonic() - started < 5
    assert "<script>alert(1)</script>" in screen_text(signed_in_page)
    assert signed_in_page.evaluate("window.answers") == []
    assert signed_in_page.title() == title


def test_a_recording_can_be_saved_and_read(signed_in_page: Page, server: Server) -> None:
    recorder = start_recorder()
    recorder.send(Output(1_000_000, b"\x1b[31mcaf\xc3\xa9\x1b[0m\xff\r\n"))
    recorder.exit(0)
    address = f"/terminals/{recorder.terminal.pk}"
    text = signed_in_page.request.get(f"{address}/recording.txt")
    assert text.text() == "café\ufffd\n"
    cast = signed_in_page.request.get(f"{address}/recording.cast")
    assert "attachment" in cast.headers["content-disposition"]
    lines = cast.text().splitlines()
    assert lines[1] == '[1.000000, "o", "\\u001b[31mcafé\\u001b[0m\\udcff\\r\\n"]'
    assert lines[2] == '[0.000000, "x", "0"]'
    assert signed_in_page.request.get(f"{address}/bytes?from=5&to=9").body() == b"caf\xc3"


@pytest.mark.once  # How a page looks is no matter of the engine.
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_colours_are_those_of_the_page(
    open_context: OpenContext, operator: Person, server: Server, theme: str
) -> None:
    recorder = start_recorder()
    recorder.write(b"\x1b[31mred\x1b[0m plain")
    page = open_context(operator, color_scheme=theme).new_page()
    open_terminal(page, recorder.terminal)
    expect(page.locator(".xterm-rows span").first).to_have_text("red")
    colours = page.evaluate(
        """() => {
          const span = document.querySelector(".xterm-rows span");
          const channels = (element) => getComputedStyle(element).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
          return { red: channels(span), plain: channels(document.querySelector(".xterm-rows")) };
        }"""
    )
    red, plain = colours["red"], colours["plain"]
    assert red[0] > 1.5 * max(red[1:]), "the palette survives the content policy"
    assert (sum(plain) > 384) is (theme == "dark")


@pytest.mark.once  # What the page does with bytes is no matter of the engine.
def test_a_character_that_is_cut_anywhere_is_shown(signed_in_page: Page, server: Server) -> None:
    """By the recorder's reads, and by the pieces in which xterm.js is given what is written at once."""
    recorder = start_recorder(cols=100, rows=24)
    every = "\N{EM DASH}\N{HORIZONTAL ELLIPSIS}\N{LATIN SMALL LETTER SHARP S}\N{GRINNING FACE}"
    for byte in every.encode():
        recorder.write(bytes([byte]))
    lines = [every]
    for indent in range(3):
        # Several pieces of characters of three bytes, from another offset each.
        line = "x" * indent + "\N{HORIZONTAL ELLIPSIS}" * 97
        recorder.write(f"\r\n{line}".encode() * 40)
        lines += [line] * 40
    open_terminal(signed_in_page, recorder.terminal)
    expect_screen(signed_in_page, "\n".join(lines))
    recorder.write("\r\n\N{RIGHT SINGLE QUOTATION MARK}".encode()[:-1])
    recorder.write("\N{RIGHT SINGLE QUOTATION MARK}".encode()[-1:])
    expect_screen(signed_in_page, "\n".join([*lines, "\N{RIGHT SINGLE QUOTATION MARK}"]))


CONTRAST = """() => {
  const light = (colour) => {
    const [red, green, blue] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  return [...document.querySelectorAll(".xterm-rows span")].filter((span) => span.textContent.trim()).map((span) => {
    const { color, backgroundColor } = getComputedStyle(span);
    const screen = getComputedStyle(document.querySelector(".xterm-scrollable-element")).backgroundColor;
    const behind = backgroundColor === "rgba(0, 0, 0, 0)" ? screen : backgroundColor;
    const [low, high] = [light(color), light(behind)].sort((one, other) => one - other);
    return [span.textContent, (high + 0.05) / (low + 0.05)];
  });
}"""


@pytest.mark.once  # How a page looks is no matter of the engine.
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_legible_on_the_surfaces_that_programs_paint(
    open_context: OpenContext, operator: Person, server: Server, theme: str
) -> None:
    recorder = start_recorder()
    recorder.write(
        b"\x1b[48;2;34;92;43madded\x1b[0m \x1b[48;2;255;235;240mtaken\x1b[0m \x1b[97;41mfailed\x1b[0m "
    )
    recorder.write(b"\x1b[38;2;255;255;120mnote\x1b[0m")
    page = open_context(operator, color_scheme=theme).new_page()
    open_terminal(page, recorder.terminal)
    # It is in the buffer a frame before it is on the page.
    expect(page.locator(".xterm-rows")).to_contain_text("note")
    words = dict(page.evaluate(CONTRAST))
    assert {"added", "taken", "failed", "note"} <= words.keys()
    assert min(words.values()) >= 4.5, words


@pytest.mark.once  # How a page looks is no matter of the engine.
def test_a_phone_shows_the_whole_width(open_context: OpenContext, operator: Person, server: Server) -> None:
    recorder = start_recorder(cols=80, rows=24)
    recorder.write(b"x" * 79 + b"|")
    page = open_context(operator, viewport={"width": 390, "height": 844}).new_page()
    open_terminal(page, recorder.terminal)
    expect_screen(page, "x" * 79 + "|")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screen = page.locator(".xterm-screen").bounding_box()
    assert screen is not None
    assert screen["x"] + screen["width"] <= 390
    for name in ("Pause", "Follow"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 844 - 56, f"{name} is above the places"


@pytest.mark.once  # What a page does by itself is no matter of the engine.
@pytest.mark.parametrize("way", ["button", "key"])
def test_who_scrolled_up_is_told_and_comes_back_to_the_end(
    signed_in_page: Page, server: Server, way: str
) -> None:
    recorder = start_recorder()
    recorder.write(b"".join(b"line %d\r\n" % number for number in range(200)))
    page = signed_in_page
    open_terminal(page, recorder.terminal)
    until(lambda: "line 199" in screen_text(page), "the end")
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "true")
    page.locator("[data-screen]").hover()
    page.mouse.wheel(0, -400)
    expect(follow).to_have_attribute("aria-pressed", "false")
    expect(follow).to_contain_text("newer below")
    recorder.write(b"and on\r\n")
    until(lambda: "and on" in screen_text(page), "it goes on following")
    expect(follow).to_have_attribute("aria-pressed", "false")

    if way == "button":
        follow.click()
    else:
        page.keyboard.press("End")

    expect(follow).to_have_attribute("aria-pressed", "true")
    expect(follow).not_to_contain_text("newer below")
    assert page.locator("terminal-view").evaluate("(view) => view.screen.atBottom")


def test_a_page_begins_anew_where_an_older_database_is_restored(signed_in_page: Page, server: Server) -> None:
    recorder = start_recorder()
    recorder.write(b"one\r\n")
    recorder.write(b"two\r\n")
    page = signed_in_page
    open_terminal(page, recorder.terminal)
    expect_screen(page, "one\ntwo")

    with page.expect_event("load"), write_transaction():
        recorder.terminal.chunks.filter(offset=5).delete()
        Terminal.objects.filter(pk=recorder.terminal.pk).update(size=5, duration_us=1_000)
    expect_live(page, "connected")
    expect_screen(page, "one")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_damaged_recording_is_told_in_words_and_not_asked_for_again(
    signed_in_page: Page, server: Server, problems: Problems
) -> None:
    recorder = start_recorder()
    recorder.write(b"one\r\n", after_us=1_000_000)
    recorder.write(b"two\r\n", after_us=1_000_000)
    recorder.terminal.chunks.update(timing=b"\x80")
    page = signed_in_page
    followed: list[str] = []
    address = f"/terminals/{recorder.terminal.pk}/"
    page.on("websocket", lambda socket: followed.append(socket.url) if address in socket.url else None)

    problems.allow("status of 422")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    expect_live(page, "closed")
    expect(page.locator("[data-connection]")).to_have_text("Closed")
    notice = page.locator("[data-notice-text]")
    expect(notice).to_have_text(DAMAGED)
    assert notice.evaluate("({ scrollWidth, clientWidth }) => scrollWidth <= clientWidth")
    # On a busy machine the first one may have been lost. Another would be tried within 0.6 s.
    asked = len(followed)
    page.wait_for_timeout(1_000)
    assert len(followed) == asked
    # A link to a moment plays.
    page.goto(f"{address}?t=1")
    expect(notice).to_have_text(DAMAGED)
