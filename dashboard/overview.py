"""Read model of Now: what needs the operator, what runs, what ended since they last looked."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from audit.health import last_health
from audit.models import Checkpoint, Entry
from audit.standing import standing
from dashboard.lib.clock import now_ms
from dashboard.lib.db import database_size, engine_version
from dashboard.lib.formatting import byte_size, count
from dashboard.room import Verdict, room_of
from sessions_app.access import READ_AUDIT, may
from sessions_app.models import AgentSession, Person, Source, Status, Terminal
from sessions_app.session_list import SessionEntry, entries_of, facts_of
from sessions_app.wall import FEW_TILES, Wall, wall_of

ROWS = 12
DAY_MS = 24 * 60 * 60 * 1000
HOUR_MS = 60 * 60 * 1000
# Beyond these, counts have a "+".
MOST_OF_DAY = 5_000
MOST_SOURCES = 10_000


@dataclass(frozen=True)
class Hour:
    """One bar of the day's plot."""

    starts_ms: int
    sessions: int
    # Height in hundredths of the tallest bar.
    share: int


@dataclass(frozen=True)
class Day:
    """With `has_more`, there were more sessions than the newest that were counted: the first hours lack some."""

    hours: Sequence[Hour]
    sessions: int
    has_more: bool


@dataclass(frozen=True)
class Said:
    """How something stands, in words."""

    verdict: Verdict
    text: str


@dataclass(frozen=True)
class Health:
    """Storage and audit in one line. `audited` and `log` are None for whoever may not read the log."""

    engine: str
    size: int
    room: Said
    sources: int
    has_more_sources: bool
    audited: int | None
    log: Said | None


@dataclass(frozen=True)
class Overview:
    needs_me: Sequence[SessionEntry]
    running: Sequence[SessionEntry]
    wall: Wall
    ended: Sequence[SessionEntry]
    day: Day
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
    return Overview(
        needs_me=entries_of([*facts_of(waiting), *facts_of(failed)][:ROWS], person),
        running=entries_of(list(facts_of(running)), person),
        wall=wall_of(person, FEW_TILES),
        ended=entries_of(list(facts_of(ended.newest_first()[:ROWS])), person),
        day=activity(person, now_ms()),
        health=health(person),
        is_empty=not visible.exists() and not Terminal.objects.visible_to(person).exists(),
    )


def activity(person: Person, now: int) -> Day:
    """Sessions by the hour of their last activity, over the last 24 hours."""
    first = now // HOUR_MS * HOUR_MS - DAY_MS + HOUR_MS
    recent = AgentSession.objects.visible_to(person).listed().filter(last_activity_ms__gte=first)
    newest = recent.order_by("-last_activity_ms").values_list("last_activity_ms", flat=True)
    moments = list(newest[: MOST_OF_DAY + 1])
    counts = [0] * 24
    for moment in moments[:MOST_OF_DAY]:
        counts[min(23, (moment - first) // HOUR_MS)] += 1
    tallest = max(counts) or 1
    hours = [
        Hour(first + hour * HOUR_MS, number, number * 100 // tallest) for hour, number in enumerate(counts)
    ]
    return Day(hours, sum(counts), len(moments) > MOST_OF_DAY)


def health(person: Person) -> Health:
    sources = Source.objects.order_by().values("pk")[: MOST_SOURCES + 1].count()
    audited, log = None, None
    if may(person, READ_AUDIT):
        newest = Entry.objects.newest_first().values_list("idx", flat=True).first()
        audited = 0 if newest is None else newest + 1
        log = _log_said()
    return Health(
        engine_version(),
        database_size(),
        _room_said(),
        min(sources, MOST_SOURCES),
        sources > MOST_SOURCES,
        audited,
        log,
    )


def _room_said() -> Said:
    """Where the data directory is: recordings go there, and SQLite's database unless it was put elsewhere."""
    try:
        room = room_of(settings.HOME)
    except OSError as error:
        return Said("warn", f"room unknown: {error.strerror}")
    words: dict[Verdict, str] = {"ok": "enough room", "warn": "little room", "fail": "no room"}
    return Said(room.verdict, f"{words[room.verdict]}, {byte_size(room.free)} free")


def _log_said() -> Said:
    """As the threads of the server found it last; what is wrong stands on the log's own page with what to do."""
    stands, found = standing(), last_health()
    if stands.first_bad_idx is not None:
        return Said("fail", f"broken at entry {count(stands.first_bad_idx)}")
    if stands.problem:
        return Said("fail", "not verified")
    if found.grave:
        return Said("fail", "in trouble")
    if found.passing:
        return Said("warn", "signed late")
    if not Checkpoint.objects.exists():
        return Said("warn", "not signed yet")
    return Said("ok", "signed and sound") if stands.verified_size else Said("ok", "signed, not verified yet")
