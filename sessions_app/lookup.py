"""Finds a session or terminal by what a person calls it: an id, a piece of one, or its title."""

import re
import uuid
from collections.abc import Iterator
from typing import Final

from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Cast

from dashboard.lib.errors import Refused
from dashboard.lib.formatting import exact_time
from dashboard.lib.text import one_line
from sessions_app.legible import legible
from sessions_app.models import AgentSession, SessionAlias, Terminal
from sessions_app.models.people import Viewer

# Pages show the last eight digits of an id; its last group has twelve.
SHORT_DIGITS: Final = 8
_LONGEST_SUFFIX: Final = 12
_FEWEST_DIGITS: Final = 4
_MOST_LISTED: Final = 12
_DIGITS: Final = re.compile(r"[0-9a-f]{1,32}")

type Found = AgentSession | Terminal


class Ambiguous(Refused):
    """More than one is called that; the message lists them."""


def short_id(row: Found) -> str:
    return row.pk.hex[-SHORT_DIGITS:]


def find_named(name: str, viewer: Viewer) -> Found:
    """The one session or terminal with this id, this beginning or end of an id (at least four digits), this
    id of the agent's own or a beginning of it, or exactly this title.

    Raises Refused when there is none, Ambiguous for several.
    """
    sessions = AgentSession.objects.visible_to(viewer)
    terminals = Terminal.objects.visible_to(viewer)
    whole = _whole_id(name)
    if whole is not None and (row := sessions.filter(pk=whole).first() or terminals.filter(pk=whole).first()):
        return row
    found: dict[uuid.UUID, Found] = {}
    for condition in _conditions(name) if name else ():
        found.update((row.pk, row) for row in _matching(sessions, condition))
    for condition in (Q(title=name), *_pieces_of_id(name)) if name else ():
        found.update((row.pk, row) for row in _matching(terminals, condition))
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise Ambiguous(_listing(name, list(found.values())))
    raise Refused(f"There is no session or terminal called {legible(name)!r}. See: scrollback list")


def _whole_id(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(name)
    except ValueError:
        return None


def _conditions(name: str) -> Iterator[Q]:
    yield Q(title=name) | Q(title="", first_prompt=name)
    if len(name) >= _FEWEST_DIGITS:
        yield Q(external_id__startswith=name)
    yield Q(pk__in=SessionAlias.objects.filter(alias=name).values("session"))
    yield from _pieces_of_id(name)


def digits_of(name: str) -> str:
    """The digits of an id or of a piece of one that says something; nothing when it is none."""
    digits = name.replace("-", "").lower()
    return digits if len(digits) >= _FEWEST_DIGITS and _DIGITS.fullmatch(digits) else ""


def begins_with(digits: str) -> Q:
    return Q(pk__range=(uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))))


def ends_with(digits: str) -> Q:
    """Of rows annotated with `spelled_id`, at most the last twelve digits.

    SQLite spells an id without its dashes, Postgres with them; the last group is the same in both.
    """
    return Q(spelled_id__endswith=digits)


def _pieces_of_id(name: str) -> Iterator[Q]:
    digits = digits_of(name)
    if digits:
        yield begins_with(digits)
    if 0 < len(digits) <= _LONGEST_SUFFIX:
        yield ends_with(digits)


def _matching[Row: (AgentSession, Terminal)](rows: QuerySet[Row], condition: Q) -> list[Row]:
    spelled = rows.annotate(spelled_id=Cast("pk", CharField()))
    return list(spelled.filter(condition).order_by("-started_ms", "-id")[: _MOST_LISTED + 1])


def _listing(name: str, found: list[Found]) -> str:
    lines = [f"{legible(name)!r} may be any of these; say more of the id:"]
    found.sort(key=lambda row: row.started_ms, reverse=True)
    for row in found[:_MOST_LISTED]:
        kind, title = ("session", row.heading) if isinstance(row, AgentSession) else ("terminal", str(row))
        lines.append(f"  {row.pk}  {kind:<8}  {exact_time(row.started_ms)}  {legible(one_line(title, 60))}")
    if len(found) > _MOST_LISTED:
        lines.append("  …")
    return "\n".join(lines)
