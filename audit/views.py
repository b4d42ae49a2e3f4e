"""The log as a list, newest first. Nothing here can change it; who may read it is decided where the addresses are."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit import catalog
from audit.decisions import badge_of
from audit.exports.forms import FORMS
from audit.facets import NAMES as FACET_NAMES
from audit.facets import facets_of
from audit.models import Entry, EntryQuerySet
from audit.query import QUALIFIERS, Query, parse
from audit.reading import note_reading
from audit.strip import strip
from audit.surroundings import SessionName, surroundings
from audit.walk import Found, log_size, newer, older
from dashboard.lib.errors import BadRequest

PAGE_ROWS: Final = 50
#: New entries are counted up to here.
MOST_NEWS: Final = 1_000
_CHIP_NAMES: Final = {
    **FACET_NAMES, "": "Text", "target": "Target", "run": "Run", "before": "Before", "after": "Since", "idx": "Entry",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

    entry: Entry
    sentence: str
    session: SessionName | None
    href: str
    # Status and word of its badge; "" where nothing was decided.
    status: str
    word: str


@require_safe
def entries(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "")
    context: dict[str, Any] = {"text": text, "qualifiers": list(QUALIFIERS.items()), "strip": strip()}
    try:
        query = query_of(request, "older_than", "newer_than")
    except BadRequest as error:
        return render(request, "audit/entries.html", {**context, "trouble": str(error)}, status=400)
    note_reading(query, actor=surroundings().actor(request))
    page = _page(query, request)
    return render(
        request,
        "audit/entries.html",
        {
            **context,
            **page,
            "query": query,
            "query_string": link(query),
            "chips": _chips(query),
            "saved": surroundings().saved_queries(request),
            "forms": FORMS,
            "bundle_command": _bundle_command(query),
        },
    )


@require_safe
def facets(request: HttpRequest) -> HttpResponse:
    """The facets with their counts, fetched after the list is there: they never keep it waiting."""
    query = query_of(request)
    note_reading(query, actor=surroundings().actor(request))
    return render(request, "audit/_facets.html", {"found": facets_of(query)})


@require_safe
def news(request: HttpRequest) -> HttpResponse:
    """How many entries match that are newer than those shown."""
    query = query_of(request, "newer_than")
    above = _index(request, "newer_than")
    if above is None:
        raise BadRequest("newer_than is missing.")
    if query:
        # Without a filter it tells how long the log is, as every head does.
        note_reading(query, actor=surroundings().actor(request))
    found = newer(query, above, MOST_NEWS, rows=_indices)
    return JsonResponse({"count": len(found.rows)})


def query_of(request: HttpRequest, *others: str) -> Query:
    """The query in the address. Raises BadRequest for one that cannot be read, or for another parameter."""
    for name in request.GET:
        if name not in {"q", *others}:
            raise BadRequest(f"There is no filter named {name[:40]!r} here: write what you look for into q.")
    return parse(request.GET.get("q", ""))


def link(query: Query, **more: object) -> str:
    """`?…` of the list with this query."""
    parameters = {**({"q": str(query)} if query else {}), **more}
    return f"?{urlencode(parameters)}" if parameters else "?"


def _page(query: Query, request: HttpRequest) -> dict[str, Any]:
    above, below, is_lost = _place(request)
    size = log_size()
    if above is not None and below is None:
        found = newer(query, above, PAGE_ROWS, rows=_listed)
        rows: Sequence[Entry] = found.rows[::-1]
        newer_than = None if found.is_end else rows[0].idx if len(rows) == PAGE_ROWS else found.reached
        older_than: int | None = above + 1
    else:
        found = older(query, size if below is None else below, PAGE_ROWS, rows=_listed)
        rows = found.rows
        newer_than = None if below is None else below - 1
        older_than = None if found.is_end else rows[-1].idx if len(rows) == PAGE_ROWS else found.reached
    return {
        "rows": rows_of(rows),
        "newest": max(size - 1, rows[0].idx if rows else -1),
        "is_first_page": above is None and below is None,
        "is_lost": is_lost,
        "pager": {
            "newer": "" if newer_than is None else link(query, newer_than=newer_than),
            "older": "" if older_than is None else link(query, older_than=older_than),
        },
        "looked": _looked(found, rows),
    }


def _looked(found: Found, rows: Sequence[Entry]) -> int | None:
    """How far a look came that ended before the page was full; None for one that is complete."""
    return found.reached if not found.is_end and len(rows) < PAGE_ROWS else None


def rows_of(found: Sequence[Entry]) -> list[Row]:
    names = surroundings().names_of({entry.session_id for entry in found if entry.session_id})
    base = reverse("audit")
    return [
        Row(
            entry,
            catalog.sentence_of(entry.action),
            names.get(entry.session_id) if entry.session_id else None,
            f"{base}{entry.idx}/",
            *badge_of(entry),
        )
        for entry in found
    ]


def _listed(found: EntryQuerySet) -> list[Entry]:
    rows = found.defer("body", "leaf")[: PAGE_ROWS + 1].fetched()
    for entry in rows:
        entry.make_readable()
    return rows


def _indices(found: EntryQuerySet) -> list[int]:
    return list(found.values_list("idx", flat=True)[: MOST_NEWS + 1])


def _place(request: HttpRequest) -> tuple[int | None, int | None, bool]:
    """Above and below which entry the address asks to look, and whether it says a place that cannot be read."""
    try:
        return _index(request, "newer_than"), _index(request, "older_than"), False
    except BadRequest:
        return None, None, True


def _index(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    if not text:
        return None
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or len(text) > 18:
        raise BadRequest(f"This page link is broken: {name} is no number of an entry.")
    return int(text)


def _bundle_command(query: Query) -> str:
    """What takes the same entries with the leaves of all others, as a shell reads it."""
    # Joined by "=", as what begins with a minus would be taken for an option.
    chosen = f" --query={shlex.quote(str(query))}" if query else ""
    return f"audit export audit.zip{chosen}"


def _chips(query: Query) -> list[dict[str, str]]:
    return [
        {
            "name": ("Not " if term.negated else "") + _CHIP_NAMES[term.name],
            "value": _chip_value(term.name, term.value),
            "remove": link(query.less(term)),
        }
        for term in query.terms
    ]


def _chip_value(name: str, value: str) -> str:
    return value[-8:] if name in {"session", "run"} else value
