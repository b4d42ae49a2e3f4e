"""The audit log's pages in a real browser: by keyboard, live, exported, on a phone, in both themes."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from audit.actors import Actor
from audit.record import Attachment, Draft, Target
from dashboard.lib.db import write_transaction
from sessions_app.models import Person, Role
from tests.audit.logs import put
from tests.browser import accessibility
from tests.browser.conftest import OpenContext
from tests.factories import make_person, make_session

pytestmark = pytest.mark.browser

PATIENCE_MS = 20_000


def write(*actions: str, actor: str = "ada") -> None:
    ada, target = Actor("person", "1", actor), Target("session", "2", "Fix the login form")
    with write_transaction():
        put(
            [
                Draft(
                    action,
                    ada,
                    target,
                    decision="deny" if action == "request.denied" else "",
                    details={"from": "old name", "to": "new name", "address": "192.0.2.7"},
                    attachment=Attachment(b"what was asked for") if action == "session.renamed" else None,
                )
                for action in actions
            ]
        )


@pytest.fixture
def auditor(operator: Person) -> Person:
    make_session(with_main_run=True)
    write("session.renamed", "request.denied", "session.archived", "sign_in.failed")
    return make_person(Role.AUDITOR, username="otto")


def test_a_reader_filters_opens_and_shares_by_keyboard(open_context: OpenContext, auditor: Person) -> None:
    page = open_context(auditor).new_page()
    page.goto("/audit/")
    page.keyboard.press("/")
    page.keyboard.type("actor:ada -action:sign_in.*")
    page.keyboard.press("Enter")
    expect(page).to_have_url("/audit/?q=actor%3Aada+-action%3Asign_in.*")
    expect(page.locator("[data-row]")).to_have_count(3)
    expect(page.locator(".chip")).to_have_count(2)

    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("o")
    drawer = page.get_by_role("complementary", name="Entry")
    expect(drawer.get_by_text("tlog-proof@v1").first).to_be_visible(timeout=PATIENCE_MS)
    expect(drawer.get_by_role("heading", level=2)).to_contain_text("ada was refused")
    page.keyboard.press("Escape")
    expect(drawer.locator(".peek")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/audit/\d+/$"))

    page.go_back()
    page.get_by_role("link", name="Remove filter Not Action sign_in.*").click()
    expect(page.locator("[data-row]")).to_have_count(4)


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_facet_narrows_and_an_unknown_qualifier_is_said(open_context: OpenContext, auditor: Person) -> None:
    context = open_context(auditor)
    page = context.new_page()
    page.goto("/audit/")
    page.get_by_role("group").filter(has_text="Decision").locator("summary").click()
    page.get_by_role("link", name="deny 1").click()
    expect(page).to_have_url("/audit/?q=decision%3Adeny")
    expect(page.locator("[data-row]")).to_have_count(1)
    expect(page.locator("[data-row]")).to_contain_text("Denied")


def test_new_entries_wait_behind_a_pill(open_context: OpenContext, auditor: Person) -> None:
    page = open_context(auditor).new_page()
    page.goto("/audit/?q=action:session.archived")
    expect(page.locator("html")).to_have_attribute("data-live", "connected", timeout=PATIENCE_MS)
    write("session.archived", "session.archived", "session.deleted")
    pill = page.locator("[data-news]")
    expect(pill).to_have_text("2 new", timeout=PATIENCE_MS)
    expect(page.locator("[data-row]")).to_have_count(1)
    pill.click()
    expect(page.locator("[data-row]")).to_have_count(3)


def test_what_is_filtered_is_saved_as_a_file(
    open_context: OpenContext, auditor: Person, tmp_path: Path
) -> None:
    page = open_context(auditor).new_page()
    page.goto("/audit/?q=action:session.*")
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="NDJSON").click()
    download.value.save_as(tmp_path / "export")
    lines = [json.loads(line) for line in (tmp_path / "export").read_text().splitlines()]
    assert [line["entry"]["action"] for line in lines] == ["session.renamed", "session.archived"]


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_an_auditor_meets_no_button_that_changes_anything(open_context: OpenContext, auditor: Person) -> None:
    page = open_context(auditor).new_page()
    for address in ("/audit/", "/audit/1/", "/audit/head/", "/sessions/"):
        page.goto(address)
        actions = page.eval_on_selector_all("main form[method=post]", "forms => forms.map(f => f.action)")
        assert actions == [], address


@pytest.mark.once  # How a page looks is no matter of the engine.
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_window(
    open_context: OpenContext, auditor: Person, width: int
) -> None:
    page = open_context(auditor, viewport={"width": width, "height": 900}, bypass_csp=True).new_page()
    filters = ("/audit/?q=actor:ada", "/audit/?q=actor:nobody")
    found = accessibility.of_each(page, ("/audit/", *filters, "/audit/1/", "/audit/2/", "/audit/head/"))
    page.goto("/audit/?q=actor:ada")
    page.locator("[data-peek]").nth(2).dispatch_event("click")
    expect(page.locator(".peek")).to_be_visible(timeout=PATIENCE_MS)
    found += accessibility.findings(page, "the peek")
    assert not found, "\n".join(found)
