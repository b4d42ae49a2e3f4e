"""A session that goes to the trash, or for good, while its page is open."""

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from audit.actors import SYSTEM
from sessions_app.actions.sessions import delete_session, restore_session
from sessions_app.models import (
    AgentSession,
    Person,
    Role,
)
from tests.browser import accessibility
from tests.browser.conftest import OpenContext
from tests.browser.problems import Problems
from tests.browser.session_pages import fill, opened
from tests.factories import (
    make_person,
)

pytestmark = pytest.mark.browser


def at_rest(page: Page, session: AgentSession) -> Page:
    """Opened, with all that it asks for by itself: a session that goes before would be answered with 404."""
    opened(page, session).wait_for_load_state("networkidle")
    return page


def in_the_trash(page: Page) -> Locator:
    notice = page.get_by_role("status").filter(has_text="This session was moved to the trash.")
    expect(notice).to_be_in_viewport(ratio=1)
    return notice


def test_an_open_page_says_that_its_session_went_to_the_trash_and_restores_it(
    signed_in_page: Page, session: AgentSession
) -> None:
    fill(session, 40)
    page = at_rest(signed_in_page, session)
    delete_session(session.pk, actor=SYSTEM)
    notice = in_the_trash(page)
    expect(page.locator("live-session")).to_have_attribute("data-live", "closed")
    expect(page.locator("#session-status")).to_have_count(0)
    expect(page.get_by_role("button", name="Archive")).to_have_count(0)
    expect(page.get_by_text("Message 40.")).to_be_attached()
    notice.get_by_role("button", name="Restore").click()
    # The news of it comes at the same moment, and must not renew the page before the answer says this.
    expect(page.locator("toast-region")).to_contain_text("Restored from the trash")
    expect(page.locator("live-session")).to_have_attribute("data-live", "connected")
    expect(page.get_by_role("button", name="Archive", exact=True)).to_be_visible()
    assert not AgentSession.objects.filter(deleted_ms__isnull=False).exists()


@pytest.mark.once  # What a page does by itself is no matter of the engine.
@pytest.mark.parametrize("answered", [True, False])
def test_news_that_come_before_the_answer_leave_the_answer_its_word(
    signed_in_page: Page, session: AgentSession, problems: Problems, answered: bool
) -> None:
    if not answered:
        problems.allow("net::ERR_FAILED|htmx:(sendError|afterRequest)")
    page = at_rest(signed_in_page, session)
    delete_session(session.pk, actor=SYSTEM)
    notice = in_the_trash(page)
    held: list[Route] = []
    page.route("**/restore/", lambda route: held.append(route))
    with page.expect_request("**/restore/"):
        notice.get_by_role("button", name="Restore").click()
    restore_session(session.pk, actor=SYSTEM)
    expect(page.locator("live-session")).to_have_attribute("data-live", "connected")
    expect(notice).to_be_visible()
    if answered:
        held.pop().continue_()
        expect(page.locator("toast-region")).to_contain_text("Restored from the trash")
    else:
        held.pop().abort()
    expect(page.locator("#session-status")).to_be_visible()


def test_a_page_goes_on_when_its_session_is_restored_elsewhere(
    open_context: OpenContext, session: AgentSession
) -> None:
    page = at_rest(open_context(make_person(Role.VIEWER)).new_page(), session)
    delete_session(session.pk, actor=SYSTEM)
    expect(in_the_trash(page)).to_contain_text("An operator can restore it.")
    expect(page.get_by_role("button", name="Restore")).to_have_count(0)
    restore_session(session.pk, actor=SYSTEM)
    expect(page.locator("#session-status")).to_be_visible()
    expect(page.locator("live-session")).to_have_attribute("data-live", "connected")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_what_is_being_typed_outlives_the_session(signed_in_page: Page, session: AgentSession) -> None:
    page = at_rest(signed_in_page, session)
    page.get_by_title("Rename").click()
    page.get_by_label("Title").fill("Typed for a long time")
    delete_session(session.pk, actor=SYSTEM)
    in_the_trash(page)
    expect(page.get_by_label("Title")).to_have_value("Typed for a long time")
    expect(page.get_by_label("Title")).to_be_focused()


def test_a_session_that_is_gone_for_good_is_said_to_be(signed_in_page: Page, session: AgentSession) -> None:
    page = at_rest(signed_in_page, session)
    session.runs.all().delete()
    AgentSession.objects.filter(pk=session.pk).delete()
    expect(page.get_by_role("status").filter(has_text="This session is gone.")).to_be_visible()
    expect(page.get_by_role("button", name="Restore")).to_have_count(0)
    expect(page.get_by_role("button", name="Archive")).to_have_count(0)


@pytest.mark.once  # How a page looks is no matter of the engine.
@pytest.mark.parametrize("width", [1440, 390])
def test_the_notice_of_the_trash_stands_in_sight_and_axe_finds_nothing(
    open_context: OpenContext, operator: Person, session: AgentSession, width: int
) -> None:
    fill(session, 40)
    page = open_context(operator, viewport={"width": width, "height": 844}, bypass_csp=True).new_page()
    at_rest(page, session)
    page.evaluate("document.scrollingElement.scrollTop = document.scrollingElement.scrollHeight")
    delete_session(session.pk, actor=SYSTEM)
    in_the_trash(page)
    found = accessibility.findings(page, "trash")
    assert not found, "\n".join(found)
