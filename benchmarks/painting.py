"""A real Chromium on the console's pages, for what is only done once it is painted.

Painted means: two animation frames after xterm.js has written, which is up to a whole frame (17 ms) after the letters
are there. Rendered means: they are in the page's rows, and that frame is through with layout and paint, but for the
compositor's few milliseconds. Only for a process in which Django is set up (Console.use_here).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from benchmarks.processes import Failed
from tests.browser.running import Server
from tests.chromium import find, running_chromium

VIEWPORT: ViewportSize = {"width": 1440, "height": 900}
PATIENCE_MS = 120_000

# For every page that is opened.
_PREPARED = """
window.painted = () => new Promise((resolve) =>
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now()))));
window.rendered = (text) => new Promise((resolve) => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => resolve(performance.now());
  const frame = () => {
    const isDrawn = document.querySelector(".xterm-rows").textContent.includes(text);
    // A task of its own runs behind the rest of this frame.
    if (isDrawn) port2.postMessage(null);
    else requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
});
window.rowsOf = (terminal) => {
  const { active } = terminal.buffer;
  return Array.from({ length: terminal.rows }, (_, row) =>
    active.getLine(active.baseY + row)?.translateToString(true).trimEnd() ?? "");
};
window.terminalView = () => document.querySelector("terminal-view");
"""


@contextmanager
def browser() -> Iterator[Browser]:
    if find() is None:
        raise Failed("there is no browser: install chromium, or set SCROLLBACK_TEST_BROWSER")
    # Playwright's synchronous interface keeps an event loop in this thread, which Django takes for a mistake.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with running_chromium() as running:
        yield running


def signed_in(running: Browser, server: Server, cookie: str) -> BrowserContext:
    context = prepared(running)
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": server.url}])
    return context


def prepared(running: Browser) -> BrowserContext:
    context = running.new_context(viewport=VIEWPORT)
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(_PREPARED)
    return context


def rows_shown(page: Page) -> list[str]:
    """What the page's terminal shows, as the server's Screen has it."""
    rows: list[str] = page.evaluate("() => rowsOf(terminalView().screen.terminal)")
    return rows


def call(page: Page, script: str, *arguments: Any) -> Any:
    """The answer of a function of the page; the error that it ends with is a failed benchmark."""
    try:
        return page.evaluate(script, list(arguments) if len(arguments) > 1 else next(iter(arguments), None))
    except Exception as error:
        raise Failed(f"the page failed: {str(error)[:1000]}") from error
