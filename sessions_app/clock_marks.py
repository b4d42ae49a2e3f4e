"""Marks on a session's clock: of the rows on a page at once, of the whole session by a request of its own."""

from bisect import bisect, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

from dashboard.lib.formatting import counted
from sessions_app.clock_scale import Scale, percent
from sessions_app.models import (
    PROMPT_KINDS,
    AgentSession,
    Event,
    EventKind,
    Message,
    MessageKind,
    Run,
    RunKind,
    ToolCall,
    ToolCallStatus,
)
from sessions_app.timeline_rows import AnyRow, CallRow, MessageRow, row_of

MOST_MARKS: Final = 200
# Those that touch are drawn as one, so that this many take no more room than a few.
MOST_RUNS: Final = 1_000
# No index holds the kinds: so many of the newest places are looked through, and nothing before them.
MOST_PLACES: Final = 50_000
# Of the bar: between marks, between those that a narrow page shows as well, and between runs that are drawn as one.
LEAST_GAP: Final = 0.01
LEAST_GAP_NARROW: Final = 0.04
RUN_GAP: Final = 0.002
_LABEL_CHARS: Final = 80
_MESSAGES: Final[dict[str, str]] = {**dict.fromkeys(PROMPT_KINDS, "prompt"), MessageKind.ERROR: "error"}
_EVENTS: Final[dict[str, str]] = {
    EventKind.ERROR_REPORTED: "error",
    EventKind.SESSION_COMPACTED: "event",
    EventKind.SESSION_RESUMED: "event",
}
# What stays where there is room for one alone.
_ORDER: Final = ("error", "prompt", "event")


@dataclass
class Mark:
    """What is drawn of a row; `more` others stand too near to be drawn beside it."""

    row: AnyRow
    kind: str
    text: str
    place: float
    more: int = 0
    is_sparse: bool = False

    @property
    def at(self) -> str:
        return percent(self.place)

    @property
    def label(self) -> str:
        return f"{self.text}, and {self.more} more" if self.more else self.text


def marks_of(rows: Iterable[AnyRow], scale: Scale) -> list[Mark]:
    """Those of these rows that are worth one, in the order of their places, the more important before the nearest."""
    found = [Mark(row, *named, scale.share(row.offset_ms)) for row in rows if (named := _name_of(row))]
    found.sort(key=lambda mark: (_ORDER.index(mark.kind), -mark.row.seq))
    kept: list[Mark] = []
    sparse: list[float] = []
    for mark in found:
        near = _nearest(kept, mark.place)
        if near is not None and abs(near.place - mark.place) < LEAST_GAP:
            near.more += 1
            continue
        mark.is_sparse = all(abs(place - mark.place) >= LEAST_GAP_NARROW for place in sparse)
        if mark.is_sparse:
            sparse.append(mark.place)
        insort(kept, mark, key=lambda other: other.place)
    return kept


def rows_to_mark(session: AgentSession, main: Run | None) -> tuple[list[AnyRow], list[str]]:
    """The rows of the whole session that may get a mark, without their bodies; in words, of which only the newest.

    Prompts are those of the main run: those of a subagent were written by another agent.
    """
    after = max(0, session.last_seq - MOST_PLACES)
    prompts: QuerySet[Message] = session.messages.filter(kind__in=list(_MESSAGES))
    if main is not None:
        prompts = prompts.filter(run=main)
    light = ("id", "seq", "at_ms", "run_id")
    streams: list[tuple[str, QuerySet[Any]]] = [
        ("prompts", prompts.only(*light, "kind", "role", "text")),
        ("events", session.events.filter(kind__in=list(_EVENTS)).only(*light, "kind", "text")),
    ]
    if session.failed_tool_call_count:
        failed = session.toolcalls.filter(status=ToolCallStatus.FAILED)
        streams.append(("failed calls", failed.only(*light, "name", "title", "status")))
    rows: list[AnyRow] = []
    cut = []
    for name, stream in streams:
        found: list[Message | ToolCall | Event] = list(
            stream.filter(seq__gt=after).order_by("-seq")[: MOST_MARKS + 1]
        )
        rows += [row_of(session, subject) for subject in found[:MOST_MARKS]]
        if len(found) > MOST_MARKS:
            cut.append(f"{MOST_MARKS} {name}")
    if after:
        cut.append(f"{MOST_PLACES:,} rows")
    return rows, cut


def run_spans(session: AgentSession, scale: Scale) -> tuple[list[dict[str, Any]], list[str]]:
    """The subagents' runs, those that touch as one; in words, of how many only the newest."""
    if session.run_count < 2:
        return [], []
    found = list(
        session.runs.filter(kind=RunKind.SUBAGENT)
        .only(
            "id", "kind", "key", "title", "agent_name", "status", "started_ms", "ended_ms", "last_activity_ms"
        )
        .newest_first()[: MOST_RUNS + 1]
    )
    cut = [counted(MOST_RUNS, "subagent")] if len(found) > MOST_RUNS else []
    spans = [
        {
            "at": percent(first),
            "size": percent(last - first),
            "lane": 1,
            "status": group[0].status if len(group) == 1 else "",
            "name": str(group[0]) if len(group) == 1 else counted(len(group), "subagent"),
        }
        for first, last, group in _joined(found[:MOST_RUNS][::-1], session, scale)
    ]
    return spans, cut


def _joined(
    runs: Sequence[Run], session: AgentSession, scale: Scale
) -> Iterator[tuple[float, float, list[Run]]]:
    first, last, group = 0.0, 0.0, list[Run]()
    for run in runs:
        start_ms = run.started_ms - session.started_ms
        one, two = scale.share(start_ms), scale.share(start_ms + run.duration_ms)
        if group and one <= last + RUN_GAP:
            last = max(last, two)
            group.append(run)
            continue
        if group:
            yield first, last, group
        first, last, group = one, two, [run]
    if group:
        yield first, last, group


def _name_of(row: AnyRow) -> tuple[str, str] | None:
    """The kind of its mark and what it says."""
    if isinstance(row, CallRow):
        failed = row.subject.status == ToolCallStatus.FAILED
        return ("error", f"{row.subject.name} failed: {row.title[:_LABEL_CHARS]}") if failed else None
    kind = (_MESSAGES if isinstance(row, MessageRow) else _EVENTS).get(row.subject.kind)
    if kind is None:
        return None
    # Made of the whole text, and most rows have no mark.
    text = row.line if isinstance(row, MessageRow) else row.title
    said = [row.subject.get_kind_display(), text[:_LABEL_CHARS]]
    return kind, ": ".join(part for part in said if part)


def _nearest(marks: Sequence[Mark], place: float) -> Mark | None:
    """The one of these, in the order of their places, that stands nearest."""
    at = bisect(marks, place, key=lambda mark: mark.place)
    return min(marks[max(0, at - 1) : at + 1], key=lambda mark: abs(mark.place - place), default=None)
