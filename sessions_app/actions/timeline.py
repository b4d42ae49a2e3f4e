"""Places on a session's timeline."""

import uuid
from typing import Any

from django.db.models import F

from dashboard.lib.clock import now_ms
from dashboard.lib.ids import new_id
from sessions_app.models import AgentSession, Event, EventKind


def take_places(session_id: uuid.UUID, count: int, *, at_ms: int | None = None) -> int:
    """The first of `count` consecutive places; call inside the transaction that fills them.

    With the moment of what is put there the session is active then, and has something new; housekeeping has none.

    The update locks the session's row until the commit, so places are given in commit order and a
    transaction that fails gives its places back: no gaps, no duplicates, on both engines.
    """
    now = now_ms()
    changes: dict[str, Any] = {"last_seq": F("last_seq") + count, "updated_ms": now}
    if at_ms is not None:
        changes["arrived_ms"] = now
    session = AgentSession.objects.filter(pk=session_id)
    session.update(**changes)
    last = session.values_list("last_seq", flat=True).get()
    if at_ms is not None:
        session.filter(last_activity_ms__lt=at_ms).update(last_activity_ms=at_ms)
    return last - count + 1


def append_event(
    session_id: uuid.UUID,
    kind: EventKind,
    *,
    text: str = "",
    at_ms: int | None = None,
    run_id: uuid.UUID | None = None,
    subject_id: uuid.UUID | None = None,
    document: str = "",
) -> Event:
    """Put one event on the timeline, inside the caller's transaction."""
    moment = now_ms() if at_ms is None else at_ms
    return Event.objects.create(
        id=new_id(),
        session_id=session_id,
        run_id=run_id,
        seq=take_places(session_id, 1, at_ms=moment),
        at_ms=moment,
        kind=kind,
        text=text[:500],
        subject_id=subject_id,
        document=document,
    )
