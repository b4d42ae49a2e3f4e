import json
import threading

import pytest
from django.db import connection

from audit import catalog
from audit.actors import SYSTEM, Actor, command_line
from audit.models import Entry
from audit.record import Target, record
from dashboard.lib.db import write_transaction
from dashboard.lib.ids import new_id
from sessions_app.models import Tag

catalog.register({"test.done": "did a test"})


@pytest.mark.django_db(transaction=True)
def test_an_entry_outside_a_transaction_is_refused() -> None:
    with pytest.raises(RuntimeError):
        record("test.done", actor=SYSTEM)


@pytest.mark.django_db
def test_an_action_that_is_not_in_the_catalogue_is_refused() -> None:
    with pytest.raises(catalog.UnknownAction):
        record("nobody.knows", actor=SYSTEM)


@pytest.mark.django_db(transaction=True)
def test_without_its_entry_the_change_does_not_happen() -> None:
    def change_something() -> None:
        with write_transaction():
            Tag.objects.create(id=new_id(), name="lost")
            record("nobody.knows", actor=SYSTEM)

    with pytest.raises(catalog.UnknownAction):
        change_something()

    assert not Tag.objects.exists()


@pytest.mark.django_db
def test_the_columns_repeat_the_canonical_text() -> None:
    session = new_id()
    entry = record(
        "test.done",
        actor=Actor("person", "7", "ada"),
        target=Target("session", "9", "Fix \x00 it \ud800"),
        session_id=session,
        decision="allow",
        details={"b": 2**60, "a": ["x", None, True, 1.5]},
    )

    body = json.loads(Entry.objects.get().body)
    assert body["idx"] == entry.idx == 0
    assert body["actor"] == {"type": "person", "id": "7", "label": "ada"}
    assert body["target"]["label"] == entry.target_label == "Fix \u2400 it \ufffd"
    assert body["session"] == str(session)
    assert body["details"] == {"a": ["x", None, True, "1.5"], "b": str(2**60)}
    assert list(body) == sorted(body)


@pytest.mark.django_db(transaction=True)
def test_many_writers_leave_no_gap_and_no_duplicate() -> None:
    failures: list[BaseException] = []

    def write(roll_back: bool) -> None:
        try:
            for number in range(20):
                try:
                    with write_transaction():
                        record("test.done", actor=command_line())
                        if roll_back and number % 3 == 0:
                            raise ZeroDivisionError
                except ZeroDivisionError:
                    continue
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(index % 2 == 0,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    numbers = list(Entry.objects.order_by("idx").values_list("idx", flat=True))
    assert numbers == list(range(2 * 20 + 2 * 13))
