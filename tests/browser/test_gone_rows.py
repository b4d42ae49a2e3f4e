"""Rows leave an open list when they are gone, and only then."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from audit.actors import SYSTEM
from sessions_app.actions.sessions import (
    archive_session,
    delete_session,
    rename_session,
    restore_session,
    tag_session,
)
from sessions_app.models import AgentSession
from sessions_app.session_list import PAGE_ROWS
from tests.browser.running import Server
from tests.browser.settled import at_rest, connected
from tests.factories import START_MS, make_run, make_session, make_terminal

pytestmark = pytest.mark.browser

# Longer than it takes a list that is told of a change to ask for itself and draw the answer.
TOLD_MS = 2_500


def make_many(count: int) -> list[AgentSession]:
    """`000` is the oldest, and the last in the list."""
    return [make_session(title=f"{number:03}", last_activity_ms=START_MS + number) for number in range(count)]


def opened(page: Page, path: str) -> Locator:
    """The rows of a page that has settled, after what it asks for once it is connected."""
    page.goto(path)
    connected(page)
    at_rest(page)
    return page.locator("tr[data-row]")


def refresh(page: Page) -> None:
    """As after a connection that was lost: what happened meanwhile is not told."""
    page.evaluate("document.dispatchEvent(new CustomEvent('scrollback:refresh'))")


def unheard(page: Page) -> None:
    """From here on the page hears of no single change, as a laptop that sleeps."""
    page.evaluate(
        "addEventListener('scrollback:changed', (event) => event.stopImmediatePropagation(), {capture: true})"
    )


def titles(rows: Locator) -> list[str]:
    return rows.locator(".list__link").all_inner_texts()


def test_ten_that_somebody_else_moves_to_the_trash_go(signed_in_page: Page, server: Server) -> None:
    sessions = make_many(14)
    page = signed_in_page
    rows = opened(page, "/sessions/")
    for session in (sessions[0], sessions[13]):
        rows.filter(has_text=session.title).locator(".list__select").check()
    expect(page.locator("selection-count")).to_have_text("2")
    for session in sessions[:10]:
        delete_session(session.pk, actor=SYSTEM)
    expect(rows).to_have_count(4)
    assert titles(rows) == ["013", "012", "011", "010"]
    expect(page.locator("selection-count")).to_have_text("1")
    expect(page.locator("[data-news]")).to_be_hidden()


@pytest.mark.parametrize("put_away", [delete_session, archive_session])
def test_what_went_while_nothing_was_heard_goes_with_the_next_connection(
    signed_in_page: Page, server: Server, put_away: object
) -> None:
    sessions = make_many(8)
    page = signed_in_page
    rows = opened(page, "/sessions/")
    unheard(page)
    for session in sessions[2:7]:
        assert callable(put_away)
        put_away(session.pk, actor=SYSTEM)
    refresh(page)
    expect(rows).to_have_count(3)
    assert titles(rows) == ["007", "001", "000"]


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_what_is_only_pushed_to_the_next_page_stays_and_is_drawn_anew(
    signed_in_page: Page, server: Server
) -> None:
    sessions = make_many(PAGE_ROWS + 1)
    page = signed_in_page
    rows = opened(page, "/sessions/")
    expect(rows).to_have_count(PAGE_ROWS)
    unheard(page)
    for number in range(3):
        make_session(title=f"new {number}", last_activity_ms=START_MS + 1_000 + number)
    rename_session(sessions[1].pk, "renamed", actor=SYSTEM)
    delete_session(sessions[2].pk, actor=SYSTEM)
    refresh(page)
    expect(page.locator("[data-news]")).to_have_text("3 new")
    expect(rows.filter(has_text="renamed")).to_have_count(1)
    expect(rows).to_have_count(PAGE_ROWS - 1)
    expect(rows.filter(has_text="003")).to_have_count(1)


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_on_a_later_page_only_what_is_gone_goes(signed_in_page: Page, server: Server) -> None:
    sessions = make_many(PAGE_ROWS + 6)
    page = signed_in_page
    opened(page, "/sessions/")
    page.get_by_role("link", name="Older").click()
    page.wait_for_url(re.compile("after="))
    connected(page)
    at_rest(page)
    rows = page.locator("tr[data-row]")
    expect(rows).to_have_count(6)
    unheard(page)
    # It moves to the first page.
    AgentSession.objects.filter(pk=sessions[5].pk).update(last_activity_ms=START_MS + 1_000)
    delete_session(sessions[3].pk, actor=SYSTEM)
    refresh(page)
    expect(rows).to_have_count(5)
    assert titles(rows) == ["005", "004", "002", "001", "000"]


def test_what_a_filter_fits_no_more_stays_as_it_is_now(signed_in_page: Page, server: Server) -> None:
    sessions = make_many(6)
    AgentSession.objects.update(status="running")
    page = signed_in_page
    rows = opened(page, "/sessions/?status=running")
    unheard(page)
    AgentSession.objects.filter(pk__in=[session.pk for session in sessions[:5]]).update(status="failed")
    refresh(page)
    expect(rows.filter(has_text="Failed")).to_have_count(5)
    expect(rows).to_have_count(6)


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_what_is_restored_leaves_an_open_trash(signed_in_page: Page, server: Server) -> None:
    sessions = make_many(6)
    for session in sessions:
        delete_session(session.pk, actor=SYSTEM)
    page = signed_in_page
    rows = opened(page, "/sessions/?show=trash")
    expect(rows).to_have_count(6)
    restore_session(sessions[3].pk, actor=SYSTEM)
    expect(rows).to_have_count(5)
    unheard(page)
    for session in sessions[:3]:
        restore_session(session.pk, actor=SYSTEM)
    refresh(page)
    expect(rows).to_have_count(2)
    assert titles(rows) == ["005", "004"]


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_the_focus_goes_to_the_row_below_and_then_to_the_one_above(
    signed_in_page: Page, server: Server
) -> None:
    sessions = make_many(6)
    page = signed_in_page
    rows = opened(page, "/sessions/")
    rows.filter(has_text="003").locator(".list__link").focus()
    for number in (3, 2):
        delete_session(sessions[number].pk, actor=SYSTEM)
    expect(rows).to_have_count(4)
    expect(rows.filter(has_text="001").locator(".list__link")).to_be_focused()
    for number in (1, 0):
        delete_session(sessions[number].pk, actor=SYSTEM)
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="004").locator(".list__link")).to_be_focused()
    page.keyboard.press("k")
    expect(rows.filter(has_text="005")).to_have_attribute("aria-selected", "true")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_the_last_one_leaves_what_an_empty_list_says(signed_in_page: Page, server: Server) -> None:
    (session,) = make_many(1)
    tag_session(session.pk, "keep", actor=SYSTEM)
    page = signed_in_page
    rows = opened(page, "/sessions/?tag=keep")
    rows.locator(".list__link").focus()
    delete_session(session.pk, actor=SYSTEM)
    expect(page.get_by_text("No session matches")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    restore_session(session.pk, actor=SYSTEM)
    expect(rows).to_have_count(1)


@pytest.mark.parametrize("kind", ["runs", "terminals"])
def test_runs_and_terminals_go_and_come_back_with_their_session(
    signed_in_page: Page, server: Server, kind: str
) -> None:
    sessions = make_many(2)
    for session in sessions:
        main = make_run(session)
        for _ in range(4):
            make_run(session, parent=main)
            make_terminal(session=session, state="ended")
    page = signed_in_page
    rows = opened(page, f"/{kind}/")
    count = rows.count()
    assert count in (8, 10)
    delete_session(sessions[0].pk, actor=SYSTEM)
    expect(rows).to_have_count(count // 2)
    restore_session(sessions[0].pk, actor=SYSTEM)
    expect(page.locator("[data-news]")).to_have_text(f"{count // 2} new")
