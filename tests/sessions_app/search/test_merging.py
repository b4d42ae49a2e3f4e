"""Words of a large import are merged into the index by a connection beside."""

import threading

import pytest
from django.db import DatabaseError, connection

from dashboard.lib.db import vendor
from sessions_app.search import index
from sessions_app.search.merging import merge, merging_beside

pytestmark = pytest.mark.django_db(transaction=True)


def add_words(first: int, count: int = 500) -> None:
    index.add((entry, f"zebra w{entry} of{entry % 7}") for entry in range(first, first + count))


def list_limit() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW gin_pending_list_limit")
        return str(cursor.fetchone()[0])


def found(word: str) -> list[int]:
    return index.candidates([index.Term(word)], before=None, after=None, limit=2_000)


def test_what_is_added_is_found_at_once_and_nothing_waits_at_the_end() -> None:
    with merging_beside():
        for first in (1, 501, 1_001):
            add_words(first)
            assert found(f"w{first}") == [first]
    assert len(found("zebra")) == 1_500
    assert vendor() == "sqlite" or merge() == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "merging-words"]


def fail_after(first: int) -> None:
    with merging_beside():
        add_words(first)
        raise RuntimeError("no history")


def test_what_was_added_before_an_import_failed_is_merged_too() -> None:
    with pytest.raises(RuntimeError, match="no history"):
        fail_after(1)
    assert found("w7") == [7]
    assert vendor() == "sqlite" or merge() == 0


def test_the_connection_is_left_as_it_was() -> None:
    if vendor() == "sqlite":
        pytest.skip("SQLite has no such list")
    usual = list_limit()
    with merging_beside():
        assert list_limit() == "256MB"
    assert list_limit() == usual


def test_who_does_not_own_the_index_merges_as_usual() -> None:
    if vendor() == "sqlite":
        pytest.skip("SQLite has no roles")
    usual = list_limit()
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE ROLE appender; GRANT SELECT, INSERT ON search_text TO appender; SET ROLE appender"
        )
    try:
        with pytest.raises(DatabaseError, match="owner"):
            merge()
        with merging_beside():
            assert list_limit() == usual
            add_words(1)
        assert found("w7") == [7]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE; DROP OWNED BY appender; DROP ROLE appender")
