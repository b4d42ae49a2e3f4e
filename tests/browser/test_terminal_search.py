"""From a word in the search over everything to the moment in a terminal, in a real browser."""

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from sessions_app.models import Terminal
from sessions_app.terminal.engine.version import ENGINE
from tests.browser.running import Server
from tests.factories import make_session
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not ENGINE, reason="the terminal engine has no wheel for this platform"),
]

PATIENCE_S = 20.0
LINE_US = 20_000


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def screen_lines(page: Page) -> list[str]:
    lines: list[str] = page.locator("terminal-view").evaluate(
        """(view) => {
          const { active } = view.screen.terminal.buffer;
          const rows = Array.from({ length: view.screen.terminal.rows }, (_, y) => active.getLine(active.baseY + y));
          return rows.map((row) => row.translateToString(true)).filter(Boolean);
        }"""
    )
    return lines


def recorded(lines: int, *, needle: int, title: str = "tests of the queue") -> Terminal:
    """An ended terminal with its line number `needle` unlike the others; the server has derived its text."""
    recorder = start_recorder(make_session(title="Fix the queue"))
    Terminal.objects.filter(pk=recorder.terminal.pk).update(title=title)
    for number in range(lines):
        word = "\x1b[31mmarmalade\x1b[0m" if number == needle else "bread"
        recorder.write(f"\x1b[32m{number:04}\x1b[0m {word} on the table\r\n".encode(), after_us=LINE_US)
    recorder.exit()
    until(lambda: recorder.refresh().derived_end, "the server should derive what was recorded")
    return recorder.terminal


def test_a_hit_in_a_terminal_opens_the_moment_when_its_line_was_written(
    signed_in_page: Page, server: Server
) -> None:
    page = signed_in_page
    terminal = recorded(600, needle=321)
    page.goto("/search/?q=marmalade")
    hit = page.locator("article.hit")
    expect(hit).to_have_count(1)
    expect(hit.locator("mark")).to_have_text("marmalade")
    expect(hit.get_by_role("link", name="in its session")).to_be_visible()

    hit.get_by_role("link", name="tests of the queue").click()
    page.wait_for_url(
        re.compile(rf"/terminals/{terminal.pk}/\?t=00%3A00%3A06\.440&hit=\d+\.\w{{8}}&q=marmalade$")
    )
    until(lambda: bool(screen_lines(page)), "the screen should show something")
    until(
        lambda: screen_lines(page)[-1] == "0321 marmalade on the table",
        "the line should be the newest on the screen",
    )

    found = page.locator("[data-search-hits] a")
    expect(found).to_have_count(1)
    # The link is about this hit, so it is marked without a click.
    expect(page.locator(".terminal__hit")).to_be_visible()


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_hit_among_lines_of_one_write_opens_its_own_line(signed_in_page: Page, server: Server) -> None:
    page = signed_in_page
    recorder = start_recorder(make_session(title="Three at once"))
    recorder.write(b"error a\r\nerror b\r\nerror c\r\n", after_us=LINE_US)
    recorder.write(b"done\r\n", after_us=LINE_US)
    recorder.exit()
    until(lambda: recorder.refresh().derived_end, "the server should derive what was recorded")
    page.goto("/search/?q=error")
    page.locator("article.hit").filter(has_text="error c").locator("a").first.click()
    expect(page.locator("[data-search-hits] a[aria-current]")).to_contain_text("error c")
    expect(page.locator(".terminal__hit")).to_be_visible()
    assert screen_lines(page) == ["error a", "error b", "error c"]

    # Each of them is a link of its own inside the terminal.
    for place, lines in ((1, ["error a", "error b"]), (0, ["error a"])):
        link = page.locator("[data-search-hits] a").nth(place)
        with page.context.expect_page() as opened:
            link.click(modifiers=["ControlOrMeta"])
        other = opened.value
        expect(other.locator("[data-search-hits] a[aria-current]")).to_contain_text(lines[-1])
        expect(other.locator(".terminal__hit")).to_be_visible()
        assert screen_lines(other) == lines
        other.close()

    # A link from before they named the line leads to the first of its millisecond.
    page.goto(re.sub(r"&hit=[^&]+", "", page.url))
    expect(page.locator("[data-search-hits] a[aria-current]")).to_contain_text("error a")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_hit_beyond_the_first_thousand_is_marked_and_the_others_can_be_reached(
    signed_in_page: Page, server: Server
) -> None:
    page = signed_in_page
    recorder = start_recorder()
    for second in range(50):
        numbers = range(second * 70, second * 70 + 70)
        recorder.write(
            b"".join(b"marmalade %04d on the table\r\n" % number for number in numbers), after_us=1_000_000
        )
    recorder.exit()
    until(lambda: recorder.refresh().derived_end, "the server should derive what was recorded")
    page.goto("/search/?q=marmalade+3499")
    page.locator("article.hit").filter(has_text="3499").locator("a").first.click()
    hits, status = page.locator("[data-search-hits] a"), page.locator("[data-search-status]")
    expect(page.locator(".terminal__hit")).to_be_visible()
    expect(page.locator("[data-search-hits] a[aria-current]")).to_contain_text("marmalade 3499")
    assert screen_lines(page)[-1] == "marmalade 3499 on the table"

    # "marmalade 3499" alone was searched for: now all of them.
    box = page.get_by_label("Search the output")
    box.fill("on the table")
    expect(status).to_have_text(re.compile(r"^1,\d{3}\+ hits$"))
    onward, first = (
        page.get_by_role("button", name=name) for name in ("Search on from here", "Search from the beginning")
    )
    expect(first).to_be_hidden()
    counts = []
    while onward.is_visible():
        counts.append(int(re.sub(r"\D", "", status.inner_text())))
        onward.focus()
        page.keyboard.press("Enter")
        expect(status).not_to_have_text(re.compile(rf"^{counts[-1]:,}\+? hits$|so far|Searching"))
    expect(status).to_have_text("3,500 hits")
    expect(box).to_be_focused()
    assert counts == sorted(set(counts))
    for _ in range(17):
        page.get_by_role("button", name=re.compile("^Show .* more$")).click()
    expect(hits).to_have_count(3_500)
    texts = hits.all_inner_texts()
    assert [text.split()[-4] for text in texts] == [f"{number:04}" for number in range(3_500)]

    # A link to one of the last lands there, with its neighbours.
    address = hits.nth(3_400).get_attribute("href")
    assert address is not None
    page.goto(address)
    expect(page.locator(".terminal__hit")).to_be_visible()
    expect(page.locator("[data-search-hits] a[aria-current]")).to_contain_text("marmalade 3400")
    assert screen_lines(page)[-1] == "marmalade 3400 on the table"
    expect(status).to_have_text(re.compile(r"^\d{3} of \d{3} hits from 0:\d\d on$"))
    page.keyboard.press("Shift+N")
    expect(page.locator("[data-search-hits] a[aria-current]")).to_contain_text("marmalade 3399")
    expect(onward).to_be_hidden()
    first.click()
    expect(status).to_have_text(re.compile(r"^1,\d{3}\+ hits$"))
    expect(hits.first).to_contain_text("marmalade 0000")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_the_search_inside_a_terminal_explains_a_pattern_that_cannot_be_read(
    signed_in_page: Page, server: Server
) -> None:
    page = signed_in_page
    terminal = recorded(40, needle=5)
    page.goto(f"/terminals/{terminal.pk}/?q=marm(&regex=1")
    expect(page.locator("[data-search-status]")).to_contain_text("The pattern cannot be read")

    box = page.locator("[data-search-box]")
    box.fill("m.r+m")
    box.press("Enter")
    expect(page.locator("[data-search-hits] mark")).to_have_text("marm")
    expect(page.locator(".terminal__hit")).to_be_visible()
