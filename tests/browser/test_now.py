"""Now while things happen: rows change their section, and tables stay tables."""

import pytest
from playwright.sync_api import Page, expect

from dashboard.lib.clock import now_ms
from sessions_app.models import AgentSession, Person
from tests.browser.conftest import OpenContext
from tests.browser.running import Server
from tests.browser.settled import PATIENCE_MS, at_rest, connected
from tests.factories import START_MS, make_session

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


def failed(title: str, at_ms: int) -> AgentSession:
    return make_session(title=title, status="failed", last_activity_ms=at_ms, updated_ms=at_ms)


def test_mark_seen_takes_the_row_and_the_numbers_follow(signed_in_page: Page, server: Server) -> None:
    for number, title in enumerate(("third", "second", "first")):
        failed(title, START_MS + number)
    page, other = signed_in_page, signed_in_page.context.new_page()
    for each in (page, other):
        each.goto("/")
        connected(each)
        expect(each).to_have_title("(3) Now · Scrollback")
    asks, rail = page.locator("li.asks"), page.locator(".rail [data-count=needs_me]")
    expect(asks).to_have_count(3)

    asks.filter(has_text="second").get_by_role("button", name="Mark seen").focus()
    page.keyboard.press("Enter")
    expect(asks).to_have_count(2)
    expect(rail).to_have_text("2")
    expect(page).to_have_title("(2) Now · Scrollback")
    expect(page.locator("#needs-me + .count")).to_have_text("2")
    expect(page.locator("favicon-state")).to_have_attribute("needs-me", "2")
    # The row below has the focus.
    expect(page.get_by_role("link", name="third")).to_be_focused()
    # And so it is in their other tab, though nothing of the session changed.
    expect(other.locator("li.asks")).to_have_count(2)
    expect(other).to_have_title("(2) Now · Scrollback")

    toast = page.locator("[data-toast]", has_text="Marked as seen")
    toast.get_by_role("button", name="Undo").click()
    expect(asks).to_have_count(3)
    expect(page).to_have_title("(3) Now · Scrollback")
    expect(other.locator("li.asks")).to_have_count(3)


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_after_the_last_row_the_focus_is_on_the_one_above_and_then_on_the_heading(
    signed_in_page: Page, server: Server
) -> None:
    for number, title in enumerate(("last", "first")):
        failed(title, START_MS + number)
    page = signed_in_page
    page.goto("/")
    connected(page)
    page.locator("li.asks").filter(has_text="last").get_by_role("button", name="Mark seen").press("Enter")
    expect(page.get_by_role("link", name="first")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing waits for you.")).to_be_visible()
    expect(page.get_by_role("heading", name="Needs you")).to_be_focused()
    expect(page.locator("#needs-me + .count")).to_be_hidden()
    expect(page).to_have_title("Now · Scrollback")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_mark_seen_waits_for_no_live_connection(signed_in_page: Page, server: Server) -> None:
    for number, title in enumerate(("second", "first")):
        failed(title, START_MS + number)
    page = signed_in_page
    # It opens and says nothing, ever.
    page.route_web_socket("**/live/console/", lambda _: None)
    page.goto("/")
    connected(page)
    # What it asks for once it is connected has come.
    at_rest(page)
    page.get_by_role("button", name="Mark seen").first.click()
    expect(page.locator("li.asks")).to_have_count(1)
    expect(page).to_have_title("(1) Now · Scrollback")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_mark_seen_works_without_script_and_leads_back_to_now(
    open_context: OpenContext, operator: Person, server: Server
) -> None:
    failed("the job", START_MS)
    page = open_context(operator, java_script_enabled=False).new_page()
    page.goto("/")
    page.get_by_role("button", name="Mark seen").click()
    expect(page).to_have_url(f"{server.url}/")
    expect(page.locator("li.asks")).to_have_count(0)
    expect(page).to_have_title("Now · Scrollback")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("li.asks")).to_have_count(1)
    expect(page).to_have_title("(1) Now · Scrollback")


def change(session: AgentSession, **values: object) -> None:
    AgentSession.objects.filter(pk=session.pk).update(updated_ms=now_ms(), **values)
