"""What xterm.js measures of its letters is what it would measure without us, and is not measured twice."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.test_terminals import open_terminal
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = [pytest.mark.browser, pytest.mark.once]  # Letters are the browser's.

# With letters of each size in turn: the widths that the terminal goes by, and how often one letter was measured alone.
_WIDTHS = """async ([sizes, letters]) => {
  const { terminal } = document.querySelector("terminal-view").screen;
  const cache = terminal._core._renderService._renderer.value._widthCache;
  const [element] = cache._measureElements;
  let measured = 0;
  const descriptor = Object.getOwnPropertyDescriptor(HTMLElement.prototype, "offsetWidth");
  for (const one of cache._measureElements)
    Object.defineProperty(one, "offsetWidth", { get() { measured += 1; return descriptor.get.call(one); } });
  const answers = [];
  for (const size of sizes) {
    terminal.options.fontSize = size;
    const before = measured;
    const widths = letters.map(([text, bold, italic]) => cache.get(text, bold, italic));
    const bare = letters.map(([text, bold, italic]) => {
      const one = cache._measureElements[(bold ? 1 : 0) | (italic ? 2 : 0)];
      one.textContent = text.repeat(32);
      return descriptor.get.call(one) / 32;
    });
    answers.push({ size, widths, bare, measured: measured - before });
  }
  return answers;
}"""


def measured(page: Page, sizes: list[float], letters: list[tuple[str, bool, bool]]) -> list[dict[str, Any]]:
    open_terminal(page, start_recorder().terminal)
    page.wait_for_function("() => document.fonts.status === 'loaded'")
    answers: list[dict[str, Any]] = page.locator("html").evaluate(
        f"(_, given) => ({_WIDTHS})(given)", [sizes, letters]
    )
    return answers


def test_widths_are_what_xterm_measures(signed_in_page: Page) -> None:
    letters = [
        (text, bold, italic)
        for text in ("W", "i", "é", "█", "─", "漢", "😀", "e\u0301", "\u202e", "ﷺ")
        for bold in (False, True)
        for italic in (False, True)
    ]
    answers = measured(signed_in_page, [18, 11.25, 7, 18, 11.25], letters)
    for answer in answers:
        assert answer["widths"] == answer["bare"], answer["size"]
    assert answers[0]["widths"] != answers[1]["widths"]


def test_a_letter_that_was_met_is_not_measured_alone_again(signed_in_page: Page) -> None:
    letters = [("W", True, False), ("─", False, False), ("漢", False, True), ("x", False, False)]
    first, *others = measured(signed_in_page, [18, 11.25, 7, 18, 9.5], letters)
    assert first["measured"] > 0
    assert [answer["measured"] for answer in others] == [0, 0, 0, 0]
