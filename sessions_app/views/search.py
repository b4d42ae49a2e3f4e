"""The search page, and the palette that goes anywhere."""

from itertools import groupby
from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.lib.errors import BadRequest
from dashboard.lib.keyset import BrokenCursor
from sessions_app.access import READ
from sessions_app.actions.terminals.moments import with_moments
from sessions_app.hit_places import places_of
from sessions_app.models import Person
from sessions_app.palette import offers_for, recent
from sessions_app.search.find import Results, find
from sessions_app.search.query import QUALIFIERS, Query, parse
from sessions_app.sign_in import requires

_KINDS = (
    ("", "All"),
    ("message", "Messages"),
    ("tool", "Tool calls"),
    ("terminal", "Terminals"),
    ("session", "Titles"),
)


@require_safe
@requires(READ)
def search(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "")
    error, query, results, is_lost = "", Query(), Results((), None, False), False
    try:
        query = parse(text)
        results = find(query, request.user, cursor=request.GET.get("after"))
    except BrokenCursor:
        results, is_lost = find(query, request.user), True
    except BadRequest as refusal:
        error = str(refusal)
    context = {
        "q": text,
        "query": query,
        "error": error,
        "results": results,
        "groups": [
            list(places)
            for _, places in groupby(
                places_of(with_moments(results.hits), query, results.more_in),
                key=lambda place: place.hit.session or place.hit.terminal,
            )
        ],
        "kinds": [
            (_with_kind(text, kind), label, (query.kind or "") == _stored(kind)) for kind, label in _KINDS
        ],
        "qualifiers": [(f"{name}:", meaning) for name, meaning in QUALIFIERS.items()],
        "is_first_page": is_lost or "after" not in request.GET,
        "is_lost": is_lost,
    }
    return render(request, "sessions_app/search/search.html", context)


def _stored(kind: str) -> str:
    return {"tool": "tool_call"}.get(kind, kind)


def _with_kind(text: str, kind: str) -> str:
    """The query with its kind: qualifier replaced."""
    words = [word for word in text.split() if not word.startswith("kind:")]
    return " ".join([*words, f"kind:{kind}"] if kind else words)


@require_safe
@requires(READ)
def palette(request: HttpRequest) -> HttpResponse:
    """What Ctrl K offers: what is called so, places, what has it in its title, and the search itself at the end."""
    person, text = cast(Person, request.user), request.GET.get("q", "").strip()
    offers = offers_for(text, person) if text else recent(person)
    return render(request, "sessions_app/search/_palette.html", {"q": text, "offers": offers})
