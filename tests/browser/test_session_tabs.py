"""The tabs beside the transcript, and the page of a run, while their session goes on."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from audit.actors import SYSTEM
from dashboard.lib.clock import now_ms
from sessions_app.actions.sessions import add_note, delete_session, restore_session
from sessions_app.models import AgentSession, EventKind, Person, Run, Source, Status, Terminal, ToolKind
from tests.browser.conftest import OpenContext
from tests.browser.settled import PATIENCE_MS, connected
from tests.factories import (
    make_event,
    make_message,
    make_person,
    make_run,
    make_source,
    make_terminal,
    make_tool_call,
)

pytestmark = pytest.mark.browser


def opened(page: Page, session: AgentSession, tab: str) -> Page:
    page.goto(reverse(f"session-{tab}", args=[session.pk]))
    expect(page.locator("session-news")).to_have_attribute("data-live", "connected", timeout=PATIENCE_MS)
    connected(page)
    return page


def end_run(run: Run, status: Status, **changes: object) -> None:
    """As an importer does it: the row changes and the session's timeline says so."""
    Run.objects.filter(pk=run.pk).update(status=status, updated_ms=now_ms(), **changes)
    make_event(run.session, EventKind.NOTED, text="A run has ended.")


def test_runs_that_start_and_end_are_shown(signed_in_page: Page, session: AgentSession) -> None:
    main = session.runs.get()
    page = opened(signed_in_page, session, "runs")
    rows = page.locator(".tree__row")
    expect(rows).to_have_count(1)
    rows.get_by_role("link").focus()

    child = make_run(session, parent=main, agent_name="reviewer", status=Status.RUNNING)
    make_event(session)
    added = rows.filter(has_text="reviewer")
    expect(added).to_contain_text("Running", timeout=PATIENCE_MS)
    expect(page.locator(".tabs [aria-current]")).to_have_text("Runs 2")
    expect(page.locator("#session-figures")).to_contain_text("2 runs")
    expect(rows.first.get_by_role("link")).to_be_focused()

    end_run(child, Status.FAILED)
    expect(added).to_contain_text("Failed", timeout=PATIENCE_MS)


def test_terminals_show_what_was_written_last(signed_in_page: Page, session: AgentSession) -> None:
    page = opened(signed_in_page, session, "terminals")
    expect(page.get_by_role("heading", name="No terminals yet")).to_be_visible()
    terminal = make_terminal(session, title="make world")
    make_event(session, EventKind.TERMINAL_OPENED, subject_id=terminal.pk)
    row = page.locator("tr[data-row]")
    expect(row).to_contain_text("make world", timeout=PATIENCE_MS)
    # What a terminal writes is no news of its session.
    Terminal.objects.filter(pk=terminal.pk).update(last_line="compiling the last part", updated_ms=now_ms())
    expect(row).to_contain_text("compiling the last part", timeout=PATIENCE_MS)


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_files_and_sources_grow(signed_in_page: Page, session: AgentSession) -> None:
    page = opened(signed_in_page, session, "files")
    make_tool_call(session, "Edit", kind=ToolKind.EDIT, input='{"file_path": "src/new.py"}')
    expect(page.locator("tr[data-row]")).to_contain_text("src/new.py", timeout=PATIENCE_MS)

    source = make_source(session)
    opened(page, session, "raw")
    Source.objects.filter(pk=source.pk).update(line_count=7)
    make_message(session, "One more.")
    expect(page.locator(".source")).to_contain_text("7 lines", timeout=PATIENCE_MS)
    expect(page.locator("#session-figures")).to_contain_text("1 message")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_note_of_somebody_else_comes_and_what_is_typed_stays(
    signed_in_page: Page, session: AgentSession
) -> None:
    page = opened(signed_in_page, session, "notes")
    page.get_by_label("Add a note").fill("Half a thought")
    add_note(session.pk, "Mind the gap.", author=make_person(), actor=SYSTEM)
    expect(page.get_by_text("Mind the gap.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_label("Add a note")).to_have_value("Half a thought")
    expect(page.get_by_label("Add a note")).to_be_focused()


@pytest.mark.once  # What a page does with the news is no matter of the engine.
def test_what_somebody_uses_waits_until_it_is_left(signed_in_page: Page, session: AgentSession) -> None:
    page = opened(signed_in_page, session, "raw")
    status = page.locator("#session-status")
    status.locator("summary").click()
    AgentSession.objects.filter(pk=session.pk).update(status=Status.FAILED, status_evidence="It broke.")
    make_message(session, "One more.")
    expect(page.locator("#session-figures")).to_contain_text("1 message", timeout=PATIENCE_MS)
    expect(status).to_have_attribute("open", "")
    expect(status).not_to_contain_text("It broke.")
    page.keyboard.press("Escape")
    page.locator("body").click(position={"x": 2, "y": 2})
    expect(status).to_contain_text("It broke.", timeout=PATIENCE_MS)


def test_a_tab_says_that_its_session_went_to_the_trash_and_comes_back(
    signed_in_page: Page, session: AgentSession
) -> None:
    page = opened(signed_in_page, session, "files")
    delete_session(session.pk, actor=SYSTEM)
    expect(page.get_by_text("This session was moved to the trash.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name="Archive")).to_have_count(0)
    restore_session(session.pk, actor=SYSTEM)
    expect(page.get_by_role("button", name="Archive", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    expect(page).to_have_url(re.compile("/files/$"))


def test_the_page_of_a_run_learns_that_it_has_ended(
    open_context: OpenContext, operator: Person, session: AgentSession
) -> None:
    run = make_run(
        session,
        parent=session.runs.get(),
        agent_name="reviewer",
        status=Status.RUNNING,
        input="Look at it.",
        input_size=11,
    )
    page = open_context(operator).new_page()
    page.goto(reverse("run", args=[run.pk]))
    expect(page.locator("live-session")).to_have_attribute("data-live", "connected", timeout=PATIENCE_MS)
    connected(page)
    expect(page.locator(".page-header .badge").first).to_have_text("Running")
    page.locator("summary", has_text="Asked").click()
    expect(page.get_by_text("Look at it.")).to_be_visible()

    grandchild = make_run(session, parent=run, agent_name="helper")
    end_run(run, Status.COMPLETED, output="All is well.", output_size=12, message_count=4)
    expect(page.get_by_text("All is well.")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".page-header .badge").first).to_have_text("Completed")
    expect(page.locator(f"[data-row][data-id='{grandchild.pk}']")).to_be_visible()
    # What the reader had opened is as it was.
    expect(page.get_by_text("Look at it.")).to_be_visible()


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_terminal_that_starts_beside_another_can_be_chosen(
    signed_in_page: Page, session: AgentSession
) -> None:
    first = make_terminal(session, b"one", title="the first", state="ended")
    page = signed_in_page
    page.goto(reverse("session", args=[session.pk]))
    expect(page.locator("live-session")).to_have_attribute("data-live", "connected", timeout=PATIENCE_MS)
    others = page.locator("session-terminals")
    expect(others).to_be_hidden()

    make_terminal(session, b"two", title="the second", started_ms=session.started_ms + 60_000, state="ended")
    make_event(session, EventKind.TERMINAL_OPENED)
    expect(others.get_by_role("link")).to_have_text(["the second", "the first"], timeout=PATIENCE_MS)
    expect(others.locator("[aria-current]")).to_have_text("the first")
    expect(page.locator("terminal-view")).to_have_attribute("terminal", str(first.pk))
    others.get_by_role("link", name="the second").click()
    expect(page.locator("terminal-view")).not_to_have_attribute("terminal", str(first.pk))
