"""What a person has seen. It is their own affair and leaves no entry in the audit log."""

from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from sessions_app.models import Person


def mark_all_read(person: Person) -> None:
    """Everything that is there now counts as seen; what happens or arrives after is unread again."""
    with write_transaction():
        Person.objects.filter(pk=person.pk).update(read_before_ms=now_ms())
