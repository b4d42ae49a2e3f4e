"""Removing payloads: first an entry says what goes and why, then it goes, little by little.

Leaves are kept for ever, so the tree stays as it is. A row of `Pruning`, written with the entry, makes the triggers
let go of the range. Whatever is killed between the two is taken up by the next run.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import connection

from audit.actors import Actor
from audit.holds import Hold, holds_in_force
from audit.models import Entry, Payload, Pruning
from audit.record import Draft, append, lock_log
from dashboard.lib.db import write_transaction

# Of one transaction: others wait for the log's lock while it lasts.
_BATCH_ROWS: Final = 500
_BATCH_BYTES: Final = 8_000_000
_READ_ROWS: Final = 10_000


@dataclass(slots=True)
class Piece:
    """A range in which every payload may go."""

    first_idx: int
    last_idx: int
    count: int = 0
    size: int = 0


@dataclass(slots=True)
class Plan:
    pieces: list[Piece] = field(default_factory=list)
    # Old enough, but kept: how many by each hold.
    kept: Counter[Hold] = field(default_factory=Counter)

    @property
    def count(self) -> int:
        return sum(piece.count for piece in self.pieces)

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)


@dataclass(slots=True)
class Removed:
    count: int = 0
    size: int = 0
    kept: Counter[Hold] = field(default_factory=Counter)

    def take(self, idx: int, size: int, holds: Sequence[Hold]) -> bool:
        """Count it, as gone or as kept; False when a hold keeps it."""
        keeping = [hold for hold in holds if hold.keeps(idx)]
        self.kept.update(keeping)
        if keeping:
            return False
        self.count += 1
        self.size += size
        return True


def plan(before_ms: int) -> Plan:
    """What may go of entries older than that, and has not been announced yet. Changes nothing."""
    made, holds, piece = Plan(), holds_in_force(), None
    for idx, size, at_ms in _unannounced():
        keeping = [hold for hold in holds if hold.keeps(idx)]
        if at_ms >= before_ms or keeping:
            # A range names all that lies in it.
            piece = None
            if at_ms < before_ms:
                made.kept.update(keeping)
            continue
        if piece is None or any(piece.last_idx < hold.first_idx < idx for hold in holds):
            piece = Piece(idx, idx)
            made.pieces.append(piece)
        piece.last_idx = idx
        piece.count += 1
        piece.size += size
    return made


def announce(before_ms: int, why: str, *, actor: Actor) -> list[Entry]:
    """Say in the log what will go; nothing of it is gone yet. No entry where there is nothing."""
    with write_transaction():
        # Before the holds are read: one that is placed meanwhile would come too late.
        lock_log()
        pieces = plan(before_ms).pieces
        entries = append([Draft("payload.pruned", actor, details=_details(piece, why)) for piece in pieces])
        Pruning.objects.bulk_create(
            Pruning(idx=entry.idx, first_idx=piece.first_idx, last_idx=piece.last_idx)
            for entry, piece in zip(entries, pieces, strict=True)
        )
    return entries


def unfinished() -> Removed:
    """What `remove_announced` would remove now. Changes nothing."""
    left, holds = Removed(), holds_in_force()
    for pruning in Pruning.objects.order_by("idx"):
        for idx, size in _payloads(pruning.first_idx, pruning.last_idx):
            left.take(idx, size, holds)
    return left


def remove_announced() -> Removed:
    """Remove what entries have announced, of this run and of earlier ones, but what a hold keeps by now."""
    removed = Removed()
    for pruning in Pruning.objects.order_by("idx"):
        start: int | None = pruning.first_idx
        while start is not None:
            start = _remove_batch(start, pruning.last_idx, removed)
    return removed


def _remove_batch(first: int, last: int, removed: Removed) -> int | None:
    """Returns where to go on, None at the end."""
    with write_transaction():
        lock_log()
        batch = _batch(first, last)
        holds = holds_in_force()
        going = [idx for idx, size in batch if removed.take(idx, size, holds)]
        Payload.objects.filter(idx__in=going).delete()
    return batch[-1][0] + 1 if batch else None


def _details(piece: Piece, why: str) -> dict[str, int | str]:
    return {
        "first_idx": piece.first_idx,
        "last_idx": piece.last_idx,
        "count": piece.count,
        "bytes": piece.size,
        "why": why,
    }


def _batch(first: int, last: int) -> list[tuple[int, int]]:
    """As many payloads as one transaction removes, at least one if there is any: numbers and sizes."""
    batch: list[tuple[int, int]] = []
    total = 0
    for idx, size in _read(_PAYLOADS, first, last, _BATCH_ROWS):
        total += size
        if batch and total > _BATCH_BYTES:
            break
        batch.append((idx, size))
    return batch


def _payloads(first: int, last: int) -> Iterator[tuple[int, int]]:
    while rows := _read(_PAYLOADS, first, last, _READ_ROWS):
        yield from ((idx, size) for idx, size in rows)
        first = rows[-1][0] + 1


def _unannounced() -> Iterator[tuple[int, int, int]]:
    first = 0
    while rows := _read(_UNANNOUNCED, first, _READ_ROWS):
        yield from ((idx, size, at_ms) for idx, size, at_ms in rows)
        first = rows[-1][0] + 1


_PAYLOADS: Final = (
    "SELECT idx, length(data) FROM audit_payload WHERE idx BETWEEN %s AND %s ORDER BY idx LIMIT %s"
)
_UNANNOUNCED: Final = (
    "SELECT p.idx, length(p.data), e.at_ms FROM audit_payload p JOIN audit_entry e ON e.idx = p.idx"
    " WHERE p.idx >= %s AND NOT EXISTS"
    " (SELECT 1 FROM audit_pruning r WHERE p.idx BETWEEN r.first_idx AND r.last_idx)"
    " ORDER BY p.idx LIMIT %s"
)


def _read(sql: str, *values: int) -> Sequence[tuple[int, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows: list[tuple[int, ...]] = cursor.fetchall()
    return rows
