"""What a person has seen. It is their own affair and leaves no entry in the audit log."""

from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from sessions_app.models import Person


def mark_all_read(person: Person) -> int:
    """Everything that is there now counts as seen; what happens or arrives after is unread again.

    Returns up to when everything was read before, for `take_back_all_read`.
    """
    with write_transaction():
        before_ms = Person.objects.values_list("read_before_ms", flat=True).get(pk=person.pk)
        Person.objects.filter(pk=person.pk).update(read_before_ms=now_ms())
    return before_ms


def take_back_all_read(person: Person, before_ms: int) -> None:
    """Only what happened before that moment was all read; never more than is so now."""
    with write_transaction():
        Person.objects.filter(pk=person.pk, read_before_ms__gt=before_ms).update(read_before_ms=before_ms)
