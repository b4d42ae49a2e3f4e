"""The wall of live terminals in a real browser, against the real server."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from sessions_app.models import Person, Terminal
from sessions_app.wall import FEW_TILES
from tests.browser import accessibility
from tests.browser.conftest import OpenContext
from tests.browser.problems import Problems
from tests.browser.running import Server
from tests.factories import make_session, make_terminal
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = pytest.mark.browser

PATIENCE_S = 20.0
COUNT_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
# The recorded programs: one prints colours and ends, one draws a full screen and waits, one asks.
COLOURS = r"print('\033[1;31mred\033[0m and \033[42mgreen\033[0m', flush=True)"
FULL_SCREEN = (
    r"import sys; sys.stdout.write('\033[?1049h\033[2J\033[3;5H\033[7m a dialog \033[0m'); sys.stdout.flush();"
    "sys.stdin.read()"
)
PROMPT = "input('Go on? ')"


class Questions:
    """What the page asks the wall's address for."""

    def __init__(self, page: Page) -> None:
        self.asked: list[tuple[float, str]] = []
        page.on("request", self._note)

    def _note(self, request: object) -> None:
        url = str(getattr(request, "url", ""))
        if "/terminals/tiles/" in url:
            self.asked.append((time.monotonic(), url))

    def about(self, terminal: Terminal) -> list[float]:
        """The moments at which this terminal was asked for."""
        return [
            moment
            for moment, url in self.asked
            if any(
                name.startswith(str(terminal.pk)) for name in parse_qs(urlsplit(url).query).get("tile", [])
            )
        ]


def tile_of(page: Page, terminal: Terminal) -> Locator:
    return page.locator(f'.tile[data-id="{terminal.pk}"]')


def picture_of(page: Page, terminal: Terminal) -> Locator:
    return tile_of(page, terminal).locator(".picture")


def expect_picture(page: Page, terminal: Terminal, text: str | re.Pattern[str]) -> None:
    # The first one waits for the engine to start.
    expect(picture_of(page, terminal)).to_contain_text(text, timeout=PATIENCE_S * 1000)


def open_page(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator("html")).to_have_attribute("data-live", "connected")


# It compares itself once after it was connected, and asks again for what was behind.
RESTS = "(wall) => !(wall.isAsking || wall.timer || wall.mustCompare || wall.questions.length)"


def expect_rest(page: Page) -> None:
    wall = page.locator("live-wall")
    until(page, lambda: bool(wall.evaluate(RESTS)), "the wall should come to rest")


def said(recorder: Recorder, text: str) -> Recorder:
    recorder.write(text.encode())
    return recorder


def until(page: Page, condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        page.wait_for_timeout(20)


@contextmanager
def recorded(server: Server, title: str, program: str) -> Iterator[Terminal]:
    command = ("record", "--quiet", "--title", title, "--", sys.executable, "-c", program)
    quiet = subprocess.DEVNULL
    process = server.popen(*command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not Terminal.objects.filter(title=title, size__gt=0).exists():
            assert time.monotonic() < deadline, f"{title} should be recorded"
            time.sleep(0.02)
        yield Terminal.objects.get(title=title)
    finally:
        process.kill()
        process.communicate()


def test_programs_are_watched_while_they_run(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    with (
        recorded(server, "full screen", FULL_SCREEN) as dialog,
        recorded(server, "prompt", PROMPT) as prompt,
        recorded(server, "colours", COLOURS) as colours,
    ):
        open_page(page, "/terminals/")
        expect_picture(page, dialog, "a dialog")
        expect_picture(page, prompt, "Go on?")
        ended = page.locator(f'tr[data-id="{colours.pk}"]')
        expect(ended).to_contain_text("Ended")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
@pytest.mark.parametrize("address", ["/", "/terminals/", "/terminals/?view=wall"])
def test_a_picture_moves_once_a_second_and_the_focus_stays(
    signed_in_page: Page, server: Server, address: str
) -> None:
    page = signed_in_page
    busy, quiet = (
        said(start_recorder(make_session(title="Fix it")), "first\r\n"),
        make_terminal(output=b"resting\r\n"),
    )
    questions = Questions(page)
    open_page(page, address)
    expect_picture(page, busy.terminal, "first")
    expect_picture(page, quiet, "resting")
    link = tile_of(page, busy.terminal).get_by_role("link", name="Fix it")
    link.focus()
    # What is asked from here on is asked because something changed.
    expect_rest(page)
    questions.asked.clear()
    page.evaluate("performance.clearResourceTimings()")

    number, start = 0, time.monotonic()
    while time.monotonic() < start + 3.5:
        number += 1
        busy.write(b"line %d\r\n" % number)
        page.wait_for_timeout(10)
    expect_picture(page, busy.terminal, re.compile(rf"line {number}\b"))
    expect(link).to_be_focused()
    moments: list[float] = page.evaluate(
        "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/terminals/tiles/'))"
        ".map(({ startTime }) => startTime)"
    )
    assert 2 <= len(moments) <= 6
    # A browser on a busy machine begins a request some time after it was asked to, and the next one in time.
    assert all(later - earlier > 750 for earlier, later in pairwise(moments)), moments
    assert moments[-1] - moments[0] > 990 * (len(moments) - 1) - 250, moments
    assert questions.about(busy.terminal)
    assert questions.about(quiet) == [], "nothing changed in it"


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_second_terminal_comes_by_itself_and_moves_nothing(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    page.add_init_script(COUNT_SHIFTS)
    first = said(start_recorder(), "one\r\n")
    for address in ("/", "/terminals/"):
        open_page(page, address)
        expect_picture(page, first.terminal, "one")
        tiles = page.locator(".tile").count()
        page.evaluate("document.fonts.ready.then(() => { window.shifted = 0 })")
        other = said(start_recorder(), "two\r\n")
        expect_picture(page, other.terminal, "two")
        count = page.locator(".list-head .count[data-count=live_terminals]")
        expect(count).to_have_text(str(tiles + 1), timeout=PATIENCE_S * 1000)
        assert page.evaluate("window.shifted") < 0.005
        assert page.locator(".tile").last.get_attribute("data-id") == str(other.terminal.pk), (
            "a new one comes last"
        )


@pytest.mark.parametrize("address", ["/", "/terminals/", "/terminals/?view=wall"])
def test_the_first_terminal_fills_an_empty_page(signed_in_page: Page, server: Server, address: str) -> None:
    open_page(signed_in_page, address)
    recorder = start_recorder()
    recorder.write(b"hello\r\n")
    expect_picture(signed_in_page, recorder.terminal, "hello")
    expect(picture_of(signed_in_page, recorder.terminal)).to_be_visible()
    expect(signed_in_page.get_by_text("No terminals yet")).to_be_hidden()
    expect(signed_in_page.get_by_text("No terminal is live")).to_be_hidden()


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_one_that_ended_says_so_and_leaves_its_place_empty(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    page.add_init_script(COUNT_SHIFTS)
    page.clock.install()
    recorders = [said(start_recorder(), f"number {number}\r\n") for number in range(3)]
    open_page(page, "/terminals/")
    for recorder in recorders:
        expect_picture(page, recorder.terminal, "number")
    ending, focused = tile_of(page, recorders[0].terminal), tile_of(page, recorders[2].terminal)
    focused.get_by_role("link").focus()
    before = [tile_of(page, recorder.terminal).bounding_box() for recorder in recorders]
    page.evaluate("document.fonts.ready.then(() => { window.shifted = 0 })")
    recorders[0].exit(2)
    expect(ending).to_contain_text("Exit 2")
    assert [tile_of(page, recorder.terminal).bounding_box() for recorder in recorders] == before
    page.clock.fast_forward(9_000)
    expect(ending).to_have_count(0)
    assert [tile_of(page, recorder.terminal).bounding_box() for recorder in recorders[1:]] == before[1:]
    expect(focused.get_by_role("link")).to_be_focused()
    assert page.evaluate("window.shifted") < 0.005
    # The next one takes the empty place.
    following = said(start_recorder(), "next\r\n")
    expect_picture(page, following.terminal, "next")
    assert tile_of(page, following.terminal).bounding_box() == before[0]


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_those_that_waited_take_the_places_of_those_that_ended(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    # All of the wall is in view.
    page.set_viewport_size({"width": 1440, "height": 1_800})
    page.clock.install()
    recorders = [said(start_recorder(), f"number {number}\r\n") for number in range(FEW_TILES + 2)]
    waiting, ending, staying = recorders[:2], recorders[2:7], recorders[7:]
    open_page(page, "/terminals/")
    expect_picture(page, staying[-1].terminal, "number")
    expect(page.locator(".tile")).to_have_count(FEW_TILES)
    expect_rest(page)
    before = [tile_of(page, recorder.terminal).bounding_box() for recorder in (*ending, *staying)]
    for recorder in ending:
        recorder.exit(0)
        expect(tile_of(page, recorder.terminal)).to_contain_text("Ended")
    # Nothing is heard of those that wait.
    page.clock.fast_forward(9_000)
    for recorder in waiting:
        expect_picture(page, recorder.terminal, "number")
        assert tile_of(page, recorder.terminal).bounding_box() in before[:5]
    expect(page.locator(".tile")).to_have_count(FEW_TILES - 3)
    assert [tile_of(page, recorder.terminal).bounding_box() for recorder in staying] == before[5:]


@pytest.mark.once  # What a page does by itself is no matter of the engine.
@pytest.mark.parametrize("address", ["/", "/terminals/"])
def test_a_wall_says_that_no_terminal_is_live_only_where_none_is(
    signed_in_page: Page, server: Server, address: str
) -> None:
    page = signed_in_page
    # All of the wall is in view.
    page.set_viewport_size({"width": 1440, "height": 1_800})
    page.clock.install()
    recorders = [said(start_recorder(), f"number {number}\r\n") for number in range(FEW_TILES + 2)]
    waiting, shown = recorders[:2], recorders[2:]
    open_page(page, address)
    expect_picture(page, shown[-1].terminal, "number")
    expect_rest(page)
    page.evaluate(
        """() => {
          const says = document.querySelector("live-wall [data-empty]");
          new MutationObserver(() => { window.saidEmpty ||= !says.hidden }).observe(says, { attributes: true });
        }"""
    )
    for recorder in shown:
        recorder.exit(0)
    for recorder in shown:
        expect(tile_of(page, recorder.terminal)).to_contain_text("Ended")
    page.clock.fast_forward(9_000)
    for recorder in waiting:
        expect_picture(page, recorder.terminal, "number")
    expect(page.locator(".tile")).to_have_count(2)
    assert not page.evaluate("window.saidEmpty")

    for recorder in waiting:
        recorder.exit(0)
        expect(tile_of(page, recorder.terminal)).to_contain_text("Ended")
    page.clock.fast_forward(9_000)
    expect(page.get_by_text("No terminal is live")).to_be_visible()
    # On a page that shows other things too, the next one stands on the wall again.
    following = said(start_recorder(), "next\r\n")
    expect_picture(page, following.terminal, "next")
    expect(page.get_by_text("No terminal is live")).to_be_hidden()


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_what_is_looked_at_does_not_leave(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    page.clock.install()
    recorder = said(start_recorder(), "only one\r\n")
    open_page(page, "/terminals/")
    tile = tile_of(page, recorder.terminal)
    tile.get_by_role("link").focus()
    recorder.exit(0)
    expect(tile).to_contain_text("Ended")
    page.clock.fast_forward(30_000)
    expect(tile.get_by_role("link")).to_be_focused()
    page.get_by_role("link", name="List", exact=True).focus()
    page.clock.fast_forward(2_000)
    expect(tile).to_have_count(0)
    expect(page.get_by_text("No terminal is live")).to_be_visible()


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_tiles_out_of_view_are_asked_for_when_they_come_into_it(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    for _ in range(40):
        make_terminal(output=b"quiet\r\n")
    last = said(start_recorder(), "far below\r\n")
    Terminal.objects.filter(pk=last.terminal.pk).update(started_ms=last.terminal.started_ms + 1)
    visible = Terminal.objects.order_by("started_ms", "id")[0]
    questions = Questions(page)
    open_page(page, "/terminals/?view=wall")
    expect_picture(page, visible, "quiet")
    last.write(b"and more\r\n")
    Terminal.objects.filter(pk=visible.pk).update(state="ended", updated_ms=int(time.time() * 1000))
    expect(tile_of(page, visible)).to_contain_text("Ended")
    assert questions.about(last.terminal) == [], "it is not looked at"
    tile_of(page, last.terminal).scroll_into_view_if_needed()
    expect_picture(page, last.terminal, "and more")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_hidden_tab_asks_for_nothing(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    busy = said(start_recorder(), "first\r\n")
    open_page(page, "/terminals/")
    expect_picture(page, busy.terminal, "first")
    questions = Questions(page)

    def hide(is_hidden: str) -> None:
        page.evaluate(
            f"""() => {{
              Object.defineProperty(document, "hidden", {{ configurable: true, value: {is_hidden} }});
              document.dispatchEvent(new Event("visibilitychange"));
            }}"""
        )

    # The page hears of every change all the same: this tells that it has.
    page.evaluate(
        "document.addEventListener('scrollback:changed', ({ detail: { kind, seq } }) => {"
        " if (kind === 'terminal') window.heard = seq })"
    )
    hide("true")
    questions.asked.clear()
    busy.write(b"second\r\n")
    until(page, lambda: bool(page.evaluate("window.heard === 15")), "the page should hear of it")
    page.wait_for_timeout(1_500)
    assert questions.asked == []
    hide("false")
    expect_picture(page, busy.terminal, "second")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_an_idle_wall_asks_for_nothing(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    terminals = [make_terminal(output=b"resting\r\n") for _ in range(3)]
    for address in ("/terminals/", "/terminals/?view=wall"):
        open_page(page, address)
        for terminal in terminals:
            expect_picture(page, terminal, "resting")
        expect_rest(page)
        requests.clear()
        page.wait_for_timeout(4_000)
        assert requests == []


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_tiles_are_walked_by_keys(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    terminals = [make_terminal(title=f"number {number}", started_ms=1_000 + number) for number in range(5)]
    # Three beside each other.
    open_page(page, "/terminals/")

    def chosen() -> str:
        return page.locator('.tile[aria-current="true"] .list__link').inner_text()

    for key, title in (
        ("j", "number 0"),
        ("j", "number 1"),
        ("k", "number 0"),
        ("ArrowRight", "number 1"),
        ("ArrowDown", "number 4"),
        ("ArrowUp", "number 1"),
        ("ArrowLeft", "number 0"),
    ):
        page.keyboard.press(key)
        assert chosen() == title, key
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(str(terminals[0].pk)))


@pytest.mark.once  # How a page looks is no matter of the engine.
def test_a_wall_can_be_read_by_everybody(open_context: OpenContext, operator: Person, server: Server) -> None:
    session = make_session(title="Fix the queue", status="running")
    colours = "".join(f"\x1b[{code}mword\x1b[0m " for code in (*range(30, 38), *range(90, 98)))
    recorder = said(start_recorder(session), f"{colours}\r\n\x1b[48;5;236mtext on grey\x1b[0m\r\n")
    make_terminal(title="Another", output=b"resting\r\n")
    for width in (1440, 390):
        viewport = {"width": width, "height": 900}
        page = open_context(operator, viewport=viewport, bypass_csp=True).new_page()
        for address in ("/terminals/", "/terminals/?view=wall", "/"):
            open_page(page, address)
            expect_picture(page, recorder.terminal, "word")
            page.keyboard.press("j")
            assert accessibility.findings(page, f"{address} at {width}") == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        tile = page.get_by_role("article", name="make test Live")
        expect(tile.get_by_role("link", name="make test")).to_be_visible()
        expect(tile.get_by_role("link", name="Fix the queue")).to_be_visible()
        assert "word" not in tile.aria_snapshot()


@pytest.mark.once  # How a page looks is no matter of the engine.
def test_on_a_phone_a_tile_is_as_wide_as_the_page(
    open_context: OpenContext, operator: Person, server: Server
) -> None:
    recorders = [said(start_recorder(), "hello\r\n") for _ in range(2)]
    page = open_context(operator, viewport={"width": 390, "height": 844}, has_touch=True).new_page()
    open_page(page, "/terminals/")
    boxes = [tile_of(page, recorder.terminal).bounding_box() for recorder in recorders]
    assert all(box is not None and box["width"] >= 350 and box["height"] >= 200 for box in boxes)
    # Wherever it is tapped: the link covers the whole tile.
    tile_of(page, recorders[1].terminal).tap(position={"x": 100, "y": 80})
    expect(page).to_have_url(re.compile(str(recorders[1].terminal.pk)))


HOSTILE = (
    "</svg></div><script>window.ran = true</script><img src=x onerror='window.ran = true'>\r\n"
    "\u202egnp.exe\u202c \u2066left\u2069 \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd\r\n"
    "e" + "\u0301" * 3_000 + " Z\u0351\u036b\u0343\u036a\u0302 after\r\n"
    "\x1b]0;<b>title</b>\x07\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07\r\n"
)


@pytest.mark.once  # What a page does by itself is no matter of the engine.
@pytest.mark.parametrize(("cols", "rows"), [(80, 24), (1, 1), (500, 200)])
def test_hostile_output_stays_in_its_tile(signed_in_page: Page, server: Server, cols: int, rows: int) -> None:
    page = signed_in_page
    neighbour = said(start_recorder(), "neighbour\r\n")
    recorder = said(start_recorder(cols=cols, rows=rows), HOSTILE)
    open_page(page, "/terminals/")
    expect_picture(page, neighbour.terminal, "neighbour")
    expect(picture_of(page, recorder.terminal)).to_be_visible()
    screen = tile_of(page, recorder.terminal).locator(".tile__screen")
    assert page.evaluate("window.ran") is None
    names = screen.evaluate(
        "(screen) => [...new Set([...screen.querySelectorAll('*')].map((part) => part.localName))]"
    )
    assert set(names) <= {"svg", "g", "text", "tspan", "path"}
    outer, inner = screen.bounding_box(), picture_of(page, recorder.terminal).bounding_box()
    assert outer is not None
    assert inner is not None
    assert inner["x"] >= outer["x"]
    assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]
    assert inner["height"] <= outer["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440


def test_a_wall_outlives_its_server(signed_in_page: Page, server: Server, problems: Problems) -> None:
    problems.allow_absence()
    page = signed_in_page
    recorder = said(start_recorder(), "before\r\n")
    open_page(page, "/terminals/")
    expect_picture(page, recorder.terminal, "before")
    server.stop()
    expect(page.locator("html")).to_have_attribute("data-live", "offline")
    recorder.write(b"meanwhile\r\n")
    following = said(start_recorder(), "new one\r\n")
    server.start()
    expect_picture(page, recorder.terminal, "meanwhile")
    expect_picture(page, following.terminal, "new one")
