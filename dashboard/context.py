"""What every page of the console knows: how much waits, runs and is live."""

import time
import uuid
from typing import Any, Final

from django.db import models
from django.http import HttpRequest

from sessions_app.models import AgentSession, Person, Run, Status, Terminal

# Counting stops here: the rail says that there is much, not how much.
COUNT_LIMIT: Final = 1_000
_FRESH_S: Final = 1.0
_MAX_REMEMBERED: Final = 256

_remembered: dict[uuid.UUID, tuple[float, dict[str, int]]] = {}


def console(request: HttpRequest) -> dict[str, Any]:
    """`nav_counts` of the signed-in person; nothing for anybody else."""
    person = getattr(request, "user", None)
    return {"nav_counts": nav_counts(person)} if isinstance(person, Person) else {}


def nav_counts(person: Person) -> dict[str, int]:
    """The numbers beside the places, at most a second old: a page and its partials share one look."""
    now = time.monotonic()
    known = _remembered.get(person.pk)
    if known is not None and now - known[0] < _FRESH_S:
        return known[1]
    counts = {
        "needs_me": _needs(person),
        "running": _bounded(Run.objects.visible_to(person).running()),
        "live_terminals": _bounded(Terminal.objects.visible_to(person).live()),
    }
    if len(_remembered) >= _MAX_REMEMBERED:
        _remembered.clear()
    _remembered[person.pk] = (now, counts)
    return counts


def _needs(person: Person) -> int:
    """Sessions that wait for an answer, and failed ones that this person has not looked at."""
    sessions = AgentSession.objects.visible_to(person).needing_attention()
    waiting = _bounded(sessions.filter(status=Status.WAITING))
    return waiting + _bounded(sessions.filter(status=Status.FAILED).unread_by(person))


def _bounded(rows: models.QuerySet[Any]) -> int:
    return rows.order_by().values("pk")[:COUNT_LIMIT].count()
