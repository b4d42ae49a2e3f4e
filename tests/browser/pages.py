"""Every address of the URL table that answers with a page: the one list that the tests of all pages walk."""

from playwright.sync_api import BrowserContext

from sessions_app.models import Person
from tests.sessions_app.access.table import TABLE
from tests.sessions_app.access.test_matrix import World

# A set-up link that is none, and what is said of it: the only page here that answers 404.
NO_SETUP_LINK = "/setup/unknown/"


def every_page(context: BrowserContext, person: Person, **instead: object) -> list[str]:
    """Those that answer with a whole page; the others are parts of pages, downloads and pictures, or for development.

    Makes one of everything to be looked at. `instead` names what is looked at in its place, by the parameters of the
    addresses, as `session_id`.
    """
    world = World(person, signs=False)
    pages = [
        (route, row)
        for route, row in TABLE.items()
        if row.kind in ("page", "open") and "GET" in row.methods and _is_page(context, world.path(route, row))
    ]
    assert len(pages) > 30
    world.values |= instead
    return [world.path(route, row) for route, row in pages]


def _is_page(context: BrowserContext, path: str) -> bool:
    answer = context.request.get(path, max_redirects=0)
    return (
        (answer.ok or path == NO_SETUP_LINK)
        and answer.headers.get("content-type", "").startswith("text/html")
        and "<html" in answer.text()
    )
