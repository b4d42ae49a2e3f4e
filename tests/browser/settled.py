"""Waiting for a page to be worked, or looked at, as a person would."""

import contextlib

from playwright.sync_api import Page, TimeoutError, expect

PATIENCE_MS = 15_000
# The same for a page that never rests.
ENOUGH_MS = 5_000


def connected(page: Page) -> None:
    """Until its scripts have run and news reach it: keys and buttons do what they should."""
    expect(page.locator("html[data-live=connected]")).to_be_attached(timeout=PATIENCE_MS)


def at_rest(page: Page) -> None:
    """Until nothing was asked for during half a second.

    A page that follows what the server does meanwhile asks every second, and on a busy machine without a pause:
    whatever it was loaded with has come by then.
    """
    page.wait_for_load_state("load")
    with contextlib.suppress(TimeoutError):
        page.wait_for_load_state("networkidle", timeout=ENOUGH_MS)
