"""From a word in the search over everything to the moment in a terminal, in a real browser."""

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
    page.wait_for_url(f"**/terminals/{terminal.pk}/?t=00%3A00%3A06.440&q=marmalade")
    until(lambda: bool(screen_lines(page)), "the screen should show something")
    until(
        lambda: screen_lines(page)[-1] == "0321 marmalade on the table",
        "the line should be the newest on the screen",
    )

    found = page.locator("[data-search-hits] a")
    expect(found).to_have_count(1)
    # The link is about this hit, so it is marked without a click.
    expect(page.locator(".terminal__hit")).to_be_visible()


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
