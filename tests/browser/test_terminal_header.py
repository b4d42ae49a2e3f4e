"""The heading of a terminal follows it: how long, how large, when last heard of, how it ended."""

from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.running import Server
from tests.browser.test_terminals import open_terminal, recorded, until
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = pytest.mark.browser

SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const { sources } of list.getEntries()) {
      const nodes = sources.map(({ node }) => node?.parentElement ?? node);
      const moved = nodes.filter((node) => node?.closest?.(".terminal-header"));
      window.shifts.push(...moved.map((node) => node.outerHTML));
    }
  }).observe({ type: "layout-shift" });
}"""


def figures(page: Page) -> Locator:
    return page.locator("#terminal-figures")


def size_of(page: Page) -> int:
    text = page.locator(".terminal-header__size").inner_text()
    assert text.endswith(" B"), text
    return int(text.removesuffix(" B"))


# When the page itself asks: the moment a request leaves a busy browser is not the page's choice.
ASK = """(() => {
  const send = window.fetch;
  window.asked = [];
  window.fetch = (url, ...rest) => {
    if (String(url).endsWith("/figures/")) window.asked.push({ url: String(url), at: performance.now() });
    return send(url, ...rest);
  };
})()"""


def test_the_heading_follows_a_program_until_it_says_how_it_ended(
    signed_in_page: Page, server: Server, tmp_path: Path
) -> None:
    page = signed_in_page
    with recorded(server, tmp_path) as (program, terminal):
        open_terminal(page, terminal)
        expect(figures(page)).to_contain_text("last heard of just now")
        page.evaluate(SHIFTS)
        program.say(2)
        until(lambda: size_of(page) == 16, "the size should follow")
        duration, size = page.locator(".terminal-header__duration").inner_text(), size_of(page)
        program.say(4)
        until(lambda: size_of(page) > size, "the size should go on following")
        expect(page.locator(".terminal-header__duration")).not_to_have_text(duration)
        program.end()
        expect(figures(page)).to_contain_text("exit 0, ended just now")
        expect(page.locator("[data-state]")).to_contain_text("Ended")
    assert page.evaluate("window.shifts") == []
    terminal.refresh_from_db()
    assert size_of(page) == terminal.size


HEAR = """(id) => {
  window.heard = 0;
  document.addEventListener("scrollback:changed", ({ detail }) => { window.heard += Number(detail.id === id); });
}"""


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_the_heading_asks_at_most_once_a_second_and_only_for_its_own_terminal(
    signed_in_page: Page, server: Server
) -> None:
    page, recorder, other = signed_in_page, start_recorder(), start_recorder()
    page.add_init_script(ASK)
    open_terminal(page, recorder.terminal)
    part = figures(page)
    rests = "(part) => !part.isDue && !part.timer"
    page.evaluate(HEAR, str(other.terminal.pk))
    # The first news may tell what came before the page too.
    for text in (b"elsewhere\r\n", b"elsewhere again\r\n"):
        until(
            lambda: page.evaluate("window.asked.length > 0") and part.evaluate(rests),
            "nothing should be asked while nothing changes",
        )
        page.evaluate("window.heard = 0")
        other.write(text)
        page.wait_for_function("() => window.heard > 0")
    assert part.evaluate(rests), "another terminal is none of its business"
    for number in range(1, 31):
        recorder.write(b"%03d\r\n" % number)
    until(lambda: size_of(page) == 150, "the last of them should be shown")
    asked = page.evaluate("window.asked")
    assert {entry["url"] for entry in asked} == {f"/terminals/{recorder.terminal.pk}/figures/"}
    # A timer of Chromium's may be a millisecond early.
    assert all(later["at"] - earlier["at"] > 998 for earlier, later in pairwise(asked)), asked
    recorder.exit(3)
    expect(part).to_contain_text("exit 3")
