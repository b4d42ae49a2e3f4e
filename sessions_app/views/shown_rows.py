"""The rows that an open list shows already, asked for again: those that are still there, as they look now."""

import uuid
from typing import Final, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.lib.errors import BadRequest
from sessions_app.access import OPERATE, READ, may
from sessions_app.filters import SessionFilter
from sessions_app.models import Person, Run, Terminal
from sessions_app.session_list import entries_of, facts_of, on_shelf
from sessions_app.sign_in import me, requires

# A page shows fifty.
MOST_ROWS: Final = 100


@require_safe
@requires(READ)
def sessions(request: HttpRequest) -> HttpResponse:
    """Those that still lie where `show` looks. What no other filter fits any more stays: nothing goes from under
    the reader because it went on.
    """
    person = cast(Person, request.user)
    shelf = SessionFilter.read({"show": request.GET.get("show", "")})
    rows = list(facts_of(on_shelf(person, shelf).filter(pk__among=_ids(request))))
    context = {"entries": entries_of(rows, person), "selectable": may(person, OPERATE)}
    return render(request, "sessions_app/lists/_session_rows.html", context)


@require_safe
@requires(READ)
def runs(request: HttpRequest) -> HttpResponse:
    found = Run.objects.visible_to(me(request)).filter(pk__among=_ids(request))
    context = {"runs": found.select_related("session", "parent").defer("input", "output", "error")}
    return render(request, "sessions_app/lists/_run_rows.html", context)


@require_safe
@requires(READ)
def terminals(request: HttpRequest) -> HttpResponse:
    found = Terminal.objects.visible_to(me(request)).filter(pk__among=_ids(request))
    context = {"terminals": found.select_related("session").defer("environment")}
    return render(request, "sessions_app/terminals/_rows.html", context)


def _ids(request: HttpRequest) -> list[uuid.UUID]:
    """`ids=<id>,<id>,…`, or none. Raises BadRequest for anything else, and for more than a list shows."""
    names = list(filter(None, request.GET.get("ids", "").split(",", MOST_ROWS)))
    if len(names) > MOST_ROWS:
        raise BadRequest(f"'ids' names {MOST_ROWS} rows at most.")
    try:
        return [uuid.UUID(name) for name in names]
    except ValueError as error:
        raise BadRequest("'ids' must be ids of rows, with commas between.") from error
