"""Output that was made to harm: the page lives on, says nothing for the reader and leads nowhere unasked.

What each sequence does to xterm.js itself is in the comments of static/js/terminal/safety.js.
"""

import base64
import itertools
import time
from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect

from sessions_app.actions.terminals.screens import screen_at
from sessions_app.models import Person
from sessions_app.terminal.asciicast.model import Output
from sessions_app.terminal.window import MAX_COLS, MAX_ROWS, allowed_size
from tests.browser.conftest import OpenContext
from tests.browser.running import Server
from tests.browser.test_terminals import open_terminal, screen_text, until
from tests.sessions_app.terminals.recorder import start_recorder

# What the page does with bytes; that they are the same from either engine is tested without a browser.
pytestmark = [pytest.mark.browser, pytest.mark.once]

# Unhindered these sequences take from many seconds to hours; a machine that is shared with other work needs some room.
LONGEST_TASK_MS = 1_500

_WATCH = """() => {
  window.longest = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) window.longest = Math.max(window.longest, duration);
  }).observe({ type: "longtask", buffered: false });
  window.answers = [];
  const { terminal } = document.querySelector("terminal-view").screen;
  terminal.onData((data) => window.answers.push(data));
  terminal.onBinary((data) => window.answers.push(data));
  terminal.onTitleChange((title) => window.answers.push(`title ${title}`));
}"""

COUNTS = (10_000_000, 2_147_483_647, 99_999_999_999)
FREEZING: dict[str, bytes] = {
    "scrolling and inserting": b"".join(b"\x1b[%d%c" % (n, final) for n in COUNTS for final in b"STLM"),
    "repeating and erasing": b"a"
    + b"".join(b"\x1b[%d%c" % (n, final) for n in COUNTS for final in b"bZI@PX"),
    "sideways": b"".join(b"\x1b[%d%b" % (n, final) for n in COUNTS for final in (b" @", b" A", b"'}", b"'~")),
    "eight bits": b"".join(b"\xc2\x9b%d%c" % (n, final) for n in COUNTS for final in b"STLMb"),
    "sub-parameters": b"".join(b"\x1b[%d:%d;%d%c" % (n, n, n, final) for n in COUNTS for final in b"STLMb"),
    "leading zeros": b"\x1b[" + b"0" * 300 + b"10000000S",
    "just below the limit, often": b"\x1b[24S\x1b[24T\x1b[24L\x1b[24M\x1b[1920b" * 3_000,
    "moving without end": b"".join(b"\x1b[%d%c" % (n, final) for n in COUNTS for final in b"ABCDEFGHdefg`ar"),
    "filling and erasing": b"\x1b#8\x1b[2J\x1b[3J\x1bc" * 2_000,
    # xterm.js looks at a line that is not there, throws, and takes nothing from then on.
    "erasing up to the last cell": b"\x1b[999;999Hx\x1b[1J\x1b[999;999H\x1b[?1J",
    "switching screens": b"\x1b[?1049h\x1b[?1049l" * 5_000,
    "unfinished title": b"\x1b]0;" + b"x" * 3_000_000,
    "unfinished device string": b"\x1bPq" + b"?" * 3_000_000 + b"\x1b\\",
    "long parameters": b"\x1b[" + b"1;" * 300_000 + b"m",
    "links": b"".join(
        b"\x1b]8;id=%d;https://x.example/%d\x1b\\l\x1b]8;;\x1b\\" % (n, n) for n in range(30_000)
    ),
    "combining marks": b"a" + b"\xcc\x81" * 30_000,
    "wide and joined": "👩‍👩‍👧‍👦".encode() * 5_000,
}


def opened(page: Page, cols: int = 80, rows: int = 24) -> Any:
    recorder = start_recorder(cols=cols, rows=rows)
    open_terminal(page, recorder.terminal)
    page.evaluate(_WATCH)
    return recorder


def longest_task_ms(page: Page) -> float:
    # Entries are delivered after the task: two turns later all of them are there.
    page.evaluate(
        "() => new Promise((done) => setTimeout(() => requestAnimationFrame(() => setTimeout(done)), 50))"
    )
    longest: float = page.evaluate("window.longest")
    return longest


@pytest.mark.parametrize("name", FREEZING)
def test_nothing_freezes_the_page(signed_in_page: Page, server: Server, name: str) -> None:
    recorder = opened(signed_in_page)
    data = FREEZING[name]
    for start in range(0, len(data), 500_000):
        recorder.write(data[start : start + 500_000])
    # Whatever was open is closed, and the terminal is as new.
    recorder.write(b"\x1b\\\x18\x1bc" + b"still here")
    until(lambda: screen_text(signed_in_page).endswith("still here"), name)
    assert longest_task_ms(signed_in_page) < LONGEST_TASK_MS
    assert signed_in_page.evaluate("window.answers") == []


# Where the size of the window matters, in the largest one; less often, as each costs a hundred times as much there.
LARGEST = allowed_size(MAX_COLS, MAX_ROWS)
FREEZING_LARGEST = {
    **{
        name: FREEZING[name]
        for name in (
            *("scrolling and inserting", "repeating and erasing", "sideways", "eight bits", "sub-parameters"),
            *("moving without end", "erasing up to the last cell"),
        )
    },
    "just below the limit, often": b"x\x1b[249S\x1b[249T\x1b[249L\x1b[249M\x1b[65535b" * 80,
    "filling and erasing": b"\x1b#8\x1b[2J\x1b[3J\x1bc" * 300,
    "switching screens": b"\x1b[?1049hx\x1b[?1049l" * 300,
}


@pytest.mark.parametrize("name", FREEZING_LARGEST)
def test_nothing_freezes_the_page_in_the_largest_window(
    signed_in_page: Page, server: Server, name: str
) -> None:
    recorder = opened(signed_in_page, *LARGEST)
    recorder.write(FREEZING_LARGEST[name])
    recorder.write(b"\x1b\\\x18\x1bc" + b"still here")
    until(lambda: screen_text(signed_in_page).endswith("still here"), name)
    # Laying out and painting 500,000 cells is one task. Some 90 ms were seen; unhindered it is minutes to hours.
    assert longest_task_ms(signed_in_page) < 2 * LONGEST_TASK_MS
    assert signed_in_page.evaluate("window.answers") == []


@pytest.mark.parametrize("cols", [1, 2, 7])
def test_a_line_that_becomes_too_many_rows_ends_no_screen(
    signed_in_page: Page, server: Server, cols: int
) -> None:
    """xterm.js passes the rows of a line as arguments of one call, which has no room for so many."""
    recorder = opened(signed_in_page, 2_000, 250)
    recorder.write(b"x" * 900_000 + b"\r\nthe end\r\n")
    until(lambda: screen_text(signed_in_page).endswith("the end"), "it is drawn")
    recorder.resize(cols, 10)
    recorder.write(b"\x1bc" + b"y" * cols)
    until(lambda: screen_text(signed_in_page) == "y" * cols, "the narrow window")
    recorder.resize(80, 24)
    recorder.write(b"\x1bcas before")
    until(lambda: screen_text(signed_in_page) == "as before", "it goes on")
    assert longest_task_ms(signed_in_page) < 2 * LONGEST_TASK_MS
    # Later lines are laid out anew as ever.
    recorder.write(b"\x1bc" + b"0123456789" * 2 + b"\r\n")
    until(lambda: screen_text(signed_in_page) == "0123456789" * 2, "one row")
    recorder.resize(10, 24)
    until(lambda: screen_text(signed_in_page) == "0123456789\n0123456789", "two rows")


_LINKS_KNOWN = (
    "document.querySelector('terminal-view').screen.terminal._core._oscLinkService._dataByLinkId.size"
)


def test_a_reset_forgets_the_links_of_what_was_there(signed_in_page: Page, server: Server) -> None:
    """Each would keep all the lines of its screen."""
    recorder = opened(signed_in_page)
    link = b"\x1b]8;id=%d;https://x.example/%d\x1b\\link\x1b]8;;\x1b\\\r\n"
    recorder.write(b"".join(link % (number, number) for number in range(50)) + b"with links")
    until(lambda: screen_text(signed_in_page).endswith("with links"), "links")
    assert signed_in_page.evaluate(_LINKS_KNOWN) == 50
    recorder.write(b"\x1bc" + link % (99, 99) + b"one link")
    until(lambda: screen_text(signed_in_page).endswith("one link"), "the program's reset")
    assert signed_in_page.evaluate(_LINKS_KNOWN) == 1
    signed_in_page.keyboard.press("Space")
    signed_in_page.keyboard.press("0")
    until(lambda: not screen_text(signed_in_page), "the beginning, and the page's reset")
    assert signed_in_page.evaluate(_LINKS_KNOWN) == 0


def test_of_very_wide_lines_fewer_are_kept(signed_in_page: Page, server: Server) -> None:
    recorder = opened(signed_in_page, 2_000, 250)
    for start in range(0, 6_000, 2_000):
        recorder.write(b"".join(b"line %d\r\n" % number for number in range(start, start + 2_000)))
    until(lambda: screen_text(signed_in_page).endswith("line 5999"), "the end")
    kept = "document.querySelector('terminal-view').screen.terminal.buffer.normal.length"
    assert signed_in_page.evaluate(kept) == 2_000 + 250
    assert signed_in_page.evaluate("document.querySelector('terminal-view').screen.above(0)")
    recorder.resize(80, 24)
    recorder.write(b"".join(b"line %d\r\n" % number for number in range(6_000, 15_000)))
    until(lambda: screen_text(signed_in_page).endswith("line 14999"), "the end")
    assert signed_in_page.evaluate(kept) == 10_000 + 24


# The second one keeps none of the marks by which the page knows how far lines lie.
@pytest.mark.parametrize("cols", [1_000, 2_000])
def test_what_a_wide_window_did_not_keep_is_offered(signed_in_page: Page, server: Server, cols: int) -> None:
    recorder = opened(signed_in_page)
    recorder.write(b"".join(b"line %d\r\n" % number for number in range(9_000)))
    until(lambda: screen_text(signed_in_page).endswith("line 8999"), "the end")
    assert signed_in_page.evaluate("document.querySelector('terminal-view').screen.above(0)") is None
    recorder.resize(cols, 24)
    recorder.resize(80, 24)
    recorder.write(b"narrow again")
    until(lambda: screen_text(signed_in_page).endswith("narrow again"), "the end")
    assert signed_in_page.evaluate("document.querySelector('terminal-view').screen.above(0)")


def test_a_cut_count_leaves_the_screen_of_the_server(signed_in_page: Page, server: Server) -> None:
    recorder = opened(signed_in_page)
    begin = b"\x1bc" + b"".join(b"line %d of many\r\n" % line for line in range(1, 21)) + b"\x1b[3;6Hx"
    for final, count in itertools.product(b"STLM@PXbIZ", (99, 5_000, 2_147_483_647)):
        recorder.write(begin + b"\x1b[%d%cend" % (count, final))
        terminal = recorder.refresh()
        screen = "\n".join(screen_at(terminal, terminal.size).rows).rstrip()
        until(lambda screen=screen: seen(signed_in_page) == screen, f"{count} {final:c}: {screen}")  # type: ignore[misc]


_LIKE_BARE = """async () => {
  const { Terminal } = await import("vendor/xterm/xterm");
  const { makeSafe } = await import("scrollback/terminal/safety");
  const told = async (bytes, safe) => {
    const terminal = new Terminal({ cols: 9, rows: 6, scrollback: 20, allowProposedApi: true });
    if (safe) makeSafe(terminal);
    const write = (data) => new Promise((done) => terminal.write(data, done));
    await write(Array.from({ length: 9 }, (_, row) => `\\x1b[4${row % 7}mrow ${row} of several`).join("\\r\\n"));
    const marker = terminal.registerMarker(0);
    await write(bytes);
    const { active } = terminal.buffer;
    const lines = Array.from({ length: active.length }, (_, row) => {
      const line = active.getLine(row);
      const cells = Array.from({ length: 9 }, (_, column) => line.getCell(column));
      return [line.isWrapped, ...cells.map((cell) => cell.getChars() + cell.getBgColor())].join();
    });
    terminal.dispose();
    return JSON.stringify([lines, active.cursorX, active.cursorY, active.baseY, marker.line]);
  };
  const different = [];
  for (const final of "STLM") for (const region of ["", "2;4", "3;6", "1;2"]) for (const row of [1, 3, 6])
    for (const count of [1, 2, 3, 4, 5, 6, 7]) {
      const bytes = `\\x1b[${region}r\\x1b[${row};4H\\x1b[${count}${final}x\\r\\n\\r\\n`;
      if ((await told(bytes, true)) !== (await told(bytes, false))) different.push([final, region, row, count]);
    }
  return different;
}"""


def test_lines_that_are_all_replaced_are_as_xterm_replaces_them(signed_in_page: Page, server: Server) -> None:
    opened(signed_in_page)
    assert signed_in_page.evaluate(_LIKE_BARE) == []


def seen(page: Page) -> str:
    text: str = page.locator("terminal-view").evaluate(
        """({ screen: { terminal: { buffer: { active }, rows } } }) => Array.from({ length: rows },
          (_, row) => active.getLine(active.baseY + row).translateToString(true)).join("\\n").trimEnd()"""
    )
    return text


def test_a_window_of_any_size_stays_usable(signed_in_page: Page, server: Server) -> None:
    recorder = opened(signed_in_page, cols=500, rows=300)
    recorder.write(b"\x1b#8\x1b[2J\x1b[300S\x1b[150000b" * 200 + b"\x1bcstill here")
    until(lambda: screen_text(signed_in_page).endswith("still here"), "it should go on")
    # Drawing so many cells takes its time; what must not happen is minutes.
    assert longest_task_ms(signed_in_page) < 4 * LONGEST_TASK_MS


SPLIT = (
    b"\x1b[10000000S\x1b[2147483647T\xc2\x9b99999999L\x1b]0;title\x07\x1b[c\x1b[6n\x1b]11;?\x1b\\still here"
)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_split_over_frames_it_is_the_same(signed_in_page: Page, server: Server, size: int) -> None:
    recorder = opened(signed_in_page)
    pieces = [SPLIT[start : start + size] for start in range(0, len(SPLIT), size)]
    recorder.send(*(Output(1_000 + number, piece) for number, piece in enumerate(pieces)))
    until(lambda: screen_text(signed_in_page).endswith("still here"), "it should go on")
    assert longest_task_ms(signed_in_page) < LONGEST_TASK_MS
    assert signed_in_page.evaluate("window.answers") == []


QUESTIONS = (
    b"\x1b[c\x1b[0c\x1b[>c\x1b[=c\x1b[5n\x1b[6n\x1b[?6n\x1b[?15n\x1b[?996n\x1b[?2026$p\x1b[4$p\x1b[x\x1bZ\x05"
    b"\x1b[>q\x1b[>0q\x1b[?u\x1b[18t\x1b[19t\x1b[20t\x1b[21t\x1b[14t\x1b[16t"
    b"\x1bP$qm\x1b\\\x1bP$q q\x1b\\\x1bP+q544e\x1b\\\x1bP>|x\x1b\\"
    b"\x1b]4;1;?\x07\x1b]10;?\x07\x1b]11;?\x1b\\\x1b]12;?\x07\x1b]104\x07\x1b]52;c;?\x07\x1b]50;?\x07\x1b]99;?\x07"
    b"\xc2\x9bc\xc2\x9b6n\xc2\x9d11;?\xc2\x9c\xc2\x90$qm\xc2\x9c"
)


def test_no_question_is_answered(signed_in_page: Page, server: Server) -> None:
    recorder = opened(signed_in_page)
    recorder.write(QUESTIONS + b"\x1b[?1000h\x1b[?1003h\x1b[?1006h\x1b[?1004hstill here")
    until(lambda: screen_text(signed_in_page).endswith("still here"), "it should go on")
    screen = signed_in_page.locator(".xterm-screen")
    screen.click(position={"x": 20, "y": 20})
    screen.hover(position={"x": 60, "y": 40})
    # The mouse is the reader's: it selects. On a busy machine two clicks may be no double click.
    until(lambda: selected_by_mouse(signed_in_page) != "", "a double click should select")
    # Its spaces pause, play from the beginning and pause again, on a busy machine before the first byte is shown.
    signed_in_page.keyboard.type("typed by the reader")
    signed_in_page.keyboard.press("Control+c")
    assert signed_in_page.evaluate("window.answers") == []


def selected_by_mouse(page: Page) -> str:
    """What a double click on the first row selects."""
    page.mouse.dblclick(*_at(page, 20, 8))
    selected: str = page.evaluate("document.querySelector('terminal-view').screen.terminal.getSelection()")
    return selected


# Modes of mouse and focus among others, which are to be set; sub-parameters mean nothing.
MIXED_MODES = [
    b"\x1b[?1000;25h",
    b"\x1b[?25;1003;1006h",
    b"\x1b[?1004;25;1016;9h",
    b"\x1b[?1002;;25;1006;h",
    b"\x1b[?1000:1;25;1003:5h",
    b"\xc2\x9b?1003;25;1006h",
]
_MODES = """() => {
  const { terminal } = document.querySelector("terminal-view").screen;
  const { mouseTrackingMode, sendFocusMode } = terminal.modes;
  const { coreService, coreMouseService } = terminal._core;
  const isHidden = coreService.isCursorHidden;
  return [mouseTrackingMode, sendFocusMode, coreMouseService.activeEncoding, isHidden];
}"""


@pytest.mark.parametrize("sequence", MIXED_MODES)
def test_modes_of_the_mouse_do_not_get_through_among_others(
    signed_in_page: Page, server: Server, sequence: bytes
) -> None:
    recorder = opened(signed_in_page)
    # Whole, and split over frames.
    for turn, size in enumerate((100, 1, 2, 5)):
        said = f"still here with {size}"
        data = b"\x1bc\x1b[?25l" + sequence + said.encode()
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        recorder.send(*(Output(turn * 1_000_000 + number, piece) for number, piece in enumerate(pieces)))
        until(lambda said=said: screen_text(signed_in_page) == said, said)  # type: ignore[misc]
        assert signed_in_page.evaluate(_MODES) == ["none", False, "DEFAULT", False]
    assert selected_by_mouse(signed_in_page) != ""
    assert signed_in_page.evaluate("window.answers") == []


def test_a_question_among_colours_loses_no_colour(signed_in_page: Page, server: Server) -> None:
    recorder = opened(signed_in_page)
    signed_in_page.evaluate(
        """() => {
          window.colours = [];
          const handler = document.querySelector("terminal-view").screen.terminal._core._inputHandler;
          handler.onColor((changes) => window.colours.push(...changes.map(({ type, index }) => [type, index])));
        }"""
    )
    recorder.write(b"\x1b]4;1;?;2;#112233\x07\x1b]10;?;#445566\x1b\\\x1b]11;?\x07\x1b]4;3;?\x07still here")
    until(lambda: screen_text(signed_in_page).endswith("still here"), "it should go on")
    # 1 is for a colour that is set, and 257 is the background.
    assert signed_in_page.evaluate("window.colours") == [[1, 2], [1, 257]]
    assert signed_in_page.evaluate("window.answers") == []


def _at(page: Page, x: float, y: float) -> tuple[float, float]:
    box = page.locator(".xterm-screen").bounding_box()
    assert box is not None
    return box["x"] + x, box["y"] + y


def test_neither_title_nor_clipboard_nor_markup_is_touched(
    open_context: OpenContext, operator: Person, server: Server
) -> None:
    context = open_context(operator, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    recorder = opened(page)
    page.evaluate("navigator.clipboard.writeText('mine')")
    title, favicon = page.title(), page.locator("link[rel~=icon]").first.get_attribute("href")
    recorder.write(
        b"\x1b]0;stolen\x07\x1b]1;stolen\x07\x1b]2;\xe2\x80\xaestolen\x1b\\\x1b[22;0t\x1b[23;0t\x1b]l;stolen\x07"
        b"\x1b]52;c;c3RvbGVu\x07\x1b]52;p;c3RvbGVu\x1b\\\x1b]9;note\x07\x1b]777;notify;a;b\x07\x1b]1337;File=x:AAAA\x07"
        b"<img src=x onerror=alert(1)><script>alert(1)</script>still here"
    )
    until(lambda: screen_text(page).endswith("still here"), "it should go on")
    assert page.title() == title
    assert page.locator("link[rel~=icon]").first.get_attribute("href") == favicon
    assert page.evaluate("navigator.clipboard.readText()") == "mine"
    assert page.evaluate("window.answers") == []
    assert page.locator("terminal-view img, terminal-view script").count() == 0


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("https://example.net/a?b=c", "https://example.net/a?b=c"),
        ("https://good.example@evil.example/", "evil.example"),
        ("https://ex\u0430mple.net/\u202egnp.exe", "https://xn--exmple-4nf.net/%E2%80%AEgnp.exe"),
        ("javascript:alert(1)", None),
        ("file:///etc/passwd", None),
        ("data:text/html,<script>alert(1)</script>", None),
    ],
)
def test_a_link_says_where_it_leads_and_asks(
    signed_in_page: Page, server: Server, target: str, shown: str | None
) -> None:
    recorder = opened(signed_in_page)
    recorder.write(b"\x1b]8;;" + target.encode() + b"\x1b\\click here to win\x1b]8;;\x1b\\\r\n")
    until(lambda: "click here" in screen_text(signed_in_page), "the link should be drawn")
    asked: list[str] = []

    def refuse(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    signed_in_page.on("dialog", refuse)
    pages = len(signed_in_page.context.pages)
    signed_in_page.mouse.move(*_at(signed_in_page, 30, 8))
    signed_in_page.wait_for_timeout(200)
    told = signed_in_page.locator("[data-connection]")
    if shown is None:
        expect(told).not_to_contain_text("Link to")
    else:
        expect(told).to_contain_text("Link to")
        expect(told).to_contain_text(shown)
    signed_in_page.mouse.click(*_at(signed_in_page, 30, 8))
    if shown is None:
        signed_in_page.wait_for_timeout(300)
        assert asked == []
    else:
        until(lambda: bool(asked), "it should ask")
        assert shown in asked[0]
        assert "\u202e" not in asked[0]
    assert len(signed_in_page.context.pages) == pages


def test_more_links_than_anybody_follows_are_only_text(signed_in_page: Page, server: Server) -> None:
    recorder = opened(signed_in_page)
    recorder.write(FREEZING["links"] + b"\r\n\x1b]8;;https://late.example/\x1b\\late\x1b]8;;\x1b\\")
    until(lambda: screen_text(signed_in_page).endswith("late"), "it should go on")
    assert signed_in_page.evaluate(_LINKS_KNOWN) <= 20_000


def test_text_of_a_link_that_is_not_taken_does_not_belong_to_the_one_before_it(
    signed_in_page: Page, server: Server
) -> None:
    recorder = opened(signed_in_page)
    too_long = b"https://long.example/" + b"x" * 3_000
    recorder.write(
        b"\x1b]8;;https://first.example/\x1b\\first\x1b]8;;" + too_long + b"\x1b\\second\x1b]8;;\x1b\\ end"
    )
    until(lambda: screen_text(signed_in_page).endswith("end"), "the end")
    linked = signed_in_page.locator("terminal-view").evaluate(
        """({ screen: { terminal: { _core: { _bufferService } } } }) => {
          const { _extendedAttrs: more } = _bufferService.buffer.lines.get(0);
          return [0, 4, 5, 10].map((column) => Boolean(more[column]?.urlId));
        }"""
    )
    assert linked == [True, True, False, False]


def test_links_of_text_that_was_written_over_make_room_for_others(
    signed_in_page: Page, server: Server
) -> None:
    """As of an interface that draws its screen anew again and again."""
    recorder = opened(signed_in_page)
    link = b"\x1b]8;;https://x.example/%d\x1b\\link\x1b]8;;\x1b\\\r\n"
    for start in range(0, 50_000, 10_000):
        recorder.write(
            b"".join(
                (b"\x1b[H" if number % 10 == 0 else b"") + link % number
                for number in range(start, start + 10_000)
            )
        )
    recorder.write(b"the end")
    until(lambda: screen_text(signed_in_page).endswith("the end"), "the end")
    assert signed_in_page.evaluate(_LINKS_KNOWN) <= 20_000
    shown = signed_in_page.locator("terminal-view").evaluate(
        """({ screen: { terminal: { _core: { _bufferService, _oscLinkService } } } }) =>
          Array.from({ length: 10 }, (_, row) => {
            const { urlId } = _bufferService.buffer.lines.get(_bufferService.buffer.ybase + row)._extendedAttrs[0];
            return _oscLinkService.getLinkData(urlId)?.uri;
          })"""
    )
    assert shown == [f"https://x.example/{number}" for number in range(49_990, 50_000)]


def test_a_drawing_that_was_never_finished_is_shown(signed_in_page: Page, server: Server) -> None:
    recorder = opened(signed_in_page)
    recorder.write(b"\x1b[?2026hdrawn but never shown")
    expect(signed_in_page.locator(".xterm-rows")).to_contain_text("drawn but never shown")


HARMFUL = (
    b"".join(FREEZING[name] for name in ("scrolling and inserting", "eight bits", "sub-parameters"))
    + QUESTIONS
)


def test_through_keyframes_and_a_seek_it_is_the_same(signed_in_page: Page, server: Server) -> None:
    recorder = start_recorder()
    for number in range(4):
        # Each more than a segment, so that there are keyframes in between.
        recorder.write(HARMFUL + b"line of text that fills a segment\r\n" * 8_000, after_us=1_000_000)
        recorder.write(b"\x1b[2J\x1b[Hpart %d" % number, after_us=1_000_000)
    recorder.write(b"\x1b[?1049h" + HARMFUL + b"\x1b[2J\x1b[Hpart 4", after_us=1_000_000)
    recorder.exit(0)
    until(lambda: recorder.refresh().derived_end, "the server should derive keyframes")
    assert recorder.terminal.keyframes.count() >= 4
    page = signed_in_page
    started = time.monotonic()
    page.goto(f"/terminals/{recorder.terminal.pk}/?t=00:00:04.500")
    until(lambda: "part 1" in screen_text(page), "the moment should be shown")
    page.evaluate(_WATCH)
    bar = page.get_by_label("Time in the recording")
    for value, text in ((900, "part 3"), (250, "part 0"), (1000, "part 4"), (700, "part 2")):
        bar.fill(str(value))
        until(lambda text=text: text in screen_text(page), text)  # type: ignore[misc]
    assert time.monotonic() - started < 60
    assert longest_task_ms(page) < LONGEST_TASK_MS
    assert page.evaluate("window.answers") == []


_CAP = """async ([text, sizes]) => {
  const { StringCap } = await import("scrollback/terminal/string-cap");
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const cap = new StringCap();
  let kept = [];
  let turn = 0;
  for (let at = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length];
    for (const byte of cap.keep(bytes.subarray(at, at + size))) kept.push(byte);
    at += size;
  }
  return btoa(kept.map((byte) => String.fromCharCode(byte)).join(""));
}"""


@pytest.mark.parametrize("sizes", [[1_000_000], [1], [7, 4096, 1]])
def test_strings_are_cut_and_nothing_else_is(signed_in_page: Page, sizes: list[int]) -> None:
    signed_in_page.goto("/terminals/")
    kept = 64 * 1024
    cases = [
        (b"plain \xc3\xa9 \x1b[31mtext\x1b(B \xc2\xa9", b"plain \xc3\xa9 \x1b[31mtext\x1b(B \xc2\xa9"),
        (b"a\x1b]0;" + b"x" * 70_000 + b"\x07b", b"a\x1b]0;" + b"x" * (kept - 2) + b"\x07b"),
        (b"\xc2\x9d0;" + b"x" * 70_000 + b"\x1b\\b", b"\xc2\x9d0;" + b"x" * (kept - 2) + b"\x1b\\b"),
        (b"\x1bP" + b"x" * 66_000 + b"\xc2\x9cb", b"\x1bP" + b"x" * kept + b"\xc2\x9cb"),
        (b"\x1b]8;;u\x1b\\" * 20_000, b"\x1b]8;;u\x1b\\" * 20_000),
    ]
    for given, expected in cases:
        result = signed_in_page.evaluate(_CAP, [base64.b64encode(given).decode(), sizes])
        assert base64.b64decode(result) == expected


_SEARCHED = """async () => {
  const { StringCap } = await import("scrollback/terminal/string-cap");
  const bytes = new TextEncoder().encode("\\x1b]8;;http://h/\\x1b\\\\a\\x1b]8;;\\x1b\\\\".repeat(10_000));
  let searched = 0;
  bytes.indexOf = (byte, from) => {
    const at = Uint8Array.prototype.indexOf.call(bytes, byte, from);
    searched += (at < 0 ? bytes.length : at) - from;
    return at;
  };
  const kept = new StringCap().keep(bytes);
  return [kept === bytes, searched / bytes.length];
}"""


def test_many_strings_cost_no_search_each(signed_in_page: Page) -> None:
    """A search for what is nowhere, from each string on, kept the page of 100,000 links busy for minutes."""
    signed_in_page.goto("/terminals/")
    is_same, times_searched = signed_in_page.evaluate(_SEARCHED)
    assert is_same
    assert 0 < times_searched <= 2
