"""Marks on a session's clock: of the rows on a page at once, of the whole session by a request of its own."""

import uuid
from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

from dashboard.lib.formatting import counted
from sessions_app.clock_scale import Scale, percent
from sessions_app.models import (
    PROMPT_KINDS,
    AgentSession,
    EventKind,
    Message,
    MessageKind,
    Run,
    RunKind,
    ToolCallStatus,
)
from sessions_app.timeline_rows import AnyRow, CallRow, MessageRow, row_of

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
_CALLS: Final[dict[str, str]] = {ToolCallStatus.FAILED: "error"}
# What stays where there is room for one alone.
_ORDER: Final = ("error", "prompt", "event")


@dataclass
class Mark:
    """What is drawn of a row; `more` others stand too near to be drawn beside it."""

    row: AnyRow
    kind: str
    text: str
    place: float
    more: int
    is_sparse: bool

    @property
    def at(self) -> str:
        return percent(self.place)

    @property
    def label(self) -> str:
        return f"{self.text}, and {self.more:,} more" if self.more else self.text


@dataclass(slots=True)
class _Candidate:
    """A row that may get a mark: enough to say whether it does, before anything of it is read."""

    seq: int
    kind: str
    place: float
    pk: uuid.UUID
    more: int = 0
    is_sparse: bool = False


def marks_of(rows: Iterable[AnyRow], scale: Scale) -> list[Mark]:
    """Those of these rows that are worth one, in the order of their places, the more important before the nearest."""
    named = {row.subject.pk: (row, *name) for row in rows if (name := _name_of(row))}
    candidates = [
        _Candidate(row.seq, kind, scale.share(row.offset_ms), pk) for pk, (row, kind, _) in named.items()
    ]
    return [
        Mark(row, kind, text, chosen.place, chosen.more, chosen.is_sparse)
        for chosen in _thinned(candidates)
        for row, kind, text in [named[chosen.pk]]
    ]


def marks_of_session(session: AgentSession, main: Run | None, scale: Scale) -> tuple[list[Mark], list[str]]:
    """Those of the whole session; in words, of what only the newest. Only what gets a mark is read, and no bodies.

    Prompts are those of the main run: those of a subagent were written by another agent.
    """
    after = max(0, session.last_seq - MOST_PLACES)
    prompts: QuerySet[Message] = session.messages.filter(kind__in=list(_MESSAGES))
    if main is not None:
        prompts = prompts.filter(run=main)
    light = ("id", "seq", "at_ms", "run_id")
    streams: list[tuple[QuerySet[Any], dict[str, str], str]] = [
        (prompts.only(*light, "kind", "role", "text"), _MESSAGES, "kind"),
        (session.events.filter(kind__in=list(_EVENTS)).only(*light, "kind", "text"), _EVENTS, "kind"),
    ]
    if session.failed_tool_call_count:
        failed = session.toolcalls.filter(status=ToolCallStatus.FAILED)
        streams.append((failed.only(*light, "name", "title", "status"), _CALLS, "status"))
    candidates = [
        _Candidate(seq, kinds[kind], scale.share(max(0, at_ms - session.started_ms)), pk)
        for stream, kinds, column in streams
        for pk, seq, at_ms, kind in stream.filter(seq__gt=after).values_list("pk", "seq", "at_ms", column)
    ]
    chosen = {candidate.pk: candidate for candidate in _thinned(candidates)}
    rows = [row_of(session, subject) for stream, _, _ in streams for subject in stream.filter(pk__in=chosen)]
    marks = [
        Mark(row, *name, candidate.place, candidate.more, candidate.is_sparse)
        for row in rows
        for candidate in [chosen[row.subject.pk]]
        if (name := _name_of(row))
    ]
    marks.sort(key=lambda mark: mark.place)
    return marks, [f"{MOST_PLACES:,} rows"] if after else []


def _thinned(candidates: list[_Candidate]) -> list[_Candidate]:
    """Those that have room, in the order of their places; each knows how many others stand too near."""
    kept: list[_Candidate] = []
    places: list[float] = []
    sparse: list[float] = []
    for candidate in sorted(candidates, key=lambda one: (_ORDER.index(one.kind), -one.seq)):
        at = bisect(places, candidate.place)
        near = min(
            kept[max(0, at - 1) : at + 1], key=lambda one: abs(one.place - candidate.place), default=None
        )
        if near is not None and abs(near.place - candidate.place) < LEAST_GAP:
            near.more += 1
            continue
        if all(abs(place - candidate.place) >= LEAST_GAP_NARROW for place in sparse):
            candidate.is_sparse = True
            sparse.append(candidate.place)
        kept.insert(at, candidate)
        places.insert(at, candidate.place)
    return kept


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
