"""The player's bar: dragged, typed, hovered; what happened on it, and the recorded window above it."""

import re

import pytest
from playwright.sync_api import Page, expect

from sessions_app.models import Person
from sessions_app.terminal.asciicast.model import Output
from tests.browser.conftest import OpenContext
from tests.browser.player_pages import (
    BY,
    SECOND_US,
    bar,
    box_of,
    counted,
    counting,
    ended,
    from_module,
    lines,
)
from tests.browser.running import Server
from tests.browser.test_terminals import expect_moment, expect_screen, open_terminal, screen_text, until
from tests.sessions_app.terminals.recorder import start_recorder

# How the page uses answers that are the same from either engine.
pytestmark = [pytest.mark.browser, pytest.mark.once]


def test_the_head_is_dragged_and_the_screen_follows(signed_in_page: Page) -> None:
    page = signed_in_page
    open_terminal(page, counted().terminal)
    box = box_of(bar(page))
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] - 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.55, middle, steps=8)
    expect_screen(page, lines(5))
    page.mouse.move(box["x"] + box["width"] * 0.25, middle, steps=8)
    expect_screen(page, lines(2))
    page.mouse.up()
    expect(bar(page)).to_have_attribute("aria-valuetext", "0:02 of 0:10")
    expect(page.locator("[data-follow]")).to_have_attribute("aria-pressed", "false")


def test_the_bar_is_moved_by_keys_of_its_own(signed_in_page: Page) -> None:
    page = signed_in_page
    open_terminal(page, counted().terminal)
    bar(page).focus()
    page.keyboard.press("Home")
    expect_screen(page, "")
    page.keyboard.press("ArrowRight")
    expect_screen(page, lines(5))
    page.keyboard.press("PageUp")
    expect_screen(page, lines(6))
    page.keyboard.press("End")
    expect_screen(page, lines(10))


def test_moments_are_read_as_people_write_them(signed_in_page: Page, server: Server) -> None:
    signed_in_page.goto("/terminals/")
    moments = {
        "1:23:45": 5025,
        "12:31": 751,
        "90": 90,
        "0:07.5": 7.5,
        "+30": 130,
        "-1:00": 40,
        "\N{MINUS SIGN}10": 90,
        "-500": 0,
        "99:00:00": 7200,
        "50%": 3600,
        "soon": None,
        "": None,
        "1:2:3:4": None,
        "1e3": None,
    }
    for text, second in moments.items():
        read = from_module(signed_in_page, "moments", f"module.readMoment({text!r}, 100e6, 7200e6)")
        assert read == (None if second is None else second * SECOND_US), text


def test_a_time_is_typed_where_the_clock_stands(signed_in_page: Page) -> None:
    page = signed_in_page
    open_terminal(page, counted().terminal)
    page.get_by_title("Go to a time").click()
    entry = page.get_by_label("Go to a time, such as")
    entry.fill("0:03")
    page.keyboard.press("Enter")
    expect_screen(page, lines(3))
    expect_moment(page, "00:00:03")
    page.get_by_title("Go to a time").click()
    entry.fill("+4")
    page.keyboard.press("Enter")
    expect_screen(page, lines(7))
    page.get_by_title("Go to a time").click()
    entry.fill("tomorrow")
    page.keyboard.press("Enter")
    expect(entry).to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_title("Go to a time")).to_be_focused()
    expect_screen(page, lines(7))


def test_markers_resizes_and_the_exit_stand_on_the_bar_and_lead_to_their_moments(
    signed_in_page: Page, server: Server
) -> None:
    page = signed_in_page
    recorder = start_recorder()
    recorder.write(b"one\r\n", after_us=2 * SECOND_US)
    recorder.mark("tests <b>pass</b>")
    recorder.write(b"two\r\n", after_us=2 * SECOND_US)
    recorder.resize(100, 30)
    recorder.write(b"three\r\n", after_us=2 * SECOND_US)
    open_terminal(page, ended(recorder, 3).terminal)
    ticks = page.get_by_role("group", name="Markers, resizes and the exit")
    names = ["Marker “tests <b>pass</b>”, at 0:02", f"Window 100 {BY} 30, at 0:04", "Exit 3, at 0:06"]
    for name in names:
        expect(ticks.get_by_role("button", name=name)).to_be_attached()
    marker = ticks.get_by_role("button", name=names[0])
    label = page.locator("[data-peek-label]")
    marker.hover()
    expect(label).to_have_text("Marker “tests <b>pass</b>”")
    tick, whole = box_of(marker), box_of(bar(page))
    place = (tick["x"] + tick["width"] / 2 - whole["x"]) / whole["width"]
    assert abs(place - 1 / 3) < 0.01
    # One stop of the Tab key for all of them, arrow keys inside.
    page.mouse.move(5, 5)
    expect(label).to_be_hidden()
    marker.focus()
    expect(label).to_have_text("Marker “tests <b>pass</b>”")
    page.keyboard.press("ArrowRight")
    expect(ticks.get_by_role("button", name=names[1])).to_be_focused()
    expect(label).to_have_text(f"Window 100 {BY} 30")
    page.keyboard.press("Enter")
    expect_screen(page, "one\ntwo")
    expect(page.locator("[data-window]")).to_have_text(f"100{BY}30")
    marker.click()
    expect_screen(page, "one")


def test_long_pauses_take_little_room_while_they_are_skipped(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    recorder = start_recorder()
    for second in (1, 2, 3602, 3603):
        recorder.write(b"%d\r\n" % second, after_us=second * SECOND_US - recorder.time_us)
    open_terminal(page, ended(recorder).terminal)
    skip = page.get_by_role("switch", name="Skip pauses")
    expect(skip).to_be_checked()
    until(lambda: 0.2 < pauses(page) < 0.8, "an hour does not push the rest aside")
    skip.uncheck()
    until(lambda: pauses(page) > 0.99, "without skipping the hour takes nearly all of the bar")
    bar(page).fill("200")
    expect_moment(page, "00:12:00")
    skip.check()
    until(lambda: 0.2 < pauses(page) < 0.8, "and little again")


def test_continuous_output_shows_no_pauses_however_many_writes_it_is(
    signed_in_page: Page, server: Server
) -> None:
    page = signed_in_page
    recorder = start_recorder()
    # Fifty a second, so many that the map is made of rows of ten seconds, and nothing for six seconds inside of one.
    for second in range(0, 1_400, 10):
        written = range(second * 50, (second + 10) * 50)
        silent = range(702 * 50 + 1, 708 * 50)
        recorder.send(*[Output(at * SECOND_US // 50, b"\r|") for at in written if at not in silent])
    recorder.time_us = 1_400 * SECOND_US
    open_terminal(page, ended(recorder).terminal)
    page.get_by_role("switch", name="Skip pauses").uncheck()
    until(lambda: abs(pauses(page) - 6 / 1_400) < 0.001, "the one pause that was should be drawn")
    timeline = page.locator("[data-timeline]")
    width = box_of(timeline)["width"]
    timeline.hover(position={"x": width * 705 / 1_400, "y": 30})
    expect(page.locator("[data-peek-label]")).to_have_text("Nothing for 6 s")
    timeline.hover(position={"x": width * 205 / 1_400, "y": 30})
    expect(page.locator("[data-peek-clock]")).to_have_text(re.compile("^3:2"))
    expect(page.locator("[data-peek-label]")).to_have_text("")


def pauses(page: Page) -> float:
    """How much of the bar is drawn as nothing happening."""
    share: float = page.evaluate(
        """() => {
          const plot = document.querySelector("[data-plot]");
          const drawn = plot.querySelector(".timeline__pauses")?.getAttribute("d") ?? "";
          const lengths = [...drawn.matchAll(/M([\\d.]+) [\\d.]+H([\\d.]+)/g)].map(([, from, to]) => to - from);
          return lengths.reduce((one, other) => one + other, 0) / plot.clientWidth;
        }"""
    )
    return share


def test_what_was_written_when_is_drawn_on_the_bar(signed_in_page: Page, server: Server) -> None:
    recorder = start_recorder()
    for second in range(1, 11):
        recorder.write((b"x" * 70 + b"\r\n") * (100 if second == 5 else 1), after_us=SECOND_US)
    open_terminal(signed_in_page, ended(recorder).terminal)
    until(lambda: bool(bars(signed_in_page)), "the plot should be drawn")
    drawn = bars(signed_in_page)
    tallest = max(drawn, key=lambda column: drawn[column])
    assert abs(tallest - 0.5) < 0.02, "the burst stands at its moment"
    others = [height for column, height in drawn.items() if abs(column - tallest) > 0.05]
    assert len(others) >= 8
    assert max(others) < drawn[tallest] / 2


def bars(page: Page) -> dict[float, float]:
    """Height of each column of the plot by its place on the bar (0 to 1)."""
    found: list[tuple[float, float]] = page.evaluate(
        """() => {
          const plot = document.querySelector("[data-plot]");
          const drawn = plot.querySelector(".timeline__bars")?.getAttribute("d") ?? "";
          const columns = [...drawn.matchAll(/M([\\d.]+) [\\d.]+v-([\\d.]+)/g)];
          return columns.map(([, x, high]) => [x / plot.clientWidth, +high]);
        }"""
    )
    return dict(found)


def test_pointing_at_the_bar_shows_that_screen_and_moves_nothing(signed_in_page: Page) -> None:
    page = signed_in_page
    open_terminal(page, counted().terminal)
    expect_screen(page, lines(10))
    page.evaluate(
        """() => {
          window.shifts = 0;
          new PerformanceObserver((list) => {
            for (const entry of list.getEntries()) window.shifts += entry.value;
          }).observe({ type: "layout-shift" });
        }"""
    )
    before = box_of(page.locator("[data-screen]"))
    timeline = page.locator("[data-timeline]")
    width = box_of(timeline)["width"]
    timeline.hover(position={"x": width * 0.35, "y": 30})
    peek = page.locator("[data-peek]")
    expect(peek.locator("svg")).to_contain_text("line 3")
    expect(peek.locator("svg")).not_to_contain_text("line 4")
    expect(peek.locator("[data-peek-clock]")).to_have_text("0:03")
    with page.expect_response("**/screen?*") as answered:
        timeline.hover(position={"x": width * 0.85, "y": 30})
    assert re.search("at_us=8[0-9]+&v=[0-9a-f]{8}$", answered.value.url)
    expect(peek.locator("svg")).to_contain_text("line 8")
    assert box_of(page.locator("[data-screen]")) == before
    assert screen_text(page) == lines(10), "pointing does not seek"
    page.mouse.move(600, 300)
    expect(peek).to_be_hidden()
    assert page.evaluate("window.shifts") == 0


def test_a_recording_that_goes_on_grows_and_says_how_far_behind_one_is(
    signed_in_page: Page, server: Server
) -> None:
    page = signed_in_page
    recorder = counting()
    open_terminal(page, recorder.terminal)
    bar(page).fill("500")
    expect_screen(page, lines(5))
    expect(page.locator("[data-behind]")).to_have_text("0:05 behind")
    recorder.write(b"line 11\r\n", after_us=65 * SECOND_US)
    expect(page.locator("[data-behind]")).to_have_text("1:10 behind")
    expect(page.locator("[data-clock]")).to_have_text("00:00:05 / 00:01:15")
    page.get_by_role("button", name="Follow").click()
    expect_screen(page, lines(11))
    expect(page.locator("[data-behind]")).to_be_hidden()
    recorder.write(b"line 12\r\n", after_us=SECOND_US)
    expect_screen(page, lines(12))
    expect(page.locator("[data-clock]")).to_have_text("00:01:16 / 00:01:16")
    recorder.write(b"line 13\r\n", after_us=20 * SECOND_US)
    expect(page.locator("[data-clock]")).to_have_text("00:01:36 / 00:01:36")


def test_what_is_received_is_on_the_bar_at_once(signed_in_page: Page, server: Server) -> None:
    """The map is asked for every few seconds only."""
    page = signed_in_page
    recorder = start_recorder()
    recorder.write(b"line 1\r\n", after_us=SECOND_US)
    open_terminal(page, recorder.terminal)
    until(lambda: bool(bars(page)), "the map")
    page.route("**/map*", lambda _: None)
    for number in range(2, 6):
        recorder.write(b"line %d\r\n" % number, after_us=SECOND_US)
        expect(page.locator("[data-clock]")).to_contain_text(f"/ 00:00:0{number}")
    until(lambda: len(bars(page)) > 20, "all of the time")
    assert max(bars(page)) > 0.98
    assert pauses(page) == 0
    # When the first of its bytes was written is not known before the map is.
    recorder.write(b"line 6\r\n", after_us=15 * SECOND_US)
    expect(page.locator("[data-clock]")).to_contain_text("/ 00:00:20")
    until(lambda: len(bars(page)) > 20, "it may be all of the time")
    assert pauses(page) == 0


def test_an_end_is_seen_by_those_who_follow_and_those_who_do_not(
    open_context: OpenContext, operator: Person, server: Server
) -> None:
    recorder = counting()
    following, playing = open_context(operator).new_page(), open_context(operator).new_page()
    for page in (following, playing):
        open_terminal(page, recorder.terminal)
    bar(playing).fill("500")
    expect_screen(playing, lines(5))
    recorder.exit(3)
    for page in (following, playing):
        expect(page.get_by_role("button", name="Exit 3, at 0:10")).to_be_attached()
        expect(page.get_by_role("button", name="End", exact=True)).to_be_visible()
        expect(page.locator("[data-state]")).to_contain_text("Exit 3")
    expect_screen(playing, lines(5))


def test_a_resize_is_shown_as_it_was_and_the_page_stays(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    recorder = start_recorder(cols=80, rows=24)
    recorder.write(b"x" * 80 + b"y", after_us=SECOND_US)
    recorder.resize(160, 50)
    recorder.write(b"\r\n" + b"z" * 160, after_us=SECOND_US)
    open_terminal(page, ended(recorder).terminal)
    expect(page.locator("[data-window]")).to_have_text(f"160{BY}50")
    expect_inside(page)
    before = box_of(page.locator("[data-timeline]"))
    bar(page).fill("600")
    expect(page.locator("[data-window]")).to_have_text(f"160{BY}50")
    bar(page).fill("400")
    expect(page.locator("[data-window]")).to_have_text(f"80{BY}24")
    expect_inside(page)
    assert box_of(page.locator("[data-timeline]")) == before


def expect_inside(page: Page) -> None:
    """The whole recorded window is to be seen."""

    def is_inside() -> bool:
        room = box_of(page.locator("[data-screen]"))
        drawn = box_of(page.locator("[data-screen] .xterm-screen"))
        return all(
            room[start] <= drawn[start] and drawn[start] + drawn[size] <= room[start] + room[size]
            for start, size in (("x", "width"), ("y", "height"))
        )

    until(is_inside, "the window should fit")


def test_all_that_came_since_the_last_answer_is_asked_for(signed_in_page: Page) -> None:
    """However much it was, as behind a gap: its markers and screens are known to nobody else."""
    open_terminal(signed_in_page, counted().terminal)
    asked = from_module(
        signed_in_page,
        "recording-map",
        """(() => {
          const map = new module.RecordingMap();
          const keyframes = [[0, 0, false], [1e6, 4e6, false]];
          const known = { version: "1", size: 2e6, duration_us: 9e6, ended: false, keyframes, events: [] };
          map.take({ ...known, activity_from: 0, activity: [[0, 2e6, 9e6]] }, 0);
          map.learn({ type: "gap", offset: 4e7, timeUs: 5e8 });
          map.learn({ type: "output", offset: 4e7, timeUs: 6e8, bytes: new Uint8Array(1e5) });
          return { after: map.after, size: map.size, activity: map.activity };
        })()""",
    )
    assert asked["after"] == 1_000_000
    assert asked["size"] == 40_100_000
    # When it was written is not known; that nothing was is not either.
    first, second = asked["activity"]
    assert second["atUs"] == first["untilUs"] == 9_000_000
    assert second["offset"] + second["bytes"] == 40_100_000
