"""How much script a page loads, on the real pages: 150 KB before a terminal opens, our own and others' together.

Counted as it is parsed, not as it is sent compressed. What a terminal brings along, xterm.js and all that draws and
plays, comes beside that, and only where a terminal is open.
"""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Response

from audit.actors import SYSTEM
from sessions_app.actions.sessions import archive_session
from sessions_app.models import Person
from tests.browser.conftest import OpenContext
from tests.browser.settled import at_rest
from tests.factories import START_MS, make_message, make_session, make_terminal, make_tool_call

pytestmark = [pytest.mark.browser, pytest.mark.once]  # What a page loads is no matter of the engine.

BUDGET_BYTES = 150_000
OF_TERMINALS = ("/static/vendor/xterm/", "/static/js/terminal/")


def scripts_of(open_context: OpenContext, operator: Person, path: str) -> dict[str, int]:
    """Bytes of every script that the page loads into an empty cache, by the paths of their addresses."""
    context = open_context(operator)
    page = context.new_page()
    answers: list[Response] = []
    # Not the method itself: Playwright sets an attribute of what it calls.
    page.on("response", lambda answer: answers.append(answer))
    page.goto(path, wait_until="networkidle")
    at_rest(page)
    scripts = {urlsplit(answer.url).path: answer for answer in answers if ".js" in urlsplit(answer.url).path}
    found = {path: len(answer.body()) for path, answer in scripts.items()}
    context.close()
    return found


def pages() -> dict[str, str]:
    """Paths of pages with something on them, by what they show."""
    session = make_session(started_ms=START_MS, ended_ms=START_MS + 600_000, with_main_run=True)
    make_message(session)
    make_tool_call(session)
    terminal = make_terminal(session, b"one line\r\n" * 40, started_ms=START_MS, duration_us=100_000_000)
    alone = make_session(started_ms=START_MS, ended_ms=START_MS + 600_000, with_main_run=True)
    message = make_message(alone)
    archive_session(make_session().pk, actor=SYSTEM)
    return {
        "now": "/",
        "sessions": "/sessions/",
        "transcript": f"/sessions/{alone.pk}/",
        "runs of a session": f"/sessions/{alone.pk}/runs/",
        "files": f"/sessions/{alone.pk}/files/",
        "raw": f"/sessions/{alone.pk}/raw/",
        "run": f"/runs/{alone.runs.get().pk}/",
        "runs": "/runs/",
        "search": f"/search/?q={message.text.split()[0]}",
        "wall": "/terminals/?view=wall",
        "audit": "/audit/",
        "audit entry": "/audit/0/",
        "settings": "/settings/",
        "transcript beside a terminal": f"/sessions/{session.pk}/",
        "terminal": f"/terminals/{terminal.pk}/",
    }


WITH_TERMINAL = {"transcript beside a terminal", "terminal"}


def test_script_of_every_page_keeps_to_its_budget(open_context: OpenContext, operator: Person) -> None:
    totals: dict[str, int] = {}
    for name, path in pages().items():
        found = scripts_of(open_context, operator, path)
        terminals = {each for each in found if each.startswith(OF_TERMINALS)}
        assert bool(terminals) == (name in WITH_TERMINAL), f"{name} loads {sorted(terminals)}"
        totals[name] = sum(size for each, size in found.items() if each not in terminals)
    # htmx alone has 50 KB: a page that was not loaded whole keeps to any budget.
    assert all(50_000 < total <= BUDGET_BYTES for total in totals.values()), totals
