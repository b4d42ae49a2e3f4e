"""What tests of a session's page need: filling it, opening it."""

from django.urls import reverse
from playwright.sync_api import Page, expect

from sessions_app.models import AgentSession
from tests.factories import make_replies

OPEN_FOLDS = (
    "document.querySelectorAll('main details:not(.menu, .rename)').forEach((fold) => { fold.open = true })"
)


def address(session: AgentSession, query: str = "") -> str:
    return reverse("session", args=[session.pk]) + query


def fill(session: AgentSession, number: int) -> None:
    make_replies(session, [f"Message {count}.\n\n" + "Some words. " * 20 for count in range(1, number + 1)])


def opened(page: Page, session: AgentSession, query: str = "") -> Page:
    page.goto(address(session, query))
    expect(page.locator("live-session")).to_have_attribute("data-live", "connected")
    return page
