"""What a person has seen. It is their own affair and leaves no entry in the audit log."""

import uuid

from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from dashboard.lib.nudges import nudge_person
from sessions_app.models import AgentSession, Person, ReadMark


def mark_read(session_id: uuid.UUID, seq: int, person: Person) -> int | None:
    """The person has seen the timeline up to this place. Never goes back, and never beyond what there is.

    Returns up to where they had seen it before, for `take_back_read` (0 is nothing); None when that stays.
    """
    with write_transaction():
        last = (
            AgentSession.objects.filter(pk=session_id, deleted_ms=None)
            .values_list("last_seq", flat=True)
            .first()
        )
        if last is None:
            return None
        seq = min(max(seq, 0), last)
        marks = ReadMark.objects.filter(person=person, session_id=session_id)
        before = marks.values_list("seq", flat=True).first()
        if before is None:
            ReadMark.objects.create(person=person, session_id=session_id, seq=seq)
        elif not marks.filter(seq__lt=seq).update(seq=seq, at_ms=now_ms()):
            return None
        if seq == last:
            # Short of the end it is unread as before.
            nudge_person(person.pk, (session_id, last))
    return before or 0


def take_back_read(session_id: uuid.UUID, before: int, person: Person) -> None:
    """What is after that place was not seen; never more than is so now."""
    with write_transaction():
        session = AgentSession.objects.filter(pk=session_id, deleted_ms=None)
        last = session.values_list("last_seq", flat=True).first()
        marks = ReadMark.objects.filter(person=person, session_id=session_id)
        if before:
            marks.filter(seq__gt=before).update(seq=before, at_ms=now_ms())
        else:
            marks.delete()
        if last is not None:
            nudge_person(person.pk, (session_id, last))


def mark_all_read(person: Person) -> int:
    """Everything that is there now counts as seen; what happens or arrives after is unread again.

    Returns up to when everything was read before, for `take_back_all_read`.
    """
    with write_transaction():
        before_ms = Person.objects.values_list("read_before_ms", flat=True).get(pk=person.pk)
        Person.objects.filter(pk=person.pk).update(read_before_ms=now_ms())
        nudge_person(person.pk, None)
    return before_ms


def take_back_all_read(person: Person, before_ms: int) -> None:
    """Only what happened before that moment was all read; never more than is so now."""
    with write_transaction():
        Person.objects.filter(pk=person.pk, read_before_ms__gt=before_ms).update(read_before_ms=before_ms)
        nudge_person(person.pk, None)
