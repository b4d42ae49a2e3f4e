import threading
import uuid

import pytest
from django.db import connection, transaction

from dashboard.lib.db import (
    ChangeDetector,
    bulk_insert,
    bulk_writing,
    existing_keys,
    vendor,
    write_transaction,
)
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
def test_a_read_then_write_transaction_waits_instead_of_failing() -> None:
    tag = Tag.objects.create(id=new_id(), name="0")
    failures: list[BaseException] = []

    def add_one() -> None:
        try:
            for _ in range(25):
                with write_transaction():
                    row = Tag.objects.select_for_update().get(pk=tag.pk)
                    row.name = str(int(row.name) + 1)
                    row.save()
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=add_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    tag.refresh_from_db()
    assert failures == []
    assert tag.name == "100"


@pytest.mark.django_db(transaction=True)
def test_the_change_detector_sees_commits_and_nothing_else() -> None:
    detector = ChangeDetector()
    try:
        assert detector.changed()
        if vendor() == "sqlite":
            # Postgres may move its snapshot for work of its own.
            assert not detector.changed()
        Tag.objects.create(id=new_id(), name="seen")
        assert detector.changed()
        with write_transaction():
            Tag.objects.create(id=uuid.uuid4(), name="rolled back")
            transaction.set_rollback(True)
        if vendor() == "sqlite":
            assert not detector.changed()
    finally:
        detector.close()


@pytest.mark.django_db(transaction=True)
def test_bulk_writing_leaves_the_connection_as_it_was() -> None:
    def checkpoint_pages() -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_autocheckpoint")
            (pages,) = cursor.fetchone()
        return int(pages)

    with bulk_writing():
        Tag.objects.create(id=new_id(), name="bulk")
        if vendor() == "sqlite":
            assert checkpoint_pages() > 10_000
    if vendor() == "sqlite":
        assert checkpoint_pages() == 1_000
    assert Tag.objects.filter(name="bulk").exists()
