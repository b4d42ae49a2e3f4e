"""The page of all terminals: the wall of those that are live, and the list of every one."""

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.lib.errors import BadRequest
from dashboard.lib.keyset import Page, page_of_link
from sessions_app.access import READ
from sessions_app.models import Terminal, TerminalState
from sessions_app.sign_in import me, requires
from sessions_app.wall import FEW_TILES, MOST_TILES, news_of, read_known, wall_of

PAGE_ROWS: Final = 50
# What the page shows: `""` is the wall above the list.
VIEWS: Final = {"": "Both", "wall": "Wall", "list": "List"}
_PARAMETERS: Final = frozenset({"view", "state", "after", "before"})


@require_safe
@requires(READ)
def terminals(request: HttpRequest) -> HttpResponse:
    """`view`, `state` and a cursor in the address; a narrowed or later page is about the list, so it has no wall."""
    for name in request.GET:
        if name not in _PARAMETERS:
            raise BadRequest(f"There is no filter named {name[:40]!r} here.")
    view, state = request.GET.get("view", ""), request.GET.get("state", "")
    if view not in VIEWS or (state and state not in TerminalState.values):
        raise BadRequest("There is no such view (wall, list) or state (live, ended, lost) of terminals.")
    page = None if view == "wall" else _page(request, state)
    is_lost = page is not None and page.is_lost
    is_first_page = is_lost or not {"after", "before"} & request.GET.keys()
    shows_wall = view == "wall" or (view == "" and not state and is_first_page)
    context = {
        "wall": wall_of(me(request), MOST_TILES if view == "wall" else FEW_TILES) if shows_wall else None,
        "page": page,
        "is_first_page": is_first_page,
        "is_lost": is_lost,
        "view": view,
        "is_whole": view == "wall",
        "views": VIEWS.items(),
        "state": state,
        "states": TerminalState.choices,
    }
    return render(request, "sessions_app/terminals/list.html", context)


@require_safe
@requires(READ)
def tiles(request: HttpRequest) -> HttpResponse:
    """What is new on a wall: `tile=<terminal>.<version>` for each that is looked at, `live=<n>` for who is live.

    204 when nothing is: a page that asks in vain costs no drawing and no body.
    """
    news = news_of(me(request), read_known(request.GET.getlist("tile")), limit=_limit(request))
    if not news.changed and not news.gone and news.live is None:
        return HttpResponse(status=204)
    return render(request, "sessions_app/terminals/_tiles.html", {"news": news})


def _page(request: HttpRequest, state: str) -> Page[Terminal]:
    rows = Terminal.objects.visible_to(me(request)).select_related("session").defer("environment")
    return page_of_link(
        rows.filter(state=state) if state else rows,
        order=("started_ms", "id"),
        limit=PAGE_ROWS,
        after=request.GET.get("after"),
        before=request.GET.get("before"),
    )


def _limit(request: HttpRequest) -> int | None:
    text = request.GET.get("live")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:4]) <= MOST_TILES and len(text) < 4):
        raise BadRequest(f"'live' must be a number up to {MOST_TILES}.")
    return int(text)
