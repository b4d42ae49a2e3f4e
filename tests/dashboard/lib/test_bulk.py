"""Rows in bulk, as each engine takes them."""

from typing import Any

import pytest
from django.db import DataError, connection, transaction

from dashboard.lib.bulk import bulk_insert, bulk_writing, existing_keys
from dashboard.lib.db import vendor
from dashboard.lib.ids import new_id
from sessions_app.models import Blob, Event, EventKind, Message, Tag
from tests.factories import make_session

COLUMNS = ("id", "name")


@pytest.mark.django_db
def test_bulk_insert_writes_what_the_orm_reads() -> None:
    session = make_session()
    identity = new_id()
    awkward = "tab\tnew\nline \\ back\\N slash € 漢字 \U0001f600 'quote'"
    columns = ("id", "session_id", "run_id", "seq", "at_ms", "turn", "role", "kind", "text", "attachments",
               "external_id", "model", "stop_reason", "is_hidden", "text_size", "text_blob_id", "reasoning",
               "reasoning_size", "reasoning_blob_id", "input_tokens", "output_tokens", "cache_read_tokens",
               "cache_write_tokens", "source_id", "source_offset", "source_size", "source_line")  # fmt: skip
    row = (identity, session.pk, None, 1, 5, 0, "user", "prompt", awkward, '[{"size": 3}]',
           "", "", "", True, 7, None, "", 0, None, 1, 2, 3, 2**40, None, None, None, None)  # fmt: skip

    bulk_insert(Message, columns, [row])

    message = Message.objects.get(pk=identity)
    assert message.text == awkward
    assert message.attachments == [{"size": 3}]
    assert message.is_hidden is True
    assert message.run_id is None
    assert message.session == session
    assert message.cache_write_tokens == 2**40


@pytest.mark.django_db
def test_bulk_insert_can_leave_existing_rows_alone() -> None:
    first, second = new_id(), new_id()
    with transaction.atomic():
        bulk_insert(Tag, COLUMNS, [(first, "one")])
        bulk_insert(Tag, COLUMNS, [(first, "changed"), (second, "two")], ignore_existing=True)
        bulk_insert(Tag, COLUMNS, [(second, "changed")], ignore_existing=True)

    assert list(Tag.objects.order_by("name").values_list("name", flat=True)) == ["one", "two"]


@pytest.mark.django_db
def test_bulk_insert_keeps_bytes_exactly() -> None:
    data = bytes(range(256))
    bulk_insert(Blob, ("sha256", "size", "codec", "data", "created_ms"), [("a" * 64, 256, "raw", data, 1)])

    assert Blob.objects.get().read() == data


@pytest.mark.django_db
def test_existing_keys_names_those_that_are_there() -> None:
    session = make_session()
    event = Event.objects.create(session=session, seq=1, at_ms=1, kind=EventKind.NOTED)
    other = [new_id().hex for _ in range(5000)]

    assert existing_keys(Event, [*other, event.pk.hex]) == {event.pk.hex}


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="a pragma of SQLite's")
def test_bulk_writing_seldom_copies_the_log_of_sqlite() -> None:
    with bulk_writing():
        Tag.objects.create(id=new_id(), name="bulk")
        assert asked("PRAGMA wal_autocheckpoint") > 10_000
    assert asked("PRAGMA wal_autocheckpoint") == 1_000
    assert Tag.objects.filter(name="bulk").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="a setting of Postgres's")
def test_bulk_writing_on_postgres_is_on_the_disk_at_its_end() -> None:
    setting = "SELECT setting || ' ' || source FROM pg_settings WHERE name = 'synchronous_commit'"
    before = asked(setting)
    with bulk_writing():
        assert asked(setting) == "off session"
        Tag.objects.create(id=new_id(), name="bulk")
        written = asked("SELECT pg_current_wal_insert_lsn()")
    assert asked(f"SELECT pg_current_wal_flush_lsn() >= '{written}'::pg_lsn") is True
    assert asked(setting) == before


def asked(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


@pytest.mark.django_db
@pytest.mark.parametrize("turn", [2**31, -(2**31) - 1, 2**70, "many"])
def test_what_no_column_holds_is_refused(turn: int | str) -> None:
    if vendor() == "sqlite" and turn != 2**70:
        pytest.skip("SQLite keeps text, and any number of 64 bits, in any column")
    columns = ("id", "session_id", "seq", "at_ms", "turn", "kind", "text", "document")
    row = (new_id(), make_session().pk, 1, 5, turn, EventKind.NOTED, "", "")
    with pytest.raises((DataError, OverflowError)), transaction.atomic():
        bulk_insert(Event, columns, [row])
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_ids_are_taken_as_values_and_as_digits() -> None:
    session = make_session()
    ids = [new_id(), new_id()]
    columns = ("id", "session_id", "seq", "at_ms", "turn", "kind", "text", "document")
    rows = [
        (ids[0], session.pk, 1, 5, 0, EventKind.NOTED, "", ""),
        (ids[1].hex, session.pk.hex, 2, -5, -(2**31), EventKind.NOTED, "", ""),
    ]
    bulk_insert(Event, columns, rows)
    assert list(Event.objects.order_by("seq").values_list("id", "session_id", "at_ms", "turn")) == [
        (ids[0], session.pk, 5, 0),
        (ids[1], session.pk, -5, -(2**31)),
    ]
