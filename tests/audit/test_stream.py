"""Entries of many callers in few transactions, and none of them lost in silence."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection, transaction

from audit import catalog, stream
from audit.actors import SYSTEM
from audit.models import Entry
from audit.record import Draft, append_apart
from audit.resending import Outcome
from audit.stream import NotRecorded, StreamWriter, Unconfirmed
from audit.verification import verify
from dashboard.lib.ids import new_id

catalog.register({"test.streamed": "did a test"}, changing_nothing={"test.streamed"})
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def writer() -> Iterator[StreamWriter]:
    made = StreamWriter(most_waiting=200, wait_s=20)
    yield made
    made.stop()


def drafts(count: int) -> list[Draft]:
    return [Draft("test.streamed", SYSTEM, details={"n": number}, id=new_id()) for number in range(count)]


def losses() -> list[dict[str, object]]:
    return [json.loads(entry.body)["details"] for entry in Entry.objects.filter(action="audit.lost")]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


class Away:
    """A log that takes nothing while it is away; `tried` is set by each try."""

    def __init__(self) -> None:
        self.is_away = True
        self.tried = threading.Event()
        #: How many entries each transaction took.
        self.taken: list[int] = []

    def __call__(self, entries: list[Draft]) -> list[Entry]:
        self.tried.set()
        if self.is_away:
            raise OperationalError("database is locked")
        self.taken.append(len(entries))
        return append_apart(entries)


def test_entries_of_many_callers_are_durable_when_each_returns(writer: StreamWriter) -> None:
    def send(_: int) -> bool:
        mine = drafts(3)
        try:
            outcomes = writer.write(mine)
            there = Entry.objects.filter(id__in=[draft.id for draft in mine]).count()
            return outcomes == [Outcome("recorded")] * 3 and there == 3
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(send, range(60)))
    assert Entry.objects.count() == 180
    assert not [one for one in verify().broken if one.check != "signatures"]


def test_what_gathers_is_one_transaction(writer: StreamWriter) -> None:
    away = Away()
    with patch.object(stream, "append_apart", away), ThreadPoolExecutor(20) as pool:
        sent = [pool.submit(writer.write, drafts(2)) for _ in range(20)]
        until(lambda: writer._waiting == 40)
        away.is_away = False
        assert all(len(each.result(20)) == 2 for each in sent)
    assert away.taken == [40]


def test_sent_twice_it_is_there_once_and_another_under_its_id_is_not(writer: StreamWriter) -> None:
    first, second = drafts(2)
    assert writer.write([first, first, second]) == [
        Outcome("recorded"),
        Outcome("known"),
        Outcome("recorded"),
    ]
    other = Draft("test.streamed", SYSTEM, details={"n": 99}, id=first.id)
    assert writer.write([second, other]) == [Outcome("known"), Outcome("conflict")]
    assert Entry.objects.count() == 2


def test_who_comes_to_a_full_queue_is_refused_and_counted(writer: StreamWriter) -> None:
    away = Away()
    with patch.object(stream, "append_apart", away), ThreadPoolExecutor(1) as pool:
        sent = pool.submit(writer.write, drafts(150))
        assert away.tried.wait(20)
        until(lambda: writer._waiting == 150)
        with pytest.raises(NotRecorded, match="wait already"):
            writer.write(drafts(51))
        away.is_away = False
        assert len(sent.result(20)) == 150
        until(losses)
    (lost,) = losses()
    assert (lost["count"], lost["reasons"]) == (51, {"full": 51})
    assert lost["first_ms"] <= lost["last_ms"]  # type: ignore[operator]


def test_what_waits_too_long_is_refused_counted_and_not_written_later() -> None:
    writer, away = StreamWriter(wait_s=0.2), Away()
    with patch.object(stream, "append_apart", away):
        with pytest.raises(NotRecorded):
            writer.write(drafts(7))
        away.is_away = False
        until(losses)
        writer.stop()
    (lost,) = losses()
    assert (lost["count"], lost["reasons"]) == (7, {"late": 7})
    assert not Entry.objects.filter(action="test.streamed").exists()


def test_a_caller_whose_batch_is_being_written_is_told_to_send_it_again() -> None:
    writer, going_on, mine = StreamWriter(wait_s=0.1), threading.Event(), drafts(1)

    def slowly(entries: list[Draft]) -> list[Entry]:
        assert going_on.wait(20)
        return append_apart(entries)

    with patch.object(stream, "append_apart", slowly):
        with pytest.raises(Unconfirmed):
            writer.write(mine)
        going_on.set()
        writer.stop()
    assert Entry.objects.get().id == mine[0].id
    assert not losses()


def test_a_batch_at_fault_does_not_keep_the_others_out(writer: StreamWriter) -> None:
    away = Away()
    bad = [Draft("test.streamed", SYSTEM, details={str(n): "x" * 4_000 for n in range(20)}, id=new_id())]
    with patch.object(stream, "append_apart", away), ThreadPoolExecutor(3) as pool:
        sent = [pool.submit(writer.write, each) for each in (drafts(1), bad, drafts(1))]
        until(lambda: writer._waiting == 3)
        away.is_away = False
        assert len(sent[0].result(20)) == len(sent[2].result(20)) == 1
        with pytest.raises(ValueError, match="over the limit"):
            sent[1].result(20)
    until(losses)
    assert losses()[0]["reasons"] == {"fault": 1}


def test_stopping_writes_what_waits_and_then_takes_nothing() -> None:
    writer = StreamWriter()
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(writer.write, drafts(5)) for _ in range(8)]
        until(lambda: all(each.running() or each.done() for each in sent))
        assert sent[0].result(20)
        writer.stop()
    stored = Entry.objects.filter(action="test.streamed").count()
    assert stored == 5 * sum(each.exception() is None for each in sent)
    with pytest.raises(NotRecorded, match="stopping"):
        writer.write(drafts(1))


def test_inside_of_a_transaction_they_belong_to_it(writer: StreamWriter) -> None:
    with transaction.atomic():
        writer.write(drafts(2))
        transaction.set_rollback(True)
    assert not Entry.objects.exists()
