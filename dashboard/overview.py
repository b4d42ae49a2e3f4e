"""Read model of Now: what needs the operator, what runs, what ended since they last looked."""

from collections.abc import Sequence
from dataclasses import dataclass

from audit.models import Entry
from dashboard.lib.clock import now_ms
from dashboard.lib.db import database_size, engine_version
from sessions_app.access import READ_AUDIT, may
from sessions_app.models import AgentSession, Person, Source, Status, Terminal
from sessions_app.session_list import SessionEntry, entries_of, facts_of
from sessions_app.wall import FEW_TILES, Wall, wall_of

ROWS = 12
DAY_MS = 24 * 60 * 60 * 1000
HOUR_MS = 60 * 60 * 1000


@dataclass(frozen=True)
class Hour:
    """One bar of the day's plot."""

    starts_ms: int
    sessions: int
    # Height in hundredths of the tallest bar.
    share: int


@dataclass(frozen=True)
class Health:
    """Storage and audit in one line. `audited` is None for whoever may not read the log."""

    engine: str
    size: int
    sources: int
    audited: int | None


@dataclass(frozen=True)
class Overview:
    needs_me: Sequence[SessionEntry]
    running: Sequence[SessionEntry]
    wall: Wall
    ended: Sequence[SessionEntry]
    day: Sequence[Hour]
    day_sessions: int
    health: Health
    is_empty: bool
    # A list of so many rows may have left out others.
    rows: int = ROWS


def overview(person: Person) -> Overview:
    """A fixed number of queries, each bounded."""
    visible = AgentSession.objects.visible_to(person)
    needing = visible.needing_attention().newest_first()
    # What waits for an answer waits however often one has looked at it.
    waiting = needing.filter(status=Status.WAITING)[:ROWS]
    failed = needing.filter(status=Status.FAILED).unread_by(person)[:ROWS]
    running = visible.listed().running().newest_first()[:ROWS]
    ended = (
        visible.listed().unread_by(person).exclude(status__in=[Status.RUNNING, Status.WAITING, Status.FAILED])
    )
    day = activity(person, now_ms())
    return Overview(
        needs_me=entries_of([*facts_of(waiting), *facts_of(failed)][:ROWS], person),
        running=entries_of(list(facts_of(running)), person),
        wall=wall_of(person, FEW_TILES),
        ended=entries_of(list(facts_of(ended.newest_first()[:ROWS])), person),
        day=day,
        day_sessions=sum(hour.sessions for hour in day),
        health=health(person),
        is_empty=not visible.exists() and not Terminal.objects.visible_to(person).exists(),
    )


def activity(person: Person, now: int) -> list[Hour]:
    """Sessions by the hour of their last activity, over the last 24 hours; counting stops at 5,000."""
    first = now // HOUR_MS * HOUR_MS - DAY_MS + HOUR_MS
    recent = AgentSession.objects.visible_to(person).listed().filter(last_activity_ms__gte=first)
    moments = recent.order_by("-last_activity_ms").values_list("last_activity_ms", flat=True)[:5_000]
    counts = [0] * 24
    for moment in moments:
        counts[min(23, (moment - first) // HOUR_MS)] += 1
    tallest = max(counts) or 1
    return [Hour(first + hour * HOUR_MS, count, count * 100 // tallest) for hour, count in enumerate(counts)]


def health(person: Person) -> Health:
    newest = Entry.objects.newest_first().values_list("idx", flat=True).first()
    audited = (0 if newest is None else newest + 1) if may(person, READ_AUDIT) else None
    return Health(
        engine_version(), database_size(), Source.objects.order_by().values("pk")[:10_000].count(), audited
    )
