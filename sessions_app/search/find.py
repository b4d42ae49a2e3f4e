"""Answers a query: newest first, in pages, within a time limit."""

import logging
import re
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from dashboard.lib.errors import BadRequest, CorruptData, Refused
from dashboard.lib.keyset import BrokenCursor, decode_cursor, encode_cursor
from sessions_app.lookup import find_session
from sessions_app.models import (
    AgentSession,
    Message,
    SearchEntry,
    SearchKind,
    Terminal,
    TerminalText,
    ToolCall,
)
from sessions_app.models.blob import Blob
from sessions_app.models.people import Viewer
from sessions_app.search import index
from sessions_app.search.query import Query
from sessions_app.search.terminal_hits import TextSearch
from sessions_app.terminal.line_search import LineHit

logger = logging.getLogger(__name__)

PAGE_HITS = 30
DEADLINE_SECONDS = 1.0
_CANDIDATES = 200
_BEFORE_CHARS, _AFTER_CHARS = 70, 190


@dataclass(frozen=True)
class Hit:
    """One place. `excerpt` is text in pieces, those marked True are what was looked for."""

    kind: SearchKind
    # None for a hit in a terminal that belongs to no session.
    session: AgentSession | None
    # The place on the session's timeline; None for a hit in the session's own title, or in a terminal.
    seq: int | None
    at_ms: int
    role: str
    heading: str
    excerpt: tuple[tuple[str, bool], ...]
    run_id: uuid.UUID | None = None
    object_id: uuid.UUID | None = None
    terminal: Terminal | None = None
    # Of a hit in a terminal: its line, and how many more lines around there hold all of it.
    found: LineHit | None = None
    others: int = 0


@dataclass(frozen=True)
class Results:
    """One page of hits. `is_partial`: the time was up before the page was full; `next` goes on.

    In the terminals `more_in` there may be more places than the page has: kind:terminal finds them all.
    """

    hits: Sequence[Hit]
    next: str | None
    is_partial: bool
    more_in: frozenset[uuid.UUID] = frozenset()


def find(
    query: Query,
    user: Viewer,
    *,
    cursor: str | None = None,
    limit: int = PAGE_HITS,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Results:
    """Raises BrokenCursor, and BadRequest for a session that is none or may be several."""
    query = _with_session(query, user)
    if query.is_empty:
        return Results((), None, False)
    bound = _bound(cursor, query)
    floor = index.first_entry_of(query.after_ms) if query.after_ms is not None else None
    ends = time.monotonic() + deadline_seconds
    hits: list[Hit] = []
    terminals = TextSearch(query, user)
    seen = _found_above(bound, query) if cursor is not None and bound is not None else set()
    for entry, hit in _all_verified(query, user, bound, floor, seen, terminals):
        if hit is not None:
            hits.append(hit)
        is_full = len(hits) == limit
        if is_full or time.monotonic() > ends:
            return Results(hits, encode_cursor([entry]), not is_full, frozenset(terminals.more_in))
    return Results(hits, None, False, frozenset(terminals.more_in))


def _with_session(query: Query, user: Viewer) -> Query:
    """With the id of the session that the query names by a piece of it."""
    if not query.session or query.session_id is not None:
        return query
    try:
        return replace(query, session_id=find_session(query.session, user).pk)
    except Refused as refusal:
        raise BadRequest(str(refusal)) from refusal


def _all_verified(
    query: Query,
    user: Viewer,
    bound: int | None,
    floor: int | None,
    seen: set[uuid.UUID],
    terminals: TextSearch,
) -> Iterable[tuple[int, Hit | None]]:
    """Each candidate below `bound` and above `floor`, with its hit or None; none for the objects `seen`."""
    while True:
        ids = index.candidates(query.terms, before=bound, after=floor, limit=_CANDIDATES)
        yield from _verified(ids, query, user, seen, terminals)
        if len(ids) < _CANDIDATES:
            return
        bound = ids[-1]


def _found_above(bound: int, query: Query) -> set[uuid.UUID]:
    """What has entries on both sides of the cursor and was a candidate above it: an earlier page has it, if any has.

    Such entries want the same place, and the later ones got the next free ones behind it.
    """
    near = SearchEntry.objects.filter(pk__gt=bound - index.MOST_MOVED, pk__lt=bound + index.MOST_MOVED)
    objects = dict(near.values_list("pk", "object_id"))
    below = {objects[pk] for pk in objects if pk < bound}
    if not any(objects[pk] in below for pk in objects if pk >= bound):
        return set()
    highest = min(max(objects) + 1, index.MAX_ENTRY)
    above = index.candidates(query.terms, before=highest, after=bound - 1, limit=len(objects))
    return {objects[pk] for pk in above if pk in objects}


def _bound(cursor: str | None, query: Query) -> int | None:
    if cursor is not None:
        (entry,) = decode_cursor(cursor, 1)
        if not isinstance(entry, int):
            raise BrokenCursor("This page link is broken: the cursor does not fit a search.")
        return entry
    return index.first_entry_of(query.before_ms) if query.before_ms is not None else None


def _verified(
    ids: list[int], query: Query, user: Viewer, seen: set[uuid.UUID], terminals: TextSearch
) -> Iterable[tuple[int, Hit | None]]:
    """Each candidate with its hit, or None where the text or the filters say no; in the order of `ids`."""
    entries = SearchEntry.objects.filter(pk__in=ids)
    if query.kind is not None:
        entries = entries.filter(kind=query.kind)
    if query.session_id is not None:
        entries = entries.filter(session=query.session_id)
    chosen = {entry.pk: entry for entry in entries}
    sessions = _sessions({entry.session_id for entry in chosen.values() if entry.session_id}, query, user)
    matches = matcher(query)
    for start in range(0, len(ids), PAGE_HITS):
        # A page's worth at a time: most searches end within the first.
        part = [chosen[pk] for pk in ids[start : start + PAGE_HITS] if pk in chosen]
        blocks = terminals.blocks(entry.object_id for entry in part if entry.kind == SearchKind.TERMINAL)
        objects: dict[uuid.UUID, _Row] = {**_objects([e for e in part if e.session_id in sessions]), **blocks}
        for pk in ids[start : start + PAGE_HITS]:
            entry = chosen.get(pk)
            row = objects.get(entry.object_id) if entry is not None else None
            if entry is None or row is None or entry.object_id in seen:
                yield pk, None
                continue
            if isinstance(row, TerminalText):
                hit = _terminal_hit(terminals, row, matches)
            else:
                session = sessions[cast(uuid.UUID, entry.session_id)]
                hit = _hit(entry, row, session, matches, query.terms)
            if hit is not None:
                seen.add(entry.object_id)
            yield pk, hit


def _sessions(ids: set[uuid.UUID], query: Query, user: Viewer) -> dict[uuid.UUID, AgentSession]:
    rows = AgentSession.objects.visible_to(user).filter(pk__in=ids).select_related("project")
    if query.agent:
        rows = rows.filter(agent=query.agent)
    if query.project:
        rows = rows.filter(project__path__icontains=query.project)
    return {row.pk: row for row in rows}


type _Row = Message | ToolCall | AgentSession | TerminalText


def _objects(entries: Sequence[SearchEntry]) -> dict[uuid.UUID, _Row]:
    found: dict[uuid.UUID, _Row] = {}
    for kind, model, blobs in (
        (SearchKind.MESSAGE, Message, ("text_blob", "reasoning_blob")),
        (SearchKind.TOOL_CALL, ToolCall, ("input_blob", "output_blob")),
    ):
        ids = [entry.object_id for entry in entries if entry.kind == kind]
        if ids:
            found.update({row.pk: row for row in model.objects.filter(pk__in=ids).select_related(*blobs)})
    ids = [entry.object_id for entry in entries if entry.kind == SearchKind.SESSION]
    if ids:
        found.update({row.pk: row for row in AgentSession.objects.filter(pk__in=ids)})
    return found


def _terminal_hit(search: TextSearch, block: TerminalText, matches: "Matcher") -> Hit | None:
    found = search.hit(block)
    excerpt = matches(found.text) if found is not None else None
    if found is None or excerpt is None:
        return None
    return Hit(
        SearchKind.TERMINAL,
        found.terminal.session,
        None,
        found.at_ms,
        "",
        str(found.terminal),
        excerpt,
        object_id=found.terminal.pk,
        terminal=found.terminal,
        found=found.hit,
        others=found.others,
    )


def _hit(
    entry: SearchEntry,
    row: Message | ToolCall | AgentSession,
    session: AgentSession,
    matches: "Matcher",
    terms: Sequence[index.Term],
) -> Hit | None:
    if isinstance(row, AgentSession):
        text = f"{row.title}\n{row.first_prompt}"
        excerpt = matches(text)
        # It may have been renamed since it was indexed.
        if excerpt is None or not all(term.word in text.lower() for term in terms):
            return None
        return Hit(SearchKind.SESSION, session, None, row.started_ms, "", session.heading, excerpt)
    if isinstance(row, Message):
        excerpt = matches(f"{_whole(row.text, row.text_blob)}\n{_whole(row.reasoning, row.reasoning_blob)}")
        role, heading = row.role, row.get_role_display()
    else:
        parts = (row.name, _whole(row.input, row.input_blob), _whole(row.output, row.output_blob))
        excerpt = matches("\n".join(parts))
        role, heading = row.kind, f"{row.name} {row.title}".strip()
    if excerpt is None:
        return None
    return Hit(
        SearchKind(entry.kind),
        session,
        row.seq,
        row.at_ms,
        role,
        heading,
        excerpt,
        run_id=row.run_id,
        object_id=row.pk,
    )


def _whole(text: str, blob: Blob | None) -> str:
    """A body; the beginning that its row holds where the rest is damaged, as the search goes on with the others."""
    if blob is None:
        return text
    try:
        return blob.read().decode()
    except (CorruptData, UnicodeDecodeError) as error:
        logger.warning("The text %s is damaged and searched in its beginning alone: %s", blob, error)
        return text


type Matcher = Callable[[str], tuple[tuple[str, bool], ...] | None]


def matcher(query: Query) -> Matcher:
    """A function that gives the excerpt around the first match, or None when a phrase does not occur."""
    phrases = [
        re.compile(r"\s+".join(map(re.escape, phrase.split())), re.IGNORECASE) for phrase in query.phrases
    ]
    alternatives = [rf"\b{re.escape(term.word)}" + ("" if term.is_prefix else r"\b") for term in query.terms]
    any_term = re.compile("|".join([*(phrase.pattern for phrase in phrases), *alternatives]), re.IGNORECASE)

    def match(text: str) -> tuple[tuple[str, bool], ...] | None:
        if not all(phrase.search(text) for phrase in phrases):
            return None
        first = phrases[0].search(text) if phrases else any_term.search(text)
        start = first.start() if first else 0
        return _excerpt(text, start, any_term)

    return match


def _excerpt(text: str, position: int, any_term: re.Pattern[str]) -> tuple[tuple[str, bool], ...]:
    start, end = max(0, position - _BEFORE_CHARS), position + _AFTER_CHARS
    window = " ".join(text[start:end].split())
    pieces: list[tuple[str, bool]] = [("…", False)] if start > 0 else []
    last = 0
    for found in any_term.finditer(window):
        if found.start() > last:
            pieces.append((window[last : found.start()], False))
        if found.end() > found.start():
            pieces.append((found.group(), True))
        last = found.end()
    pieces.append((window[last:], False))
    if end < len(text):
        pieces.append(("…", False))
    return tuple(piece for piece in pieces if piece[0])
