"""Looking at the log and taking it out are acts of their own: each has its entry before anything is shown."""

import hashlib
from typing import Final

from audit.actors import Actor
from audit.models import Entry
from audit.query import Query, Term
from audit.record import Target, record
from audit.walk import log_size
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction

#: One entry stands for everything that somebody reads with the same filter in so long a time.
READ_ONCE_MS: Final = 10 * 60 * 1000
# So many of the newest entries of this kind are looked through for it: more would be a flood already.
_LOOK_BACK: Final = 300


def note_reading(query: Query, *, actor: Actor) -> None:
    """Record that the log is read with this filter, at most once in ten minutes.

    What cannot be recorded is not shown: the error of the database goes up.
    """
    target = _target(query)
    if not _is_noted(actor, {target.id}):
        _record_reading(target, query, actor)


def note_opening(idx: int, *, with_payload: bool, actor: Actor) -> None:
    """Record that one entry is opened.

    Whoever read the list has been told of as it is; a body that lies apart is not on the list.
    """
    query = Query((Term("idx", str(idx)),))
    target = _target(query)
    if not _is_noted(actor, {target.id} if with_payload else None):
        _record_reading(target, query, actor)


def note_log_export(query: Query, form: str, *, actor: Actor) -> int:
    """Record an export before its first byte; returns how many of the log's entries it may take."""
    with write_transaction():
        size = log_size()
        details = {"filter": str(query), "form": form, "size": size}
        record("log.exported", actor=actor, target=_target(query), details=details)
    return size


def _record_reading(target: Target, query: Query, actor: Actor) -> None:
    with write_transaction():
        record("log.read", actor=actor, target=target, details={"filter": str(query)})


def _target(query: Query) -> Target:
    text = str(query)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16] if text else "all"
    return Target("log", digest, text or "everything")


def _is_noted(actor: Actor, filters: set[str] | None) -> bool:
    """Has this actor an entry of the last minutes for one of these filters, or for any?"""
    since = now_ms() - READ_ONCE_MS
    newest = Entry.objects.filter(action="log.read").order_by("-idx")
    rows = newest.values_list("at_ms", "actor_type", "actor_id", "target_id")[:_LOOK_BACK]
    return any(
        at_ms > since and (kind, key) == (actor.type, actor.id) and (filters is None or found in filters)
        for at_ms, kind, key, found in rows
    )
