"""The one way into the log."""

import uuid
from dataclasses import dataclass
from typing import Any

import rfc8785
from django.db import connection
from django.db.models import Max

from audit import catalog
from audit.actors import Actor
from audit.models import Entry
from dashboard.lib.clock import now_ms
from dashboard.lib.db import advisory_lock
from dashboard.lib.ids import new_id
from dashboard.lib.text import cut, storable

# One lock for the whole log, held from the index to the commit: a fixed, arbitrary number ("audit").
_LOG_LOCK = 0x6175646974
MAX_BODY_BYTES = 60_000
MAX_TEXT_CHARS = 4_000


@dataclass(frozen=True)
class Target:
    """What was acted on, as text."""

    type: str
    id: str
    label: str


def record(
    action: str,
    *,
    actor: Actor,
    target: Target | None = None,
    session_id: uuid.UUID | None = None,
    run_id: uuid.UUID | None = None,
    decision: str = "",
    details: dict[str, Any] | None = None,
) -> Entry:
    """Append one entry inside the caller's transaction: if it cannot be written, the change is undone.

    `action` must be in the catalogue. `details` holds plain JSON values; integers beyond 2^53 must come
    as text. Call it last in the transaction: it takes the lock that orders the log.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("record() belongs inside the transaction of the change it records")
    catalog.require(action)
    advisory_lock(_LOG_LOCK)
    newest = Entry.objects.aggregate(newest=Max("idx"))["newest"]
    entry = Entry(
        idx=0 if newest is None else newest + 1,
        id=new_id(),
        at_ms=now_ms(),
        actor_type=actor.type,
        actor_id=storable(actor.id)[:64],
        actor_label=cut(storable(actor.label), 200),
        action=action,
        target_type=target.type if target else "",
        target_id=target.id[:64] if target else "",
        target_label=cut(storable(target.label), 300) if target else "",
        session_id=session_id,
        run_id=run_id,
        decision=decision,
    )
    entry.body = canonical_text(entry, details or {})
    entry.save(force_insert=True)
    return entry


def canonical_text(entry: Entry, details: dict[str, Any]) -> str:
    """The entry as RFC 8785 canonical JSON. Raises ValueError when it would pass the size limit."""
    document: dict[str, Any] = {
        "v": 1,
        "idx": entry.idx,
        "id": str(entry.id),
        "at_ms": entry.at_ms,
        "actor": {"type": entry.actor_type, "id": entry.actor_id, "label": entry.actor_label},
        "action": entry.action,
        "target": {"type": entry.target_type, "id": entry.target_id, "label": entry.target_label},
        "session": str(entry.session_id) if entry.session_id else "",
        "run": str(entry.run_id) if entry.run_id else "",
        "decision": entry.decision,
        "details": _plain(details),
    }
    text = rfc8785.dumps(document)
    if len(text) > MAX_BODY_BYTES:
        raise ValueError(f"an audit entry of {len(text)} bytes is over the limit of {MAX_BODY_BYTES}")
    return text.decode()


def _plain(value: Any) -> Any:
    """JSON values that RFC 8785 and both engines accept: storable text, ints within 2^53."""
    if isinstance(value, str):
        return cut(storable(value), MAX_TEXT_CHARS)
    if isinstance(value, dict):
        return {storable(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    return str(value)
