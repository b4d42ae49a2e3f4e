"""Where a hit is to be seen."""

import uuid
from collections.abc import Container, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from dashboard.lib.formatting import precise_clock
from sessions_app.models import SearchKind
from sessions_app.search.find import Hit
from sessions_app.search.query import Query
from sessions_app.terminal.line_search import LineHit
from sessions_app.timeline_rows import CALL_GLYPHS


@dataclass(frozen=True)
class Place:
    """What a page says of a hit beside its text; empty where it does not apply."""

    hit: Hit
    glyph: str
    href: str
    # Of a hit in a terminal: the moment, and the same moment on the clock of its session.
    moment: str = ""
    session_clock: str = ""
    # Of the last one of its terminal on the page when there may be more: the search inside.
    more: str = ""


def places_of(hits: Sequence[Hit], query: Query, more_in: Container[uuid.UUID]) -> list[Place]:
    last = {hit.terminal.pk: hit for hit in hits if hit.terminal is not None and hit.terminal.pk in more_in}
    return [
        Place(
            hit,
            _glyph_of(hit),
            href_of(hit, query),
            moment_of(hit.found) if hit.found is not None else "",
            session_clock_of(hit),
            _search_inside(hit, query) if hit in last.values() else "",
        )
        for hit in hits
    ]


def href_of(hit: Hit, query: Query) -> str:
    """The page that shows the hit, at its place."""
    if hit.terminal is not None and hit.found is not None:
        asked = {"t": moment_of(hit.found), "hit": hit.found.place, "q": shown_in_terminal(hit, query)}
        return f"{reverse('terminal', args=[hit.terminal.pk])}?{urlencode(asked)}"
    if hit.session is None:
        return ""
    page = reverse("session", args=[hit.session.pk])
    if hit.seq is None:
        return page
    run = f"run={hit.run_id}&" if hit.run_id else ""
    return f"{page}?{run}at={hit.seq}#seq-{hit.seq}"


def _search_inside(hit: Hit, query: Query) -> str:
    if hit.terminal is None:
        return ""
    asked = {"q": shown_in_terminal(hit, query)}
    return f"{reverse('terminal', args=[hit.terminal.pk])}?{urlencode(asked)}"


def session_clock_of(hit: Hit) -> str:
    """The session of a hit in a terminal, at the same moment; empty where there is none."""
    if hit.terminal is None or hit.found is None or hit.session is None:
        return ""
    since_ms = hit.terminal.started_ms - hit.session.started_ms + _written_ms(hit.found)
    asked = {"terminal": str(hit.terminal.pk), "t": precise_clock(max(0, since_ms))}
    return f"{reverse('session', args=[hit.session.pk])}?{urlencode(asked)}"


def moment_of(found: LineHit) -> str:
    """On the terminal's own clock."""
    return precise_clock(_written_ms(found))


def _written_ms(found: LineHit) -> int:
    # Upwards: a millisecond before the line was written it is not there.
    return -(-found.line.time_us // 1000)


def shown_in_terminal(hit: Hit, query: Query) -> str:
    """What to look for inside the terminal: all that was typed where it stands so in the line, else a word of it."""
    marked = [text for text, is_match in hit.excerpt if is_match]
    line = "".join(text for text, _ in hit.excerpt).lower()
    typed = " ".join(query.words).lower()
    return typed if typed and typed in line else max(marked, key=len, default="").lower()


def _glyph_of(hit: Hit) -> str:
    if hit.kind == SearchKind.TOOL_CALL:
        return CALL_GLYPHS.get(hit.role, "tool")
    if hit.kind == SearchKind.SESSION:
        return "sessions"
    if hit.kind == SearchKind.TERMINAL:
        return "terminals"
    return "person" if hit.role == "user" else "agent"
