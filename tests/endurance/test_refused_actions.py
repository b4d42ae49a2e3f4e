"""A full disk, a locked database, a key that is gone: nothing strict is done without its entry, and it is told."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Final

import psycopg
import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from audit.keys import key_path
from audit.models import Checkpoint, Log
from audit.record import LOG_LOCK
from tests.browser.running import Server
from tests.databases import copied
from tests.endurance.console import Console, serving
from tests.endurance.disks import SmallDisk, database_on, small_disk
from tests.endurance.recording import wait_until

TOLD_S: Final = 5.0
# Instead of twenty seconds.
WAIT_S: Final = 3
NOTICE: Final = "Something is wrong with the audit log"


@pytest.fixture(scope="module")
def static_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("static-cache")


@pytest.fixture(scope="module")
def database_url(migrated_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with copied(migrated_database, tmp_path_factory.mktemp("database")) as url:
        yield url


@pytest.fixture(scope="module")
def server(database_url: str, static_cache: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Server]:
    """One for all that ends well again."""
    with serving(impatient(database_url), static_cache, django_db_blocker) as running:
        yield running


@pytest.fixture
def console(server: Server) -> Console:
    return Console(server)


def impatient(url: str) -> str:
    wait = f"timeout={WAIT_S}" if url.startswith("sqlite") else f"options=-c%20lock_timeout%3D{WAIT_S}s"
    return f"{url}?{wait}"


def assert_told(console: Console, reason: str) -> None:
    """By `/healthz`, and on every page."""
    wait_until(lambda: console.health()[0] == 503, "it is not told", TOLD_S)
    assert reason in console.health()[1]
    wait_until(lambda: NOTICE in console.page().text, "no page tells", TOLD_S)
    assert reason in console.page().text


def wait_until_well(console: Console) -> None:
    wait_until(lambda: console.health()[0] == 200, "it is not well again", 30)
    wait_until(lambda: NOTICE not in console.page().text, "a page tells what is over", 30)


@contextmanager
def locked_file(url: str) -> Iterator[None]:
    """Another program writes to SQLite's file, and does not end."""
    path = url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield
        holder.execute("ROLLBACK")


@contextmanager
def locked_log(url: str) -> Iterator[None]:
    """Another server of the same console appends to the log, and does not end."""
    with psycopg.connect(url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [LOG_LOCK])
        yield


@contextmanager
def locked_table(url: str) -> Iterator[None]:
    """As an administrator's VACUUM FULL locks it: whoever only reads waits too."""
    with psycopg.connect(url) as holder:
        holder.execute("LOCK TABLE audit_entry IN ACCESS EXCLUSIVE MODE")
        yield


@pytest.mark.parametrize("lock", [locked_file, locked_log, locked_table])
def test_while_the_database_is_locked_nothing_is_done_and_it_is_told(
    console: Console, database_url: str, lock: Callable[[str], AbstractContextManager[None]]
) -> None:
    if (lock is locked_file) != (connection.vendor == "sqlite"):
        pytest.skip("SQLite has one lock, that of its file; Postgres has locks of tables and of our own")
    console.let_a_minute_pass()
    before = console.look()
    with lock(database_url):
        assert_told(console, "locked by another process")
        answers = console.send_all()
    assert console.done_since(before, answers) == set()
    for name, answer in answers.items():
        assert answer.status == 503, name
        assert "locked by another process for too long. End that one" in answer.text, name
    wait_until_well(console)
    console.do_everything()


def test_with_a_full_disk_nothing_is_done_without_its_entry_and_it_is_told(
    migrated_database: str, static_cache: Path, django_db_blocker: DjangoDbBlocker
) -> None:
    with (
        small_disk(160) as disk,
        database_on(disk, migrated_database) as url,
        serving(url, static_cache, django_db_blocker) as server,
    ):
        console = Console(server)
        console.let_a_minute_pass()
        before = console.look()
        fill(disk)
        assert_told(console, "is full. Free some space")
        answers = console.send_all()
        newcomer = console.newcomer()
        done = console.done_since(before, answers)
        if connection.vendor == "sqlite":
            # Postgres may find room in the pages that it has already.
            assert done == set()
            assert newcomer.status == 503
        refused = [answers[name] for name in set(answers) - done] + [newcomer] * (newcomer.status != 200)
        for answer in refused:
            assert answer.status == 503
            assert "is full. Free some space" in answer.text
        disk.free()
        wait_until_well(console)
        Console(server).do_everything()


def fill(disk: SmallDisk) -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            # What its log takes already it can take again.
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    disk.fill()


def remove(key: Path) -> None:
    key.unlink()


def make_unreadable(key: Path) -> None:
    """For root too, as whom tests may run: it reads whatever the mode says."""
    key.unlink()
    key.mkdir()


def damage(key: Path) -> None:
    key.write_text("PRIVATE+KEY+nothing of the kind")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [(remove, "is missing. Put it back"), (make_unreadable, "cannot be read"), (damage, "is damaged")],
)
def test_without_its_key_the_log_takes_entries_that_are_signed_later_and_it_is_told(
    console: Console, harm: Callable[[Path], None], reason: str
) -> None:
    wait_until(lambda: Checkpoint.objects.exists(), "nothing is signed")
    key = console.server.home / key_path(Log.objects.get().origin).name
    kept = key.read_bytes()
    harm(key)
    try:
        # Nobody has asked for it yet.
        wait_until(lambda: reason in console.page().text, "no page tells", TOLD_S)
        assert_told(console, reason)
        # Each thing that is done has its own entry.
        console.do_everything()
        size = Log.objects.get().size
        assert not Checkpoint.objects.filter(size__gte=size).exists()
    finally:
        if key.is_dir():
            key.rmdir()
        key.write_bytes(kept)
        # Put back as it was: open to others it would be told as well.
        key.chmod(0o600)
    wait_until_well(console)
    wait_until(lambda: Checkpoint.objects.filter(size__gte=size).exists(), "the entries are not signed")
    verified = console.server.run("audit", "verify", "--json")
    assert verified.returncode == 0, verified.stdout
