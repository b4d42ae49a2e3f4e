"""The one way into the log."""

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from django.db import DatabaseError, connection

from audit import catalog
from audit.actors import Actor
from audit.canonical import entry_text
from audit.models import Entry, Log, Payload, Subtree
from audit.rows import as_bytes
from audit.tree import Frontier, leaf_hash
from dashboard.lib import nudges
from dashboard.lib.bulk import bulk_insert
from dashboard.lib.clock import now_ms
from dashboard.lib.db import advisory_lock
from dashboard.lib.ids import new_id
from dashboard.lib.text import cut, storable

#: One lock for the whole log, held from the index to the commit: a fixed, arbitrary number ("audit").
LOG_LOCK: Final = 0x6175646974
MAX_BODY_BYTES: Final = 60_000
SALT_BYTES: Final = 16
#: Subtrees are kept for every 2^8 leaves, 2^16, …: proofs and C2SP tiles are made of those.
TILE_HEIGHT: Final = 8


class DamagedLog(DatabaseError):
    """What the database keeps of the log cannot be appended to; the message says what to do."""


@dataclass(frozen=True)
class Target:
    """What was acted on, as text."""

    type: str
    id: str
    label: str


@dataclass(frozen=True)
class Attachment:
    """A body that lies apart from its entry, because it is big or may have to be erased."""

    data: bytes
    media_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Draft:
    """An entry before it has its place. `details` holds plain JSON values; integers beyond 2^53 become text."""

    action: str
    actor: Actor
    target: Target | None = None
    session_id: uuid.UUID | None = None
    run_id: uuid.UUID | None = None
    decision: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    attachment: Attachment | None = None
    # Made by whoever saw it happen, so that sending it twice records it once.
    id: uuid.UUID | None = None


def record(
    action: str,
    *,
    actor: Actor,
    target: Target | None = None,
    session_id: uuid.UUID | None = None,
    run_id: uuid.UUID | None = None,
    decision: str = "",
    details: dict[str, Any] | None = None,
    attachment: Attachment | None = None,
) -> Entry:
    """Append one entry inside the caller's transaction: if it cannot be written, the change is undone.

    `action` must be in the catalogue, and strict. Call it last in the transaction: it takes the lock that orders
    the log.
    """
    draft = Draft(action, actor, target, session_id, run_id, decision, details or {}, attachment)
    return append([draft])[0]


def lock_log() -> None:
    """Nobody else appends until this transaction ends: what is read of the log now is still so at its commit."""
    advisory_lock(LOG_LOCK)


def append(drafts: Sequence[Draft]) -> list[Entry]:
    """Append several in this order, inside the caller's transaction, as `record` does one.

    Raises catalog.WrongWay for one that is not strict.
    """
    for draft in drafts:
        catalog.require_strict(draft.action)
    return _append(drafts)


def append_apart(drafts: Sequence[Draft]) -> list[Entry]:
    """Append what goes with no change of what is stored, strict or not, inside a transaction.

    Raises catalog.WrongWay for one that changes state.
    """
    for draft in drafts:
        catalog.require_apart(draft.action)
    return _append(drafts)


def _append(drafts: Sequence[Draft]) -> list[Entry]:
    if not connection.in_atomic_block:
        raise RuntimeError("record() belongs inside the transaction of the change it records")
    if not drafts:
        return []
    lock_log()
    log = _log()
    frontier = frontier_of(log)
    rows, payloads, subtrees = [], [], []
    for draft in drafts:
        row, payload = _row(draft, frontier.size)
        if payload is not None:
            payloads.append(payload)
        rows.append(_values(row))
        subtrees += [
            Subtree(level=height // TILE_HEIGHT, number=number, hash=found)
            for height, number, found in frontier.append(row.leaf)
            if not height % TILE_HEIGHT
        ]
    _insert(rows, payloads, subtrees)
    grown = Log.objects.filter(pk=Log.THE_ONE, size=log.size)
    if not grown.update(size=frontier.size, frontier=frontier.encode()):
        raise RuntimeError("the audit log grew while its lock was held")
    nudges.nudge()
    return [Entry.from_db(connection.alias, _ENTRY_COLUMNS, row) for row in rows]


def frontier_of(log: Log) -> Frontier:
    """What appending goes on from. Raises DamagedLog."""
    try:
        return Frontier.decode(log.size, as_bytes(log.frontier))
    except ValueError:
        raise DamagedLog(damage(f"the head that it keeps is not one of {log.size:,} entries")) from None


def damage(what: str) -> str:
    """Nobody can do this as tables are used: somebody has been at the database itself."""
    return (
        f"The audit log was damaged past the program: {what}. Keep a copy of the database as it is, run "
        "scrollback audit verify, and restore the newest backup from before."
    )


def _log() -> Log:
    found = Log.objects.filter(pk=Log.THE_ONE).first()
    if found is not None:
        return found
    if Entry.objects.exists():
        raise DamagedLog(damage("the row that says how far it reaches is gone"))
    return Log.objects.create(pk=Log.THE_ONE, size=0, frontier=b"")


def _insert(rows: list[tuple[Any, ...]], payloads: list[Payload], subtrees: list[Subtree]) -> None:
    if len(rows) == 1:
        Entry.from_db(connection.alias, _ENTRY_COLUMNS, rows[0]).save(force_insert=True)
    else:
        bulk_insert(Entry, _ENTRY_COLUMNS, rows)
    if payloads:
        Payload.objects.bulk_create(payloads)
    if subtrees:
        Subtree.objects.bulk_create(subtrees)


@dataclass(slots=True)
class _Row:
    """An entry before it is stored: the model's own instances cost more than all the rest of an append."""

    idx: int
    id: uuid.UUID
    at_ms: int
    actor_type: str
    actor_id: str
    actor_label: str
    action: str
    target_type: str
    target_id: str
    target_label: str
    session_id: uuid.UUID | None
    run_id: uuid.UUID | None
    decision: str
    body: str = ""
    leaf: bytes = b""


_ENTRY_COLUMNS: Final = tuple(_Row.__slots__)
_values: Final = attrgetter(*_ENTRY_COLUMNS)


def _row(draft: Draft, idx: int) -> tuple[_Row, Payload | None]:
    """Raises ValueError when the entry would pass the size limit."""
    actor, target = draft.actor, draft.target
    row = _Row(
        idx,
        draft.id or new_id(),
        now_ms(),
        actor.type,
        storable(actor.id)[:64],
        cut(storable(actor.label), 200),
        draft.action,
        storable(target.type)[:40] if target else "",
        storable(target.id)[:64] if target else "",
        cut(storable(target.label), 300) if target else "",
        draft.session_id,
        draft.run_id,
        draft.decision,
    )
    payload = None
    if draft.attachment is not None:
        payload = Payload(idx=idx, salt=secrets.token_bytes(SALT_BYTES), data=draft.attachment.data)
    row.body = entry_text(row, draft.details, _commitment(draft.attachment, payload))
    text = row.body.encode()
    if len(text) > MAX_BODY_BYTES:
        raise ValueError(f"an audit entry of {len(text)} bytes is over the limit of {MAX_BODY_BYTES}")
    row.leaf = leaf_hash(text)
    return row, payload


def commitment(salt: bytes, data: bytes) -> str:
    """What an entry says of a payload: without the salt, nobody can guess a short one that was erased."""
    return hashlib.sha256(salt + data).hexdigest()


def _commitment(attachment: Attachment | None, payload: Payload | None) -> dict[str, Any] | None:
    if attachment is None or payload is None:
        return None
    return {
        "commitment": commitment(bytes(payload.salt), attachment.data),
        "size": len(attachment.data),
        "type": attachment.media_type,
    }
