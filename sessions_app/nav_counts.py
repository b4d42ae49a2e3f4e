"""How much waits, runs and is live: the numbers beside the places."""

import time
import uuid
from typing import Any, Final

from django.db import models

from dashboard.lib.formatting import MOST_SHOWN
from sessions_app.models import AgentSession, Person, Run, Status, Terminal

# Counting stops here, and "99+" is shown (MOST_SHOWN in dashboard/lib/formatting.py and favicon-state.js): every page
# pays for it, and the rail says that there is much, not how much.
COUNT_LIMIT: Final = MOST_SHOWN + 1
_FRESH_S: Final = 1.0
_MAX_REMEMBERED: Final = 256

_remembered: dict[uuid.UUID, tuple[float, dict[str, int]]] = {}


def nav_counts(person: Person, *, since: float = 0.0) -> dict[str, int]:
    """`needs_me`, `running`, `live_terminals`, at most a second old, so that a page and its parts agree.

    None is from before `since`, a moment of `time.monotonic()`: what was committed by then is in them.
    """
    now = time.monotonic()
    known = _remembered.get(person.pk)
    if known is not None and known[0] >= since and now - known[0] < _FRESH_S:
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


def forget_counts(person: Person) -> None:
    """They are counted anew: this person has just marked something."""
    _remembered.pop(person.pk, None)


def _needs(person: Person) -> int:
    """Sessions that wait for an answer, and failed ones that this person has not looked at."""
    sessions = AgentSession.objects.visible_to(person).needing_attention()
    waiting = _bounded(sessions.filter(status=Status.WAITING))
    return waiting + _bounded(sessions.filter(status=Status.FAILED).unread_by(person))


def _bounded(rows: models.QuerySet[Any]) -> int:
    return rows.order_by().values("pk")[:COUNT_LIMIT].count()
