"""Finds a session or terminal by what a person calls it: an id, a piece of one, or its title."""

import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Final

from django.db.models import CharField, Model, Q, QuerySet, Value
from django.db.models.functions import Cast, Replace

from dashboard.lib.errors import Refused
from dashboard.lib.formatting import exact_time
from dashboard.lib.text import one_line
from sessions_app.legible import legible
from sessions_app.models import AgentSession, SessionAlias, Terminal
from sessions_app.models.people import Viewer

# Lists show the last eight digits of an id: ids begin with their time, so those of one day begin alike.
SHORT_DIGITS: Final = 8
_FEWEST_DIGITS: Final = 4
_MOST_LISTED: Final = 12
# Of ids that end alike, the trash among them.
_MOST_LOOKED_AT: Final = 500
_DIGITS: Final = re.compile(r"[0-9a-f]{1,32}")

type Found = AgentSession | Terminal


class Ambiguous(Refused):
    """More than one is called that; the message lists them."""


def short_id(row: Found) -> str:
    return row.pk.hex[-SHORT_DIGITS:]


def find_named(name: str, viewer: Viewer) -> Found:
    """The one session or terminal with this id, this beginning or end of an id (at least four digits), this
    id of the agent's own or a beginning of it, or exactly this title.

    Raises Refused when there is none, Ambiguous for several. Names and the ends of ids are read through:
    among 100,000 of each that took 0.4 to 1.4 s on two busy cores (SQLite). A whole id is found at once.
    """
    sessions, terminals = AgentSession.objects.visible_to(viewer), Terminal.objects.visible_to(viewer)
    whole = whole_id(name)
    if whole is not None and (row := sessions.filter(pk=whole).first() or terminals.filter(pk=whole).first()):
        return row
    found: dict[uuid.UUID, Found] = {**_sessions(sessions, name), **_terminals(terminals, name)}
    return _only(name, found, "session or terminal", " See: scrollback list")


def find_session(name: str, viewer: Viewer) -> AgentSession:
    """As find_named, where only a session can be meant."""
    sessions = AgentSession.objects.visible_to(viewer)
    whole = whole_id(name)
    if whole is not None and (row := sessions.filter(pk=whole).first()):
        return row
    return _only(name, _sessions(sessions, name), "session")


def whole_id(name: str) -> uuid.UUID | None:
    """The id, when this is all of one."""
    try:
        return uuid.UUID(name)
    except ValueError:
        return None


def _only[Row: Found](name: str, found: dict[uuid.UUID, Row], kind: str, advice: str = "") -> Row:
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise Ambiguous(_listing(name, list(found.values())))
    digits = _digits(name)
    too_few = f": of an id, give at least {_FEWEST_DIGITS} digits" if 0 < len(digits) < _FEWEST_DIGITS else ""
    raise Refused(f"There is no {kind} called {legible(name)!r}{too_few}.{advice}")


def _sessions(rows: QuerySet[AgentSession], name: str) -> dict[uuid.UUID, AgentSession]:
    if not name:
        return {}
    called = Q(title=name) | Q(title="", first_prompt=name)
    called |= Q(pk__in=SessionAlias.objects.filter(alias=name).values("session"))
    if len(name) >= _FEWEST_DIGITS:
        called |= Q(external_id__startswith=name)
    return _gathered(rows.filter(called), *_by_piece_of_id(rows, name))


def _terminals(rows: QuerySet[Terminal], name: str) -> dict[uuid.UUID, Terminal]:
    return _gathered(rows.filter(title=name), *_by_piece_of_id(rows, name)) if name else {}


def _gathered[Row: (AgentSession, Terminal)](*found: QuerySet[Row]) -> dict[uuid.UUID, Row]:
    return {row.pk: row for rows in found for row in rows[: _MOST_LISTED + 1]}


def _by_piece_of_id[Row: (AgentSession, Terminal)](rows: QuerySet[Row], name: str) -> Iterator[QuerySet[Row]]:
    if digits := digits_of(name):
        yield rows.filter(begins_with(digits)).order_by("-pk")
        yield rows.filter(ends_with(digits, rows.model))


def digits_of(name: str) -> str:
    """The digits of an id or of a piece of one that says something; nothing when it is none."""
    digits = _digits(name)
    return digits if len(digits) >= _FEWEST_DIGITS else ""


def begins_with(digits: str) -> Q:
    """A stretch of the primary key."""
    return Q(pk__range=(uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))))


def ends_with(digits: str, model: type[Model]) -> Q:
    """The end has no index, but the ids alone are: they are read through, and nothing else of the rows for it."""
    # Postgres spells an id with its dashes, SQLite without.
    spelled = Replace(Cast("pk", CharField()), Value("-"), Value(""))
    ending = model._default_manager.alias(spelled=spelled).filter(spelled__endswith=digits).order_by()
    return Q(pk__in=list(ending.values_list("pk", flat=True)[:_MOST_LOOKED_AT]))


def _digits(name: str) -> str:
    """The digits that this has of an id, "" when it can be no piece of one."""
    digits = name.replace("-", "").lower()
    return digits if _DIGITS.fullmatch(digits) else ""


def _listing(name: str, found: Sequence[Found]) -> str:
    lines = [f"{legible(name)!r} may be any of these; say more of the id:"]
    for row in sorted(found, key=lambda row: row.started_ms, reverse=True)[:_MOST_LISTED]:
        kind, title = ("session", row.heading) if isinstance(row, AgentSession) else ("terminal", str(row))
        lines.append(f"  {row.pk}  {kind:<8}  {exact_time(row.started_ms)}  {legible(one_line(title, 60))}")
    if len(found) > _MOST_LISTED:
        lines.append("  …")
    return "\n".join(lines)
