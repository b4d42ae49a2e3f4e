"""Pages of a run's timeline, for reading.

Messages, tool calls and events share one order, `seq`. A page is a stretch of that order, bounded by rows and
by the text that will be drawn, and read through the index (run, seq) of each table: its cost is the same in a
session of any size. Bodies are not loaded, but for the texts that are drawn unfolded.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet
from django.db.models.functions import Left

from dashboard.lib.clock import instant
from sessions_app.models import (
    AgentSession,
    Event,
    EventKind,
    Message,
    MessageKind,
    Run,
    RunKind,
    ToolCall,
    ToolKind,
)
from sessions_app.timeline_rows import LINE_CHARS, AnyRow, CallRow, MessageRow, Subject, row_of

PAGE_ROWS: Final = 80
# Texts that are drawn with a page, in characters: with their markup and the rows around them, under 300 KB.
PAGE_CHARS: Final = 48_000
# Rows of each kind, the newest, that are drawn again because of what came after them.
MOST_CHANGED: Final = PAGE_ROWS * 2

# They change a row that stands earlier, and are no rows of their own.
CHANGES: Final = (EventKind.MESSAGE_EXTENDED, EventKind.TOOL_CALL_ENDED)


@dataclass(frozen=True)
class Page:
    """Rows in the order of the timeline; `earlier` and `later` are the cursors that lead on."""

    rows: list[AnyRow]
    earlier: int | None
    later: int | None

    @property
    def last_seq(self) -> int:
        return self.rows[-1].seq if self.rows else 0


class Timeline:
    """The rows of one run up to place `through`; those of the session itself are with its main run.

    Read `session` before anything else: every place up to its `last_seq` was committed by then, so a page
    and the live cursor that follows it leave no gap between them.
    """

    def __init__(
        self,
        session: AgentSession,
        run: Run | None,
        *,
        page_rows: int = PAGE_ROWS,
        page_chars: int = PAGE_CHARS,
    ) -> None:
        self.session = session
        self.run = run
        self.through = session.last_seq
        self._rows = page_rows
        self._chars = page_chars

    def newest(self) -> Page:
        return self.before(self.through + 1)

    def before(self, seq: int) -> Page:
        """The rows just before this place."""
        rows, more = self._stretch(seq, backwards=True)
        later = seq - 1 if seq <= self.through else None
        return self._page(rows, earlier=more, later=later)

    def after(self, seq: int) -> Page:
        """The rows just after this place."""
        rows, more = self._stretch(seq, backwards=False)
        before, _ = self._stretch(seq + 1, backwards=True, limit=1)
        return self._page(rows, earlier=bool(before), later=rows[-1].seq if more else None, before=before)

    def around(self, seq: int) -> Page:
        """The rows on both sides of this place, with it in the middle."""
        limit, chars = max(1, self._rows // 2), self._chars // 2
        first, earlier = self._stretch(seq, backwards=True, limit=limit, chars=chars)
        rest, later = self._stretch(seq - 1, backwards=False, limit=limit, chars=chars)
        return self._page(first + rest, earlier=earlier, later=rest[-1].seq if later else None)

    def seq_near(self, at_ms: int) -> int | None:
        """The place of the message or call nearest to this moment; None where there is none.

        No index holds the moments, but they rise with the places: each look halves what is left of them.
        """
        found = [row for stream in self._streams() for row in self._neighbours(stream, at_ms)]
        return min(found, key=lambda row: (abs(row[1] - at_ms), row[0]))[0] if found else None

    def _neighbours(self, stream: QuerySet[Any], at_ms: int) -> list[tuple[int, int]]:
        """(seq, at_ms) of the last row before this moment and of the first from it on."""
        places = stream.values_list("seq", "at_ms")
        low, high = 0, self.through
        around: dict[bool, tuple[int, int]] = {}
        while low < high:
            middle = (low + high) // 2
            row = self._beyond(places, middle, backwards=False).first()
            if row is not None:
                around[row[1] < at_ms] = row
            if row is None or row[1] >= at_ms:
                high = middle
            else:
                low = row[0]
        return list(around.values())

    def changed(self, after: int, through: int) -> list[AnyRow]:
        """Rows up to place `after` that look different now because of what came up to `through`."""
        changes = self.session.events.filter(
            seq__gt=after, seq__lte=through, kind__in=CHANGES, subject_id__isnull=False
        )
        if self.run is not None:
            changes = changes.filter(run=self.run)
        # Rows after that place change as well, and one reply hundreds of times: they take no room of those before it.
        ids = list(changes.order_by().values_list("subject_id", flat=True).distinct())
        messages = Message.objects.filter(pk__among=ids, seq__lte=after).order_by("-seq")
        calls = ToolCall.objects.filter(pk__among=ids, seq__lte=after).order_by("-seq")
        found: list[Subject] = [
            *messages_of(messages)[:MOST_CHANGED],
            *calls_of(calls)[:MOST_CHANGED],
            *self._calls_of_active_runs(after, through),
        ]
        return [
            row_of(self.session, subject) for subject in {subject.pk: subject for subject in found}.values()
        ]

    def _calls_of_active_runs(self, after: int, through: int) -> QuerySet[ToolCall]:
        """Calls that started runs in which something happened meanwhile: their figures moved."""
        active: set[Any] = set()
        for rows in (self.session.messages, self.session.toolcalls, self.session.events):
            stretch = rows.filter(seq__gt=after, seq__lte=through)
            active.update(stretch.order_by().values_list("run_id", flat=True).distinct())
        active -= {None, self.run.pk if self.run else None}
        started = ToolCall.objects.filter(session=self.session, kind=ToolKind.AGENT, child_run__in=active)
        return calls_of(started.filter(run=self.run, seq__lte=after))

    def _page(
        self, rows: list[AnyRow], *, earlier: bool, later: int | None, before: Sequence[AnyRow] = ()
    ) -> Page:
        _mark_days_and_continuations(rows, before[-1] if before else None, is_start=not earlier)
        return Page(rows, rows[0].seq if rows and earlier else None, later)

    def _stretch(
        self, seq: int, *, backwards: bool, limit: int | None = None, chars: int | None = None
    ) -> tuple[list[AnyRow], bool]:
        """Rows on one side of a place, in their order, and whether there are more beyond them."""
        limit = self._rows if limit is None else limit
        found: list[Subject] = []
        for stream in self._streams():
            found += self._beyond(stream, seq, backwards=backwards)[: limit + 1]
        found = _first(found, limit + 1, backwards=backwards)
        # Most events are changes, which are no rows, and those of the session itself have no run: no index
        # leads to the few that are shown, so they are looked for only as far as the page can reach.
        edge = found[-1].seq if len(found) > limit else None
        for stream in self._events():
            events = self._beyond(stream, seq, backwards=backwards)
            if edge is not None:
                events = events.filter(seq__gt=edge) if backwards else events.filter(seq__lt=edge)
            found += events[: limit + 1]
        found = _first(found, limit + 1, backwards=backwards)
        rows = self._within(found, limit, self._chars if chars is None else chars)
        return (rows[::-1] if backwards else rows), len(rows) < len(found)

    def _within(self, subjects: Iterable[Subject], limit: int, chars: int) -> list[AnyRow]:
        """As many rows as fit, at least one."""
        rows: list[AnyRow] = []
        for subject in subjects:
            row = row_of(self.session, subject)
            chars -= row.drawn_chars
            if rows and (len(rows) >= limit or chars < 0):
                break
            rows.append(row)
        return rows

    def _streams(self) -> list[QuerySet[Any]]:
        of = self.session if self.run is None else self.run
        return [messages_of(of.messages.all()), calls_of(of.toolcalls.all())]

    def _events(self) -> list[QuerySet[Event]]:
        if self.run is None:
            return [events_of(self.session.events.all())]
        streams = [events_of(self.run.events.all())]
        if self.run.kind == RunKind.MAIN:
            streams.append(events_of(self.session.events.filter(run=None)))
        return streams

    def _beyond(self, rows: QuerySet[Any], seq: int, *, backwards: bool) -> QuerySet[Any]:
        if backwards:
            return rows.filter(seq__lt=min(seq, self.through + 1)).order_by("-seq")
        return rows.filter(seq__gt=seq, seq__lte=self.through).order_by("seq")


def _first(subjects: list[Subject], limit: int, *, backwards: bool) -> list[Subject]:
    return sorted(subjects, key=lambda subject: subject.seq, reverse=backwards)[:limit]


def messages_of(messages: QuerySet[Message]) -> QuerySet[Message]:
    return messages.defer("reasoning").annotate(reasoning_head=Left("reasoning", LINE_CHARS))


def calls_of(calls: QuerySet[ToolCall]) -> QuerySet[ToolCall]:
    child = (
        "id",
        "kind",
        "title",
        "agent_name",
        "key",
        "status",
        "status_evidence",
        "started_ms",
        "ended_ms",
    )
    figures = (
        "last_activity_ms",
        "message_count",
        "tool_call_count",
        "failed_tool_call_count",
        "total_tokens",
        "model",
    )
    return (
        calls.select_related("child_run").only(
            "id", "session_id", "run_id", "seq", "at_ms", "turn", "source_id", "source_line", "name", "kind",
            "title", "status", "ended_ms", "exit_status", "input_size", "output_size",
            *(f"child_run__{name}" for name in (*child, *figures)),
        )
    )  # fmt: skip


def events_of(events: QuerySet[Event]) -> QuerySet[Event]:
    return events.exclude(kind__in=CHANGES).defer("document")


def _mark_days_and_continuations(rows: list[AnyRow], before: AnyRow | None, *, is_start: bool) -> None:
    for row in rows:
        day = instant(row.at_ms).date()
        if (before is None and is_start) or (before is not None and instant(before.at_ms).date() != day):
            row.day = f"{day:%A}, {day.day} {day:%B %Y}"
        row.continues = before is not None and not row.day and _goes_on(row, before)
        before = row


def _goes_on(row: AnyRow, before: AnyRow) -> bool:
    """Is this the same speaker who goes on, after replies and calls of their own?"""
    return _is_reply(row) and (isinstance(before, CallRow) or _is_reply(before))


def _is_reply(row: AnyRow) -> bool:
    return isinstance(row, MessageRow) and row.subject.kind == MessageKind.REPLY


def run_id_at(session: AgentSession, seq: int) -> uuid.UUID | None:
    """The run that the row at this place belongs to; None for the session's own rows, and where there is none."""
    for rows in (session.messages, session.toolcalls, session.events):
        found = rows.filter(seq=seq).values_list("run_id", flat=True).first()
        if found is not None:
            return found
    return None


def main_run_of(session: AgentSession) -> Run | None:
    return session.runs.filter(parent=None).order_by("kind", "started_ms", "id").first()
