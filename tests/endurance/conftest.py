"""The real server, started empty on a database of its own, which the test's own ORM is pointed at as well."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from pytest_django import DjangoDbBlocker

from tests.browser.conftest import connected_to
from tests.browser.running import Server, temporary_home


@pytest.fixture
def server(empty_database_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Server]:
    with (
        temporary_home() as home,
        Server(Path(home), empty_database_url, secret_key=settings.SECRET_KEY) as running,
        django_db_blocker.unblock(),
        connected_to(empty_database_url),
    ):
        yield running
