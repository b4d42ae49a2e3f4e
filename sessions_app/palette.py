"""What Ctrl K offers for the text that was typed."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Case, Q, QuerySet, Value, When
from django.urls import reverse

from dashboard.lib.text import storable
from sessions_app.filters import distinct_agents
from sessions_app.lookup import SHORT_DIGITS, begins_with, digits_of, ends_with
from sessions_app.models import AgentSession, Person, Run, RunKind, Terminal
from sessions_app.search.titles import Titled
from sessions_app.session_list import with_columns

ROWS: Final = 8
# Titles of runs are not indexed: a part of one is looked for among so many of the newest.
RECENT_RUNS: Final = 3_000
LONGEST_TEXT: Final = 300

type Row = AgentSession | Run | Terminal


@dataclass(frozen=True)
class Offer:
    """One way to go."""

    href: str
    status: str
    word: str
    title: str
    aside: str


@dataclass(frozen=True)
class Offers:
    """`best` are called exactly what was typed, so Enter goes there; the others have it in their title, those first
    that begin with it.
    """

    best: Sequence[Offer]
    sessions: Sequence[Offer]
    runs: Sequence[Offer]


def recent(person: Person) -> Offers:
    """For a box that is still empty."""
    sessions = with_columns(AgentSession.objects.visible_to(person)).listed().newest_first()
    return Offers((), [_session(row) for row in sessions[:ROWS]], ())


def offers_for(text: str, person: Person) -> Offers:
    """Of the sessions, runs and terminals that this person may see."""
    text = storable(text[:LONGEST_TEXT])
    # Of very many, the newest: a row of eight is no list.
    titled = Titled.by(text.split()).named_of(with_columns(AgentSession.objects.visible_to(person)))
    same_title = titled.filter(_called("iexact", text))
    runs = _runs(person).filter(title__icontains=text)
    called_so: list[Row] = [*_with_id(text, person), *same_title.newest_first()[:ROWS]]
    called_so += runs.filter(title__iexact=text)[:ROWS]
    best: dict[uuid.UUID, Row] = {row.pk: row for row in called_so}
    return Offers(
        [_offer(row) for row in list(best.values())[:ROWS]],
        [_session(row) for row in _closest(titled, text)[: ROWS + len(best)] if row.pk not in best][:ROWS],
        [_run(row) for row in runs[: ROWS + len(best)] if row.pk not in best][:ROWS],
    )


def _closest(titled: QuerySet[AgentSession], text: str) -> QuerySet[AgentSession]:
    """What begins with the text, then what has it as it stands, then what only has its words; each newest first."""
    distance = Case(
        When(_called("istartswith", text), then=Value(0)),
        When(_called("icontains", text), then=Value(1)),
        default=Value(2),
    )
    return titled.order_by(distance, "-last_activity_ms", "-id")


def _called(lookup: str, text: str) -> Q:
    """Of what a page calls the session: its title, or the first prompt where it has none."""
    return Q(**{f"title__{lookup}": text}) | Q(title="", **{f"first_prompt__{lookup}": text})


def _runs(person: Person) -> QuerySet[Run]:
    newest = Run.objects.visible_to(person).filter(kind=RunKind.SUBAGENT).newest_first()[:RECENT_RUNS]
    return Run.objects.filter(pk__in=newest.values("pk")).select_related("session").newest_first()


def _with_id(text: str, person: Person) -> Iterable[Row]:
    """What has this id, its own or the agent's; this beginning of one; or these last digits, as pages show them."""
    sessions = with_columns(AgentSession.objects.visible_to(person))
    agents = distinct_agents(AgentSession.objects.visible_to(person))
    yield from sessions.filter(agent__in=agents, external_id=text)
    if digits := digits_of(text):
        yield from _with_digits(sessions, digits)
        yield from _with_digits(Run.objects.visible_to(person).select_related("session"), digits)
        yield from _with_digits(Terminal.objects.visible_to(person).select_related("session"), digits)


def _with_digits(rows: QuerySet[Any], digits: str) -> Sequence[Any]:
    """None where so many begin with these digits that they say nothing yet."""
    condition = begins_with(digits)
    if len(digits) == SHORT_DIGITS:
        condition |= ends_with(digits, rows.model)
    found = list(rows.filter(condition).order_by("-started_ms", "-id")[: ROWS + 1])
    return found if len(found) <= ROWS else ()


def _offer(row: Row) -> Offer:
    if isinstance(row, AgentSession):
        return _session(row)
    return _run(row) if isinstance(row, Run) else _terminal(row)


def _session(session: AgentSession) -> Offer:
    project = session.project.name if session.project else ""
    return Offer(reverse("session", args=[session.pk]), session.status, "", session.heading, project)


def _run(run: Run) -> Offer:
    return Offer(reverse("run", args=[run.pk]), run.status, "", str(run), run.session.heading)


def _terminal(terminal: Terminal) -> Offer:
    place = terminal.session.heading if terminal.session else terminal.host
    address = reverse("terminal", args=[terminal.pk])
    return Offer(address, terminal.status, terminal.status_word, str(terminal), place)
