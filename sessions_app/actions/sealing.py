"""Sealing: what sessions and sources hold is hashed, and entries of the audit log say what the hashes are.

Rows that are sealed may still change (actions/rewriting.py). What is being hashed is read without a lock, so a seal
counts only when nothing of the session was rewritten meanwhile.
"""

import uuid
from collections.abc import Generator, Sequence
from typing import Final

from django.db.models import Q, QuerySet

from audit.actors import Actor
from audit.record import Target, record
from dashboard.lib.db import write_transaction
from sessions_app.actions.sessions import target_of
from sessions_app.models import AgentSession, Source, SourceState, Status
from sessions_app.models.session import UNSEALED as UNSEALED_ROWS
from sessions_app.models.source import UNSEALED as UNSEALED_LINES
from sessions_app.sealed_lines import PIECE_BYTES, LinePiece, line_pieces
from sessions_app.sealed_rows import FORM, PIECE_ROWS, RowPiece, first_of_piece, row_pieces

#: Whatever changed within the last minute may still be being written.
QUIET_MS: Final = 60_000
# So many pieces are named by one entry: 140 characters each at most, within the limit of an entry's size.
_PIECES_AN_ENTRY: Final = 200
_MOST_TRIES: Final = 5
_ENDED: Final = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


class KeepsChanging(Exception):
    """Each time that it was hashed it was another one by then."""


def sessions_at_rest(now_ms: int, rest_ms: int) -> QuerySet[AgentSession]:
    """Those that have ended or had nothing new for so long, with rows that are not sealed."""
    before = now_ms - rest_ms
    is_at_rest = Q(status__in=_ENDED) | Q(last_activity_ms__lt=before) | Q(updated_ms__lt=before)
    return AgentSession.objects.filter(UNSEALED_ROWS, is_at_rest, updated_ms__lt=now_ms - QUIET_MS)


def sources_at_rest(now_ms: int, rest_ms: int) -> QuerySet[Source]:
    """Those that had nothing new for so long or are gone, with lines that are not sealed."""
    before = now_ms - rest_ms
    is_at_rest = ~Q(state=SourceState.LIVE) | Q(modified_ns__lt=before * 1_000_000) | Q(read_ms__lt=before)
    return Source.objects.filter(UNSEALED_LINES, is_at_rest, read_ms__lt=now_ms - QUIET_MS)


def seal_session(session_id: uuid.UUID, *, actor: Actor) -> Generator[int]:
    """Seal all rows that are there. Yields how many were hashed, piece by piece.

    What was hashed since the last entry is lost to whoever stops in between. Raises UnreadableRows, KeepsChanging,
    DatabaseError.
    """
    tries = 0
    while tries < _MOST_TRIES:
        session = AgentSession.objects.filter(pk=session_id).first()
        if session is None or session.sealed_seq >= session.last_seq:
            return
        first = session.sealed_seq + 1
        last = min(session.last_seq, first_of_piece(first) - 1 + _PIECES_AN_ENTRY * PIECE_ROWS)
        pieces = []
        for piece in row_pieces(session.pk, first, last):
            pieces.append(piece)
            yield len(piece.places)
        tries = 0 if _commit_rows(session, last, pieces, actor) else tries + 1
    raise KeepsChanging("it is being changed")


def _commit_rows(session: AgentSession, last: int, pieces: Sequence[RowPiece], actor: Actor) -> bool:
    """False when somebody else has sealed it meanwhile, or changed what was hashed."""
    with write_transaction():
        here = AgentSession.objects.filter(
            pk=session.pk, sealed_seq=session.sealed_seq, rewrite_count=session.rewrite_count
        )
        if not here.update(sealed_seq=last):
            return False
        details = {
            "form": FORM,
            "first_seq": session.sealed_seq + 1,
            "last_seq": last,
            "rows": sum(len(piece.places) for piece in pieces),
            "pieces": [piece.details() for piece in pieces],
        }
        record(
            "session.sealed", actor=actor, target=target_of(session), session_id=session.pk, details=details
        )
    return True


def seal_source(source_id: uuid.UUID, *, actor: Actor) -> Generator[int]:
    """Seal all lines that are kept of it. Yields how many bytes were hashed, piece by piece.

    Raises UnreadableLines, KeepsChanging, DatabaseError.
    """
    tries = 0
    while tries < _MOST_TRIES:
        source = Source.objects.filter(pk=source_id).first()
        if source is None or source.sealed_size >= source.read_offset:
            return
        end = min(source.read_offset, source.sealed_size + _PIECES_AN_ENTRY * PIECE_BYTES)
        pieces = []
        for piece in line_pieces(source.pk, source.sealed_size, end):
            pieces.append(piece)
            yield piece.size
        tries = 0 if _commit_lines(source, end, pieces, actor) else tries + 1
    raise KeepsChanging("others are sealing it")


def _commit_lines(source: Source, end: int, pieces: Sequence[LinePiece], actor: Actor) -> bool:
    """False when somebody else has sealed it meanwhile."""
    with write_transaction():
        if not Source.objects.filter(pk=source.pk, sealed_size=source.sealed_size).update(sealed_size=end):
            return False
        details = {
            "offset": source.sealed_size,
            "size": end - source.sealed_size,
            "pieces": [piece.details() for piece in pieces],
        }
        record(
            "source.sealed",
            actor=actor,
            target=Target("source", str(source.pk), source.path),
            details=details,
        )
    return True
