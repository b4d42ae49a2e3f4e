"""Every page, each with one of everything in the console.

The long lists and the real histories are looked at in test_console.py, where the content policy is in force too.
"""

import pytest

from sessions_app.models import Person
from tests.browser import accessibility
from tests.browser.conftest import OpenContext
from tests.browser.pages import NO_SETUP_LINK, every_page
from tests.browser.problems import Problems
from tests.browser.running import Server

pytestmark = [pytest.mark.browser, pytest.mark.once]  # How a page looks is no matter of the engine.


def test_axe_finds_nothing_on_any_page(
    open_context: OpenContext, operator: Person, server: Server, problems: Problems
) -> None:
    problems.allow_missing(server.url + NO_SETUP_LINK)
    context = open_context(operator, viewport={"width": 390, "height": 844}, bypass_csp=True)
    found = accessibility.of_each(context.new_page(), every_page(context, operator))
    assert not found, "\n".join(found)
