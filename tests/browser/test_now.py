"""Now while things happen: rows change their section, and tables stay tables."""

import pytest
from playwright.sync_api import Page, expect

from dashboard.lib.clock import now_ms
from sessions_app.models import AgentSession
from tests.browser.running import Server
from tests.browser.settled import PATIENCE_MS, connected
from tests.factories import make_session

pytestmark = pytest.mark.browser

# For each row of each table: how many cells it has more than its table has headings.
EXTRA_CELLS = """() => [...document.querySelectorAll("table")].flatMap((table) =>
  [...table.tBodies[0].rows].map((row) => row.cells.length - table.tHead.rows[0].cells.length))"""


def test_a_session_that_ends_leaves_running_and_its_table_keeps_its_columns(
    signed_in_page: Page, server: Server
) -> None:
    job = make_session(title="the job", status="running")
    make_session(title="another", status="running")
    page = signed_in_page
    page.goto("/")
    connected(page)
    running = page.locator("section[aria-labelledby=running]")
    expect(running.locator("tr[data-row]")).to_have_count(2)
    running.get_by_role("link", name="another").focus()

    change(job, message_count=7)
    expect(
        running.get_by_role("row", name="the job").get_by_role("cell", name="7", exact=True)
    ).to_be_visible(timeout=PATIENCE_MS)
    assert set(page.evaluate(EXTRA_CELLS)) == {0}

    change(job, status="idle")
    expect(running.locator("tr[data-row]")).to_have_count(1, timeout=PATIENCE_MS)
    expect(running.locator(".count")).to_have_text("1")
    expect(page.locator("section[aria-labelledby=ended]").get_by_role("link", name="the job")).to_be_visible()
    expect(running.get_by_role("link", name="another")).to_be_focused()
    assert set(page.evaluate(EXTRA_CELLS)) == {0}


def test_a_console_without_anything_fills_with_its_first_session(
    signed_in_page: Page, server: Server
) -> None:
    page = signed_in_page
    page.goto("/")
    connected(page)
    expect(page.get_by_role("heading", name="Needs you")).to_have_count(0)

    session = make_session(title="the first", status="waiting", status_evidence="permission prompt recorded")
    change(session)

    expect(page.get_by_role("link", name="the first")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("permission prompt recorded")).to_be_visible()


def change(session: AgentSession, **values: object) -> None:
    AgentSession.objects.filter(pk=session.pk).update(updated_ms=now_ms(), **values)
