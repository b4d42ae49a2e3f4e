import threading
import uuid

import pytest
from django.db import connection, transaction

from dashboard.lib.db import ChangeDetector, vendor, write_transaction
from dashboard.lib.ids import new_id
from sessions_app.models import Tag

COLUMNS = ("id", "name")


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
