"""The one way into the log."""

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import rfc8785
from django.db import connection

from audit import catalog
from audit.actors import Actor
from audit.models import Entry, Log, Payload, Subtree
from audit.tree import Frontier, leaf_hash
from dashboard.lib import nudges
from dashboard.lib.clock import now_ms
from dashboard.lib.db import advisory_lock, bulk_insert
from dashboard.lib.ids import new_id
from dashboard.lib.text import cut, storable

# One lock for the whole log, held from the index to the commit: a fixed, arbitrary number ("audit").
_LOG_LOCK: Final = 0x6175646974
MAX_BODY_BYTES: Final = 60_000
MAX_TEXT_CHARS: Final = 4_000
SALT_BYTES: Final = 16
#: Subtrees are kept for every 2^8 leaves, 2^16, …: proofs and C2SP tiles are made of those.
TILE_HEIGHT: Final = 8

_ENTRY_COLUMNS: Final = (
    "idx", "id", "at_ms", "actor_type", "actor_id", "actor_label", "action", "target_type", "target_id", "target_label",
    "session_id", "run_id", "decision", "body", "leaf",
)  # fmt: skip


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

    `action` must be in the catalogue. Call it last in the transaction: it takes the lock that orders the log.
    """
    draft = Draft(action, actor, target, session_id, run_id, decision, details or {}, attachment)
    return append([draft])[0]


def lock_log() -> None:
    """Nobody else appends until this transaction ends: what is read of the log now is still so at its commit."""
    advisory_lock(_LOG_LOCK)


def append(drafts: Sequence[Draft]) -> list[Entry]:
    """Append several in this order, inside the caller's transaction, as `record` does one."""
    if not connection.in_atomic_block:
        raise RuntimeError("record() belongs inside the transaction of the change it records")
    if not drafts:
        return []
    for draft in drafts:
        catalog.require(draft.action)
    lock_log()
    log = _log()
    frontier = Frontier.decode(log.size, bytes(log.frontier))
    entries, payloads, subtrees = [], [], []
    for draft in drafts:
        entry, payload = _entry(draft, frontier.size)
        if payload is not None:
            payloads.append(payload)
        entries.append(entry)
        subtrees += [
            Subtree(level=height // TILE_HEIGHT, number=number, hash=found)
            for height, number, found in frontier.append(bytes(entry.leaf))
            if not height % TILE_HEIGHT
        ]
    _insert(entries, payloads, subtrees)
    grown = Log.objects.filter(pk=Log.THE_ONE, size=log.size)
    if not grown.update(size=frontier.size, frontier=frontier.encode()):
        raise RuntimeError("the audit log grew while its lock was held")
    nudges.nudge()
    return entries


def _log() -> Log:
    found = Log.objects.filter(pk=Log.THE_ONE).first()
    if found is not None:
        return found
    if Entry.objects.exists():
        # Nobody can remove it as tables are used: somebody has been at the database itself.
        raise RuntimeError("the audit log has entries and no head")
    return Log.objects.create(pk=Log.THE_ONE, size=0, frontier=b"")


def _insert(entries: list[Entry], payloads: list[Payload], subtrees: list[Subtree]) -> None:
    if len(entries) == 1:
        entries[0].save(force_insert=True)
    else:
        rows = [tuple(getattr(entry, name) for name in _ENTRY_COLUMNS) for entry in entries]
        bulk_insert(Entry, _ENTRY_COLUMNS, rows)
    if payloads:
        Payload.objects.bulk_create(payloads)
    if subtrees:
        Subtree.objects.bulk_create(subtrees)


def _entry(draft: Draft, idx: int) -> tuple[Entry, Payload | None]:
    target = draft.target
    entry = Entry(
        idx=idx,
        id=draft.id or new_id(),
        at_ms=now_ms(),
        actor_type=draft.actor.type,
        actor_id=storable(draft.actor.id)[:64],
        actor_label=cut(storable(draft.actor.label), 200),
        action=draft.action,
        target_type=target.type if target else "",
        target_id=storable(target.id)[:64] if target else "",
        target_label=cut(storable(target.label), 300) if target else "",
        session_id=draft.session_id,
        run_id=draft.run_id,
        decision=draft.decision,
    )
    payload = None
    if draft.attachment is not None:
        salt = secrets.token_bytes(SALT_BYTES)
        payload = Payload(idx=idx, salt=salt, data=draft.attachment.data)
    entry.body = canonical_text(entry, draft.details, _commitment(draft.attachment, payload))
    entry.leaf = leaf_hash(entry.body.encode())
    return entry, payload


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


def canonical_text(entry: Entry, details: dict[str, Any], payload: dict[str, Any] | None = None) -> str:
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
    if payload is not None:
        document["payload"] = payload
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
