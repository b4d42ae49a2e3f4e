"""Every address of the URL table that answers with a page, each with one of everything in the console.

The long lists and the real histories are looked at elsewhere; here no page can be forgotten.
"""

import pytest
from playwright.sync_api import BrowserContext

from sessions_app.models import Person
from tests.browser import accessibility
from tests.browser.conftest import OpenContext
from tests.browser.problems import Problems
from tests.browser.settled import at_rest
from tests.sessions_app.access.table import TABLE
from tests.sessions_app.access.test_matrix import World

pytestmark = [pytest.mark.browser, pytest.mark.once]  # How a page looks is no matter of the engine.

# A set-up link that is none, and what is said of it; Chromium prints such answers.
GOES_NOWHERE = 404


def addresses(context: BrowserContext, person: Person) -> list[str]:
    """Those that answer with a whole page; the others are parts of pages, downloads and pictures."""
    world = World(person, signs=False)
    paths = [
        world.path(route, row)
        for route, row in TABLE.items()
        if row.kind in ("page", "open") and "GET" in row.methods
    ]
    found = []
    for path in paths:
        answer = context.request.get(path, max_redirects=0)
        is_page = answer.ok or answer.status == GOES_NOWHERE
        if (
            is_page
            and answer.headers.get("content-type", "").startswith("text/html")
            and "<html" in answer.text()
        ):
            found.append(path)
    return found


def test_no_page_prints_an_error_or_breaks_the_content_policy(
    open_context: OpenContext, operator: Person, problems: Problems
) -> None:
    problems.allow(str(GOES_NOWHERE))
    context = open_context(operator)
    paths = addresses(context, operator)
    page = context.new_page()
    assert len(paths) > 30
    for path in paths:
        page.goto(path)
        at_rest(page)


def test_axe_finds_nothing_on_any_page(
    open_context: OpenContext, operator: Person, problems: Problems
) -> None:
    problems.allow(str(GOES_NOWHERE))
    context = open_context(operator, viewport={"width": 390, "height": 844}, bypass_csp=True)
    found = accessibility.of_each(context.new_page(), addresses(context, operator))
    assert not found, "\n".join(found)
