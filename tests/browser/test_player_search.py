"""The search inside one terminal: what it finds, where it lands, what stands in the address."""

import json
import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from sessions_app.models import TerminalText
from sessions_app.terminal.engine.version import ENGINE
from sessions_app.terminal.lines import BLOCK_BYTES
from tests.browser.player_pages import SECOND_US, box_of, counted, ended, lines, wait_for_text
from tests.browser.running import Server
from tests.browser.test_terminals import expect_moment, expect_screen, open_terminal, screen_text, until
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
]  # What is found is tested on both; here is what a page does with it.
needs_engine = pytest.mark.skipif(not ENGINE, reason="the terminal engine has no wheel for this platform")


def search(page: Page, query: str) -> None:
    page.keyboard.press("/")
    page.get_by_label("Search the output").fill(query)


def status(page: Page) -> Locator:
    return page.locator("[data-search-status]")


@pytest.fixture
def page(signed_in_page: Page) -> Page:
    """The page of a recording whose text the server has made."""
    recorder = counted()
    wait_for_text(recorder)
    open_terminal(signed_in_page, recorder.terminal)
    expect_screen(signed_in_page, lines(10))
    return signed_in_page


def test_a_search_lists_its_hits_and_lands_on_the_exact_moment(page: Page) -> None:
    search(page, "line")
    expect(status(page)).to_have_text("10 hits")
    hits = page.locator("[data-search-hits] a")
    expect(hits).to_have_count(10)
    expect(hits.nth(3)).to_contain_text("0:04")
    expect(hits.nth(3).locator("mark")).to_have_text("line")
    ticks = page.locator("[data-hits] path")
    expect(ticks).to_have_attribute("d", re.compile("^(M[^M]+){10}$"))
    hits.nth(3).click()
    expect_screen(page, lines(4))
    expect(status(page)).to_have_text("4 of 10 hits")
    mark = page.locator(".terminal__hit")
    expect(mark).to_be_visible()
    assert abs(box_of(mark)["y"] - box_of(page.locator(".xterm-rows > div").nth(3))["y"]) < 2
    page.get_by_role("button", name="Next hit").click()
    expect_screen(page, lines(5))
    page.locator("[data-screen]").focus()
    page.keyboard.press("n")
    expect_screen(page, lines(6))
    page.keyboard.press("Shift+N")
    expect_screen(page, lines(5))
    expect(status(page)).to_have_text("5 of 10 hits")
    page.keyboard.press("2")
    expect_screen(page, lines(2))
    expect(mark).to_have_count(0)


@needs_engine
def test_what_could_not_be_read_is_told_beside_the_hits(signed_in_page: Page, server: Server) -> None:
    recorder, count = start_recorder(), BLOCK_BYTES // len("line 10000 of part 0")
    for part in range(2):
        recorder.write(b"".join(b"line %d of part %d\r\n" % (number, part) for number in range(count)))
    recorder.exit(0)
    until(lambda: recorder.refresh().derived_end, "the server should make its text")
    first, *others = TerminalText.objects.filter(terminal=recorder.terminal).order_by("offset")
    assert others
    TerminalText.objects.filter(pk=first.pk).update(data=b"no block")

    open_terminal(signed_in_page, recorder.terminal)
    search(signed_in_page, f"line {count - 1} of part 1")
    expect(status(signed_in_page)).to_contain_text("1 hit. Some of it could not be read.")
    expect(signed_in_page.locator("[data-search-hits] a")).to_have_count(1)


def test_a_search_stands_in_the_address_and_is_shared_by_it(page: Page) -> None:
    search(page, "line [24]")
    page.get_by_role("checkbox", name="Regular expression").check(force=True)
    expect(status(page)).to_have_text("2 hits")
    assert "q=line" in page.url
    assert "regex=1" in page.url
    page.reload()
    expect(status(page)).to_have_text("2 hits")
    expect(page.get_by_label("Search the output")).to_have_value("line [24]")
    page.get_by_role("button", name="Close the search").click()
    expect(page).to_have_url(re.compile(r"/$"))
    expect(page.get_by_role("button", name="Search", exact=True)).to_be_focused()


def test_a_hit_is_a_link_to_its_moment_and_its_search(page: Page) -> None:
    search(page, "line 4")
    link = page.locator("[data-search-hits] a")
    address = link.get_attribute("href")
    assert address is not None
    page.goto(address)
    expect_screen(page, lines(4))
    expect(status(page)).to_have_text("1 of 1 hit")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_enter_goes_on_from_the_moment_that_is_shown(page: Page) -> None:
    page.keyboard.press("2")
    expect_screen(page, lines(2))
    search(page, "line")
    page.keyboard.press("Enter")
    expect_screen(page, lines(3))
    page.keyboard.press("Enter")
    expect_screen(page, lines(4))
    page.keyboard.press("Shift+Enter")
    expect_screen(page, lines(3))


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_whoever_plays_on_from_a_hit_goes_from_the_moment_on_the_screen(page: Page) -> None:
    search(page, "line")
    page.locator("[data-search-hits] a").nth(2).click()
    expect_screen(page, lines(3))
    expect(status(page)).to_have_text("3 of 10 hits")
    page.locator("[data-screen]").focus()
    page.keyboard.press("Space")
    expect(status(page)).to_have_text("10 hits")
    expect(page.locator("[data-search-hits] [aria-current]")).to_have_count(0)
    expect_screen(page, lines(5))
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.keyboard.press("n")
    expect_screen(page, lines(6))
    expect(status(page)).to_have_text("6 of 10 hits")


@needs_engine
@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_the_mark_of_a_hit_is_not_on_what_is_drawn_there_next(signed_in_page: Page, server: Server) -> None:
    page, recorder = signed_in_page, start_recorder()
    recorder.write(b"\x1b[?1049h\x1b[4;1Hneedle", after_us=SECOND_US)
    wait_for_text(recorder)
    for number in range(40):
        recorder.write(b"\x1b[4;1Hother %d" % number, after_us=SECOND_US // 10)
    wait_for_text(ended(recorder))
    open_terminal(page, recorder.terminal)
    search(page, "needle")
    page.keyboard.press("Enter")
    mark = page.locator(".terminal__hit")
    expect(mark).to_be_visible()
    page.get_by_role("button", name="Play", exact=True).click()
    until(lambda: "other" in screen_text(page), "it should play")
    expect(mark).to_have_count(0)
    expect(status(page)).to_have_text("1 hit")


@needs_engine
@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_hit_that_was_listed_late_does_not_come_again(page: Page) -> None:
    hit = '{{"offset": {0}, "at_us": {1}000000, "text": "line {2}", "start": 0, "end": 6, "place": "{0}.0000000{2}"}}'
    # Both were listed long after the screen had them, as where little is written for long.
    found = [hit.format(21, 8, 4), hit.format(14, 8, 3), hit.format(56, 9, 9)]
    last = '{"done": true, "hits": 3, "is_cut": false, "searched": 1, "next": null, "error": ""}'
    body = "\n".join([*found, last])
    page.route("**/search?*", lambda route: route.fulfill(body=body))
    search(page, "line")
    page.locator("[data-search-hits] a").nth(1).click()
    expect_screen(page, lines(3))
    page.locator("[data-screen]").focus()
    page.keyboard.press("Space")
    expect_screen(page, lines(4))
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.keyboard.press("n")
    expect(status(page)).to_have_text("3 of 3 hits")
    expect_screen(page, lines(9))
    page.keyboard.press("Space")
    expect(status(page)).to_have_text("3 hits")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+N")
    expect(status(page)).to_have_text("3 of 3 hits")
    # Behind the last one comes the first, as from the last itself.
    page.keyboard.press("Space")
    expect(status(page)).to_have_text("3 hits")
    page.keyboard.press("n")
    expect(status(page)).to_have_text("1 of 3 hits")


@needs_engine
@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_what_was_said_of_a_search_is_said_again_when_its_hit_is_left(page: Page) -> None:
    cut = '{"done": true, "hits": 1, "is_cut": true, "searched": 0.5, "next": 40, "error": ""}'
    hit = '{"offset": 21, "at_us": 3000000, "text": "line 3", "start": 0, "end": 6, "place": "21.00000000"}'
    page.route("**/search?*", lambda route: route.fulfill(body=f"{hit}\n{cut}\n"))
    search(page, "line 3")
    said = "1+ hit. The time was up after 50 % of the recording"
    expect(status(page)).to_have_text(said)
    page.locator("[data-search-hits] a").click()
    expect_screen(page, lines(3))
    expect(status(page)).to_have_text("1 of 1+ hit")
    page.locator("[data-screen]").focus()
    page.keyboard.press("Space")
    expect(status(page)).to_have_text(said)
    # Nor does it hide that a search failed.
    page.unroute("**/search?*")
    page.keyboard.press("Space")
    page.locator("[data-search-hits] a").click()
    expect(status(page)).to_have_text("1 of 1+ hit")
    page.route("**/search?*", lambda route: route.fulfill(body="\n"))
    page.get_by_role("button", name="Search on from here").click()
    expect(status(page)).to_have_text("The search was not answered.")
    page.locator("[data-screen]").focus()
    page.keyboard.press("Space")
    expect(page.locator("[data-search-hits] [aria-current]")).to_have_count(0)
    expect(status(page)).to_have_text("The search was not answered.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_a_bad_pattern_is_said_in_words_and_nothing_found_too(page: Page) -> None:
    search(page, "(")
    page.get_by_role("checkbox", name="Regular expression").check(force=True)
    expect(status(page)).to_have_attribute("data-failed", "")
    expect(status(page)).to_contain_text(re.compile("[a-z]{4}"))
    expect(page.get_by_role("button", name="Next hit")).to_be_disabled()
    page.get_by_label("Search the output").fill("nowhere to be found")
    expect(status(page)).to_have_text("No hits")
    expect(status(page)).not_to_have_attribute("data-failed", "")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_selected_line_leads_to_when_it_was_written(page: Page) -> None:
    page.locator("terminal-view").evaluate("(view) => view.screen.terminal.selectLines(5, 5)")
    page.get_by_role("button", name="Go to when it was written").click()
    expect_screen(page, lines(6))
    expect_moment(page, "00:00:06")


def test_a_line_that_came_a_thousand_times_leads_to_its_last(signed_in_page: Page, server: Server) -> None:
    recorder = start_recorder(rows=10)
    for second in range(30):
        numbers = range(second * 200, second * 200 + 200)
        recorder.write(b"".join(b"the same %d\r\n" % number for number in numbers), after_us=SECOND_US)
    wait_for_text(ended(recorder))
    page = signed_in_page
    open_terminal(page, recorder.terminal)
    page.locator("[data-screen]").focus()
    page.keyboard.press("8")
    until(lambda: screen_text(page).endswith("the same 4799"), "the screen after 24 s")
    page.locator("terminal-view").evaluate(
        """({ screen: { terminal } }) => {
          const { baseY } = terminal.buffer.active;
          terminal.select(0, baseY, 8);
        }"""
    )
    page.get_by_role("button", name="Go to when it was written").click()
    expect(page.locator(".terminal__hit")).to_be_visible()
    assert screen_text(page).endswith("the same 4799")
    expect_moment(page, "00:00:24")


def redrawn() -> Recorder:
    """A line in two parts, the second after two seconds, and a spinner above it that never rests."""
    recorder = start_recorder()
    recorder.write(b"\x1b[?1049h\x1b[4;8Hof the rest", after_us=SECOND_US)
    recorder.write(b"\x1b[4;1Hneedle", after_us=SECOND_US)
    for number in range(80):
        recorder.write(b"".join(b"\x1b[2;1H%c %d" % (sign, number) for sign in b"-|/+"), after_us=20_000)
    wait_for_text(ended(recorder))
    return recorder


def shown_offset(page: Page) -> int:
    offset: int = page.locator("terminal-view").evaluate("(view) => view.player.offset")
    return offset


@needs_engine
def test_a_hit_on_a_redrawn_screen_lands_where_its_line_is_whole_first(
    signed_in_page: Page, server: Server
) -> None:
    page, recorder = signed_in_page, redrawn()
    open_terminal(page, recorder.terminal)
    search(page, "needle")
    page.keyboard.press("Enter")
    mark = page.locator(".terminal__hit")
    # xterm.js itself marks nothing on the alternate screen.
    expect(mark).to_be_visible()
    row = box_of(page.locator(".xterm-rows > div").nth(3))
    assert abs(box_of(mark)["y"] - row["y"]) < 2
    assert abs(box_of(mark)["height"] - row["height"]) < 2
    assert shown_offset(page) == len(b"\x1b[?1049h\x1b[4;8Hof the rest\x1b[4;1Hneedle")
    expect_moment(page, "00:00:02")

    # A link to it, as from the search over everything, leads to the same.
    address = page.locator("[data-search-hits] a").get_attribute("href")
    assert address is not None
    page.goto(address)
    expect(page.locator(".terminal__hit")).to_be_visible()
    assert shown_offset(page) == len(b"\x1b[?1049h\x1b[4;8Hof the rest\x1b[4;1Hneedle")


@needs_engine
def test_a_link_tells_lines_apart_that_have_one_place_in_the_output(
    signed_in_page: Page, server: Server
) -> None:
    page, recorder = signed_in_page, start_recorder()
    # Put together from parts: both are to be read when the last byte is out.
    recorder.write(
        b"\x1b[?1049h\x1b[3;8Hone\x1b[4;8Htwo\x1b[3;1Hneedle\x1b[4;1Hneedle\x1b[8;1H", after_us=SECOND_US
    )
    recorder.write(b"done", after_us=5 * SECOND_US)
    wait_for_text(ended(recorder))
    open_terminal(page, recorder.terminal)
    search(page, "needle")
    hits, current = page.locator("[data-search-hits] a"), page.locator("[data-search-hits] a[aria-current]")
    expect(hits).to_have_count(2)
    addresses = [link.get_attribute("href") or "" for link in hits.all()]
    assert len({re.findall(r"hit=(\d+)", address)[0] for address in addresses}) == 1
    for address, line in zip(addresses, ("needle one", "needle two"), strict=True):
        page.goto(address)
        expect(current).to_contain_text(line)
        # Where it is listed elsewhere by now, the line counts; and where there is none like it, the time.
        page.goto(re.sub(r"hit=\d+", "hit=3", address))
        expect(current).to_contain_text(line)
    page.goto(re.sub(r"hit=\d+\.\w+", "hit=3.00000000", addresses[1]))
    expect(current).to_contain_text("needle one")

    # Another search is not about that hit any more.
    search(page, "done")
    expect(status(page)).to_have_text("1 hit")
    assert "hit=" not in page.url


@needs_engine
@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_hit_whose_moment_is_not_found_says_so_and_one_that_is_left_does_not_come_back(page: Page) -> None:
    page.route("**/moment?*", lambda route: route.fulfill(status=204))
    search(page, "line 4")
    page.keyboard.press("Enter")
    expect(page.locator("[data-connection]")).to_contain_text("was not found")
    expect_screen(page, lines(4))
    expect(page.locator(".terminal__hit")).to_be_visible()

    held: list[Route] = []
    page.unroute("**/moment?*")
    page.route("**/moment?*", lambda route: held.append(route))
    with page.expect_request("**/moment?*"):
        page.keyboard.press("Enter")
    # Playwright hands the request over while it is waited in.
    while not held:
        page.wait_for_timeout(20)
    page.locator("[data-screen]").focus()
    page.keyboard.press("2")
    expect_screen(page, lines(2))
    with page.expect_response("**/moment?*"):
        held[0].continue_()
    # Two turns of the page later it would have gone there.
    page.evaluate("() => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 100))")
    expect_screen(page, lines(2))


def hold_searches(page: Page) -> list[Route]:
    """The searches of the page from now on, as they come, which wait until one continues them."""
    held: list[Route] = []
    page.route("**/search?*", lambda route: held.append(route))
    return held


def let_go(page: Page, held: list[Route]) -> None:
    """Let the search that waits be answered, and the page do what it does then."""
    # Playwright hands a request over while it is waited in.
    until(lambda: page.evaluate("true") and bool(held), "the search is asked for")
    held.pop().continue_()
    expect(page.locator("[data-search-panel]")).not_to_have_attribute("aria-busy", "true")
    # Two turns of the page later it would have gone to the hit.
    page.evaluate("() => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 200))")


@needs_engine
@pytest.mark.parametrize("key", ["2", "Space"])
def test_the_hit_of_a_link_takes_nobody_back_who_went_on_before_it_was_found(page: Page, key: str) -> None:
    search(page, "line 4")
    address = page.locator("[data-search-hits] a").get_attribute("href")
    assert address is not None
    held = hold_searches(page)
    page.goto(address)
    expect_screen(page, lines(4))
    page.locator("[data-screen]").focus()
    page.keyboard.press(key)
    let_go(page, held)
    expect(status(page)).to_have_text("1 hit")
    expect(page.locator(".terminal__hit")).to_have_count(0)
    if key == "2":
        expect_screen(page, lines(2))
    else:
        expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()


@needs_engine
def test_enter_takes_nobody_back_who_went_on_before_anything_was_found(page: Page) -> None:
    held = hold_searches(page)
    search(page, "line 4")
    page.keyboard.press("Enter")
    page.locator("[data-screen]").focus()
    page.keyboard.press("2")
    let_go(page, held)
    expect(status(page)).to_have_text("1 hit")
    expect_screen(page, lines(2))
    # Who asks for the next hit gets it.
    page.keyboard.press("n")
    expect_screen(page, lines(4))


def test_whoever_opens_another_hit_is_not_taken_to_that_of_the_link(page: Page) -> None:
    def hit(number: int) -> str:
        offset = (number - 1) * len("line 1\r\n")
        return json.dumps(
            {
                "offset": offset,
                "at_us": number * SECOND_US,
                "text": f"line {number}",
                "start": 0,
                "end": 6,
                "place": f"{offset}.0000000{number}",
            }
        )

    def done(next_: int | None) -> str:
        return json.dumps(
            {"done": True, "hits": 1, "is_cut": bool(next_), "searched": 1, "next": next_, "error": ""}
        )

    first = f"{hit(2)}\n{done(20)}\n"
    rest = f"{hit(4)}\n{done(None)}\n"
    held: list[Route] = []
    page.route(
        "**/search?*",
        lambda route: held.append(route) if "from=" in route.request.url else route.fulfill(body=first),
    )
    page.goto(f"{page.url}?t=4&q=line&hit=24.00000004")
    expect_screen(page, lines(4))
    until(lambda: page.evaluate("true") and bool(held), "it searches on for the hit of the link")
    page.locator("[data-search-hits] a").click()
    expect_screen(page, lines(2))
    held.pop().fulfill(body=rest)
    expect(page.locator("[data-search-hits] a")).to_have_count(2)
    page.evaluate("() => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 200))")
    expect_screen(page, lines(2))
    expect(status(page)).to_have_text("1 of 2 hits")
