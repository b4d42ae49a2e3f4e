"""Whether a write could begin now, without writing anything."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection

from audit.models import Entry, Log
from audit.record import LOG_LOCK
from dashboard.lib.db import ChangeDetector, advisory_lock, explain, vendor, write_transaction
from dashboard.lib.writable import waiting_for_locks, write_trouble
from sessions_app.models import Tag

pytestmark = pytest.mark.django_db(transaction=True)


def trouble(wait_ms: int = 300) -> str:
    return write_trouble((Entry, Log), LOG_LOCK, wait_ms=wait_ms)


def patience_ms() -> int:
    """How long the next statement of this connection would wait for a lock."""
    with connection.cursor() as cursor:
        if vendor() == "sqlite":
            cursor.execute("PRAGMA busy_timeout")
        else:
            cursor.execute("SELECT setting FROM pg_settings WHERE name = 'lock_timeout'")
        return int(cursor.fetchone()[0])


@contextmanager
def somebody_writes() -> Iterator[None]:
    """And does not commit, on a connection of their own."""
    begun, over = threading.Event(), threading.Event()

    def write() -> None:
        try:
            with write_transaction():
                advisory_lock(LOG_LOCK)
                begun.set()
                over.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(10)
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_nothing_is_wrong_with_a_database_that_nobody_locks() -> None:
    assert trouble() == ""


def test_a_lock_that_is_held_is_told_and_what_to_do() -> None:
    with somebody_writes():
        said = trouble()
    assert "locked by another process for too long. End that one" in said
    assert trouble() == ""


def test_a_lock_that_others_take_in_turns_is_no_trouble() -> None:
    """As while an import writes one transaction after another: a look may find no gap, and each is soon over."""
    committed, over = threading.Event(), threading.Event()

    def write_on_and_on() -> None:
        number = 0
        try:
            while not over.is_set():
                with write_transaction():
                    advisory_lock(LOG_LOCK)
                    Tag.objects.create(name=f"tag {number}")
                    over.wait(0.05)
                number += 1
                committed.set()
        finally:
            connection.close()

    thread = threading.Thread(target=write_on_and_on)
    thread.start()
    try:
        assert committed.wait(10)
        assert [trouble(2_000) for _ in range(3)] == ["", "", ""]
    finally:
        over.set()
        thread.join()


def test_looking_is_no_news_for_whoever_watches_for_some() -> None:
    detector = ChangeDetector()
    try:
        # Autovacuum moves the snapshot of Postgres as well, but not each time.
        news = []
        for _ in range(20):
            detector.changed()
            assert trouble() == ""
            news.append(detector.changed())
        assert not all(news)
    finally:
        detector.close()


def test_a_statement_waits_for_a_lock_as_long_on_either_engine_and_shorter_where_it_is_said() -> None:
    assert patience_ms() == 20_000
    with waiting_for_locks(700):
        assert patience_ms() == 700
    assert patience_ms() == 20_000


def test_a_wait_that_was_too_long_is_told_as_one() -> None:
    with (
        somebody_writes(),
        waiting_for_locks(100),
        pytest.raises(OperationalError) as caught,
        write_transaction(),
    ):
        advisory_lock(LOG_LOCK)
    assert "locked by another process" in explain(caught.value)
