"""Terminals in a real browser, against the real server."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.running import Server
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = pytest.mark.browser


def screen_text(page: Page) -> str:
    """What the reader sees, line by line."""
    text: str = page.locator("terminal-view").evaluate(
        """(view) => {
          const buffer = view.screen.terminal.buffer.active;
          const lines = [];
          for (let y = 0; y < buffer.length; y++) lines.push(buffer.getLine(y).translateToString(true));
          return lines.join("\\n").trimEnd();
        }"""
    )
    return text


def test_a_live_terminal_shows_what_is_written(signed_in_page: Page, server: Server) -> None:
    recorder = start_recorder()
    recorder.write(b"before\r\n")
    signed_in_page.goto(f"/terminals/{recorder.terminal.pk}/")
    expect(signed_in_page.locator("terminal-view")).to_have_attribute("data-live", "connected")
    recorder.write(b"\x1b[32mafter\x1b[0m\r\n")
    expect(signed_in_page.locator(".xterm-rows")).to_contain_text("after")
    assert screen_text(signed_in_page) == "before\nafter"
