"""What every form of export reads: a session's rows in their order, a few at a time, with their whole bodies."""

import heapq
from collections.abc import Iterator
from operator import attrgetter
from typing import Final

from django.db.models import Q, QuerySet

from sessions_app.bodies import blob_bytes
from sessions_app.models import AgentSession, Event, EventKind, Message, Run, ToolCall

# Rows hold up to four thousand characters of each body, so a batch of each table is a few megabytes.
_BATCH_ROWS: Final = 200

# They change a row that stands earlier, and say nothing of their own.
SILENT_EVENTS: Final = frozenset({EventKind.MESSAGE_EXTENDED, EventKind.TOOL_CALL_ENDED})

type TimelineItem = Message | ToolCall | Event


def rows_of(session: AgentSession, *, run: Run | None = None) -> Iterator[TimelineItem]:
    """Everything up to the session's `last_seq` as it was read, or what a run has of it, with the session's
    own events when it is the main one.
    """
    return heapq.merge(
        _ordered(Message.objects.all(), session, run),
        _ordered(ToolCall.objects.all(), session, run),
        _ordered(Event.objects.all(), session, run),
        key=attrgetter("seq"),
    )


def last_rows_of(session: AgentSession, limit: int) -> list[TimelineItem]:
    """The newest rows of the whole session, in their order."""
    found: list[TimelineItem] = []
    for rows in (session.messages, session.toolcalls, session.events):
        found += rows.filter(seq__gt=session.last_seq - limit, seq__lte=session.last_seq)
    return sorted(found, key=attrgetter("seq"))


def whole(row: Message | ToolCall, field: str) -> str:
    """The body of this name: `text`, `reasoning`, `input` or `output`. Raises Refused when it is damaged."""
    blob_id = getattr(row, f"{field}_blob_id")
    return str(getattr(row, field)) if blob_id is None else blob_bytes(blob_id).decode("utf-8", "replace")


def _ordered[Row: (Message, ToolCall, Event)](
    rows: QuerySet[Row], session: AgentSession, run: Run | None
) -> Iterator[Row]:
    rows = rows.filter(session=session, seq__lte=session.last_seq)
    if run is not None:
        rows = rows.filter(Q(run=run) | Q(run=None) if run.parent_id is None else Q(run=run))
    return rows.order_by("seq").iterator(chunk_size=_BATCH_ROWS)
