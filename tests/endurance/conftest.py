"""The real server on an empty database of its own, which the test's own ORM is pointed at as well."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from pytest_django import DjangoDbBlocker

from tests.browser.conftest import connected_to
from tests.browser.running import Server, temporary_home
from tests.databases import copied


@pytest.fixture
def server(migrated_database: str, tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Server]:
    with (
        copied(migrated_database, tmp_path) as url,
        temporary_home() as home,
        Server(Path(home), url, secret_key=settings.SECRET_KEY) as running,
        django_db_blocker.unblock(),
        connected_to(url),
    ):
        yield running
