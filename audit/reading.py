"""Looking at the log and taking it out are acts of their own: each has its entry before anything is shown."""

import hashlib
from typing import Final

from audit.actors import Actor
from audit.columns import details_of
from audit.matching import condition
from audit.models import Entry
from audit.query import Query, Term, parse
from audit.record import Target, record
from audit.walk import log_size
from dashboard.lib.clock import now_ms
from dashboard.lib.db import any_text, write_transaction
from dashboard.lib.errors import BadRequest

#: One entry stands for everything that somebody reads with the same filter in so long a time.
READ_ONCE_MS: Final = 10 * 60 * 1000
# So many of the newest entries of this kind are looked through for it: more would be a flood already.
_LOOK_BACK: Final = 300


def note_reading(query: Query, *, actor: Actor) -> None:
    """Record that the log is read with this filter, at most once in ten minutes.

    What cannot be recorded is not shown: the error of the database goes up.
    """
    if str(query) not in _noted(actor):
        _record_reading(query, actor)


def note_opening(idx: int, *, with_payload: bool, actor: Actor) -> None:
    """Record that one entry is opened.

    Who read a list that holds it has been told of as it is; a body that lies apart is on no list.
    """
    query = Query((Term("idx", str(idx)),))
    noted = _noted(actor)
    if str(query) in noted or (not with_payload and any(_lists(text, idx) for text in noted)):
        return
    _record_reading(query, actor)


def note_log_export(query: Query, form: str, *, actor: Actor) -> int:
    """Record an export before its first byte; returns how many of the log's entries it may take."""
    with write_transaction():
        size = log_size()
        details = {"filter": str(query), "form": form, "size": size}
        record("log.exported", actor=actor, target=_target(query), details=details)
    return size


def _record_reading(query: Query, actor: Actor) -> None:
    with write_transaction():
        record("log.read", actor=actor, target=_target(query), details={"filter": str(query)})


def _target(query: Query) -> Target:
    text = str(query)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16] if text else "all"
    return Target("log", digest, text or "everything")


def _noted(actor: Actor) -> set[str]:
    """The filters that entries of the last minutes say this actor read with."""
    now = now_ms()
    newest = Entry.objects.filter(action="log.read").order_by("-idx")
    with any_text():
        rows = list(newest.values_list("at_ms", "actor_type", "actor_id", "body")[:_LOOK_BACK])
    found = {
        _filter_in(body)
        for at_ms, kind, key, body in rows
        # What seems yet to come was written before the clock was set back: how long ago is not known.
        if now - READ_ONCE_MS < at_ms <= now and (kind, key) == (actor.type, actor.id)
    }
    return {text for text in found if text is not None}


def _filter_in(body: str | bytes) -> str | None:
    """None where the entry was tampered with: then it stands for no reading."""
    text = details_of(body).get("filter")
    return text if isinstance(text, str) else None


def _lists(text: str, idx: int) -> bool:
    """Does a list with this filter hold the entry?"""
    try:
        query = parse(text)
    except BadRequest:
        # The API takes what the box does not; of that nothing is presumed.
        return False
    numbers = [term.numbers for term in query.named("idx") if not term.negated]
    if numbers and not any(first <= idx <= last for first, last in numbers):
        # As nearly all filters of somebody who opens one entry after another: not worth a look.
        return False
    return not query or Entry.objects.filter(condition(query), idx=idx).exists()
