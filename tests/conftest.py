import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection
from django.db.models.signals import post_migrate
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser
from pytest_django import DjangoDbBlocker
from pytest_django.fixtures import Settings

from audit.standing import Standing
from sessions_app.actions.terminals.screens import stop_screens
from sessions_app.actions.terminals.working import stop_own_workshop
from sessions_app.models import SearchEntry, TitleWords
from sessions_app.search import index
from tests import launching
from tests.chromium import running_chromium
from tests.databases import migrated
from tests.flushing import triggers_let_go_of_flushes
from tests.launching.forking import start_children_by
from tests.shared import made_once

# No test is timed: how long an example takes is for the machine, and for what else runs on it, to say.
hypothesis_settings.register_profile(
    "tests", hypothesis_settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("tests")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for the whole stage; a test opens contexts of its own in it (`chromium.new_context()`)."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session", autouse=True)
def programs_are_forked() -> Iterator[None]:
    launching.forks = True
    start_children_by(launching.start_child)
    yield
    launching.forks = False


@pytest.fixture(scope="session", autouse=True)
def engines_end() -> Iterator[None]:
    """What a test draws or derives in this process is done by children that stay for the next one."""
    yield
    stop_screens()
    stop_own_workshop()


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a database that is migrated once and copied for each test."""
    return made_once(tmp_path_factory, "template", migrated)


@pytest.fixture
def installed_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """`scrollback` is started as a person starts it, by its script and with all of its imports; so are the processes of
    the terminal engine, as children of who started them."""
    monkeypatch.setattr(launching, "forks", False)


@pytest.fixture(autouse=True)
def plain_static_files(settings: Settings) -> None:
    """Pages name static files as they lie in the sources: nothing was collected, and nothing is served."""
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture(autouse=True)
def nobody_knows_the_health_of_another_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.health._known", None)
    monkeypatch.setattr("audit.standing._standing", Standing())


@pytest.fixture(scope="session", autouse=True)
def words_go_with_their_entries() -> Iterator[None]:
    """A transactional test ends by emptying the tables of the models; the word index is no model."""

    def clear(**_: object) -> None:
        names = connection.introspection.table_names()
        if "search_text" in names and not SearchEntry.objects.exists():
            index.clear()
        if "search_titles" in names and not TitleWords.objects.exists():
            index.clear_titles()

    post_migrate.connect(clear, sender=apps.get_app_config("sessions_app"))
    yield
    post_migrate.disconnect(clear, sender=apps.get_app_config("sessions_app"))


@pytest.fixture(scope="session", autouse=True)
def audit_log_goes_with_the_rest() -> Iterator[None]:
    with triggers_let_go_of_flushes():
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Postgres may not have noticed yet that a program was killed by a test, and keeps the database for it."""
    yield
    if connection.vendor != "postgresql":
        return
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    deadline = time.monotonic() + 5
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(f"SELECT count(*) {others}")
            if cursor.fetchone() == (0,):
                return
            time.sleep(0.1)
        cursor.execute(f"SELECT pg_terminate_backend(pid) {others}")
