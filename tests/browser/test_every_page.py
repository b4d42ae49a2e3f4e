"""Every page, each with one of everything in the console.

The long lists and the real histories are looked at elsewhere; here no page can be forgotten.
"""

import pytest

from sessions_app.models import Person
from tests.browser import accessibility
from tests.browser.conftest import OpenContext
from tests.browser.pages import NO_SETUP_LINK, every_page
from tests.browser.problems import Problems
from tests.browser.running import Server
from tests.browser.settled import at_rest

pytestmark = [pytest.mark.browser, pytest.mark.once]  # How a page looks is no matter of the engine.


def test_no_page_prints_an_error_or_breaks_the_content_policy(
    open_context: OpenContext, operator: Person, server: Server, problems: Problems
) -> None:
    problems.allow_missing(server.url + NO_SETUP_LINK)
    context = open_context(operator)
    page = context.new_page()
    for path in every_page(context, operator):
        page.goto(path)
        at_rest(page)


def test_axe_finds_nothing_on_any_page(
    open_context: OpenContext, operator: Person, server: Server, problems: Problems
) -> None:
    problems.allow_missing(server.url + NO_SETUP_LINK)
    context = open_context(operator, viewport={"width": 390, "height": 844}, bypass_csp=True)
    found = accessibility.of_each(context.new_page(), every_page(context, operator))
    assert not found, "\n".join(found)
