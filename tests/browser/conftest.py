"""Fixtures of the browser tests.

`server` is the real program in its own process with its own empty, migrated database; the test's own ORM is
pointed at that database, so factories and actions work as another process of the same console.
`signed_in_page` is a page of a signed-in operator; a test fails when any page it opened had an error.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import dj_database_url
import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django import DjangoDbBlocker

from sessions_app.models import AgentSession, Person, Role
from tests.browser.problems import Problems
from tests.browser.running import Server, shared_cache, temporary_home
from tests.browser.settled import PATIENCE_MS
from tests.databases import copied
from tests.factories import make_person, make_session

type OpenContext = Callable[..., BrowserContext]

# Playwright's own five seconds are too short where others use the processors as well.
expect.set_options(timeout=PATIENCE_MS)

# Where a database is, of what Django keeps of it.
_PLACE = ("NAME", "HOST", "PORT", "USER", "PASSWORD")


@pytest.fixture(scope="session")
def unblocked_database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    # Playwright's synchronous interface keeps an event loop in this thread, which Django takes for a mistake.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with django_db_blocker.unblock():
        yield


@pytest.fixture(scope="session")
def static_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("static-cache")


class Template(NamedTuple):
    """The console that a test gets a copy of."""

    database_url: str
    # What lies in its home and belongs to the database: without the log's key its entries would be another's.
    keys: tuple[Path, ...] = ()


@pytest.fixture
def template(migrated_database: str) -> Template:
    """Nothing but the tables; tests that begin with more define their own."""
    return Template(migrated_database)


@pytest.fixture
def database_url(unblocked_database: None, template: Template, tmp_path: Path) -> Iterator[str]:
    """URL of this test's own database, a copy of the template, to which the ORM is pointed meanwhile."""
    with copied(template.database_url, tmp_path) as url, connected_to(url):
        yield url


@pytest.fixture
def server(database_url: str, template: Template, static_cache: Path) -> Iterator[Server]:
    with temporary_home() as home:
        shared_cache(static_cache, Path(home))
        for key in template.keys:
            shutil.copy2(key, home)
        with Server(Path(home), database_url, secret_key=settings.SECRET_KEY) as running:
            yield running


@pytest.fixture
def problems() -> Iterator[Problems]:
    found = Problems()
    yield found
    found.check()


@pytest.fixture
def open_context(chromium: Browser, problems: Problems, server: Server) -> Iterator[OpenContext]:
    """Opens a browser of its own (cookies, cache) that is watched for problems; closed after the test."""
    opened: list[BrowserContext] = []

    def open_one(person: Person | None = None, **options: object) -> BrowserContext:
        defaults: dict[str, object] = {"base_url": server.url, "viewport": {"width": 1440, "height": 900}}
        context = chromium.new_context(**{**defaults, **options})  # type: ignore[arg-type]
        problems.watch(context)
        if person is not None:
            sign_in(context, server, person)
        opened.append(context)
        return context

    yield open_one
    for context in opened:
        context.close()


@pytest.fixture
def operator(server: Server) -> Person:
    return make_person(Role.OPERATOR, username="ada")


@pytest.fixture
def signed_in_page(open_context: OpenContext, operator: Person) -> Page:
    return open_context(operator).new_page()


@pytest.fixture
def session(server: Server, problems: Problems) -> AgentSession:
    # Whether a row was read may be told just after its session went.
    problems.allow("404 .*/read/")
    return make_session(with_main_run=True, status="running")


def sign_in(context: BrowserContext, server: Server, person: Person) -> None:
    """Give the browser the cookie that signing in would give it."""
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    assert session.session_key is not None
    context.add_cookies(
        [
            {
                "name": settings.SESSION_COOKIE_NAME,
                "value": session.session_key,
                "url": server.url,
                "httpOnly": True,
                "sameSite": "Strict",
            }
        ]
    )


@contextmanager
def connected_to(url: str) -> Iterator[None]:
    """Point Django's connection in this process at another database of the same engine."""
    place = dj_database_url.parse(url)
    before = {name: connection.settings_dict[name] for name in _PLACE}
    _reconnect({name: place[name] for name in _PLACE})  # type: ignore[literal-required]
    try:
        yield
    finally:
        _reconnect(before)


def _reconnect(place: dict[str, object]) -> None:
    connection.close()
    close_pool = getattr(connection, "close_pool", None)
    if close_pool is not None:
        close_pool()
    connection.settings_dict.update(place)
