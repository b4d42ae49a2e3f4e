"""Filters of the lists: read from the URL, laid onto a QuerySet, written back into links.

An unknown name or value is refused: a link that silently shows everything is worse than an error.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self
from urllib.parse import urlencode

from django.db.models import Count, QuerySet

from dashboard.lib.errors import BadRequest
from sessions_app.access import keeps_marks
from sessions_app.models import AgentSession, Person, Run, RunKind, Status, Tag
from sessions_app.models.run import RunQuerySet
from sessions_app.models.session import ARCHIVED, TRASHED, SessionQuerySet
from sessions_app.search.titles import MOST_NAMED, Titled

# Names that belong to paging, not to filtering.
PAGING = frozenset({"after", "before"})
MAX_VALUE_CHARS = 300


@dataclass(frozen=True)
class Filter:
    """Every field is text, "" when it is not set; subclasses say which values are allowed."""

    CHOICES: ClassVar[Mapping[str, frozenset[str]]] = {}
    IDS: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> Self:
        """Raises BadRequest for a name or a value that is not known."""
        names = {field.name for field in fields(cls)}
        values = {}
        for name, value in parameters.items():
            if name in PAGING or not value:
                continue
            if name not in names:
                raise BadRequest(f"There is no filter named {name[:40]!r}.")
            values[name] = cls._checked(name, value)
        return cls(**values)

    @classmethod
    def _checked(cls, name: str, value: str) -> str:
        if len(value) > MAX_VALUE_CHARS or "\x00" in value:
            raise BadRequest(f"The filter {name} cannot be read.")
        if name in cls.CHOICES and value not in cls.CHOICES[name]:
            raise BadRequest(f"{name} is one of {', '.join(sorted(cls.CHOICES[name]))}, not {value[:40]!r}.")
        if name in cls.IDS:
            try:
                uuid.UUID(value)
            except ValueError as error:
                raise BadRequest(f"{name} is an id, not {value[:40]!r}.") from error
        return value

    @property
    def active(self) -> dict[str, str]:
        """The filters that are set, in the order of the fields."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name))}

    def query_string(self, **changes: str) -> str:
        """`?…` of this filter with some values changed ("" takes one away); "" when nothing is set."""
        active = replace(self, **changes).active
        return f"?{urlencode(active)}" if active else ""


@dataclass(frozen=True)
class SessionFilter(Filter):
    q: str = ""
    status: str = ""
    agent: str = ""
    project: str = ""
    tag: str = ""
    starred: str = ""
    unread: str = ""
    # Blank: what is neither archived nor in the trash.
    show: str = ""

    CHOICES: ClassVar[Mapping[str, frozenset[str]]] = {
        "status": frozenset(Status.values),
        "starred": frozenset({"1"}),
        "unread": frozenset({"1"}),
        "show": frozenset({"archived", "trash", "all"}),
    }
    IDS: ClassVar[frozenset[str]] = frozenset({"project"})

    def apply(self, sessions: SessionQuerySet, person: Person) -> SessionQuerySet:
        """`sessions` must be what the person may see, with the trash when `show` asks for it."""
        sessions = self.shelf(sessions)
        for name in ("status", "agent", "project"):
            value = getattr(self, name)
            if value:
                sessions = sessions.filter(**{name: value})
        if self.q:
            sessions = Titled.by(self.q.split()).all_of(sessions)
        if self.starred:
            sessions = sessions.starred_by(person)
        if self.unread:
            sessions = sessions.unread_by(person) if keeps_marks(person) else sessions.none()
        return sessions.tagged(self.tag)

    def shelf(self, sessions: SessionQuerySet) -> SessionQuerySet:
        """Those that lie where `show` looks; nothing else is filtered."""
        if self.show == "trash":
            return sessions.filter(TRASHED)
        if self.show == "archived":
            return sessions.filter(ARCHIVED)
        if self.show == "all":
            return sessions.filter(deleted_ms=None)
        return sessions.listed()


@dataclass(frozen=True)
class RunFilter(Filter):
    status: str = ""
    kind: str = ""
    agent: str = ""
    session: str = ""

    CHOICES: ClassVar[Mapping[str, frozenset[str]]] = {
        "status": frozenset(Status.values),
        "kind": frozenset(RunKind.values),
    }
    IDS: ClassVar[frozenset[str]] = frozenset({"session"})

    def apply(self, runs: RunQuerySet) -> RunQuerySet:
        for name in ("status", "kind", "session"):
            value = getattr(self, name)
            if value:
                runs = runs.filter(**{name: value})
        return runs.filter(session__agent=self.agent) if self.agent else runs


# Beyond this, a count is shown as "1,000+": counting on costs more than knowing.
COUNT_LIMIT = 1_000
# Their values are few, and the rare ones (what waits, what failed) are what is looked for.
_ALWAYS_OFFERED = frozenset({"status", "agent"})


@dataclass(frozen=True)
class FacetValue:
    """One link of a facet; `query` leads to the list with it set or taken away.

    `count` is at most COUNT_LIMIT; with `has_more` there are more, which were not counted.
    """

    value: str
    label: str
    count: int
    has_more: bool
    is_active: bool
    query: str

    @property
    def count_text(self) -> str:
        return f"{self.count:,}{'+' if self.has_more else ''}"


@dataclass(frozen=True)
class Facet:
    name: str
    label: str
    values: tuple[FacetValue, ...]


@dataclass(frozen=True)
class Facets:
    """Each facet with the counts that its links would show, the facet's own choice left aside.

    With `counted_of` so many sessions have the words that are looked for that the newest so many of them were counted,
    and no others: there may be more than each number says, and values that are not offered.
    """

    items: Sequence[Facet]
    counted_of: int | None = None


def bounded_count(rows: QuerySet[AgentSession] | QuerySet[Run]) -> int:
    """How many rows there are, counted up to one more than COUNT_LIMIT."""
    return rows.order_by()[: COUNT_LIMIT + 1].count()


def session_facets(sessions: SessionQuerySet, chosen: SessionFilter, person: Person) -> Facets:
    if chosen.q:
        return _facets_of_titled(sessions, chosen, person)
    known: dict[SessionFilter, list[uuid.UUID]] = {}

    def newest(others: SessionFilter) -> list[uuid.UUID]:
        if others not in known:
            rows = others.apply(sessions, person).newest_first()
            known[others] = list(rows.values_list("pk", flat=True)[: MOST_NAMED + 1])
        return known[others]

    def counts(name: str, values: Iterable[str]) -> tuple[dict[str, int], bool]:
        others = replace(chosen, **{name: ""})
        # What meets may be few, and each value would be looked for through all that have one of the filters.
        found = newest(others) if replace(others, show="").active else None
        is_partial = found is not None and len(found) > MOST_NAMED
        if is_partial and others.tag and name in _ALWAYS_OFFERED:
            # No index has a tag beside a status, and few tags are on very many.
            return _grouped_counts(others.apply(sessions, person), name), False
        if found is None or (is_partial and name in _ALWAYS_OFFERED):
            changed = {value: replace(chosen, **{name: value}) for value in values}
            counted = {value: bounded_count(each.apply(sessions, person)) for value, each in changed.items()}
            return counted, False
        return _grouped_counts(sessions.filter(pk__among=found[:MOST_NAMED]), name), is_partial

    candidates = _candidates(sessions, chosen, recent_projects(sessions, chosen))
    facets = []
    for name, label, values in candidates:
        counted, is_partial = counts(name, dict(values))
        facets.append(_facet(name, label, values, chosen, counted, is_partial=is_partial))
    return Facets(facets)


def _facets_of_titled(sessions: SessionQuerySet, chosen: SessionFilter, person: Person) -> Facets:
    """The words are looked up once, and what has them is counted together: it is few, or some of very many."""
    titled = Titled.by(chosen.q.split())
    named, others = titled.named_of(sessions), replace(chosen, q="")

    def counts(name: str) -> dict[str, int]:
        return _grouped_counts(replace(others, **{name: ""}).apply(named, person), name)

    candidates = _candidates(sessions, chosen, recent_projects(named, chosen))
    facets = [
        _facet(name, label, values, chosen, counts(name), is_partial=titled.has_more)
        for name, label, values in candidates
    ]
    return Facets(facets, len(titled.named) if titled.has_more else None)


def _grouped_counts(sessions: SessionQuerySet, name: str) -> dict[str, int]:
    """How many there are with each value of the facet, all counted in one pass."""
    column = "tags__name" if name == "tag" else name
    return {
        str(value): number for value, number in sessions.order_by().values_list(column).annotate(Count("pk"))
    }


type _Values = Sequence[tuple[str, str]]


def _candidates(
    sessions: SessionQuerySet, chosen: SessionFilter, projects: _Values
) -> list[tuple[str, str, _Values]]:
    """The name and label of each facet with the values, and their labels, that may be offered."""
    return [
        ("status", "Status", [(str(status.value), str(status.label)) for status in Status]),
        ("agent", "Agent", [(agent, agent) for agent in distinct_agents(sessions)]),
        ("project", "Project", projects),
        ("tag", "Tag", [(tag, tag) for tag in first_tags(chosen.tag)]),
    ]


def _facet(
    name: str,
    label: str,
    values: _Values,
    chosen: SessionFilter,
    counts: Mapping[str, int],
    *,
    is_partial: bool = False,
) -> Facet:
    """With the values that some session has, and the one that is chosen."""
    offered = []
    for value, value_label in values:
        is_active = getattr(chosen, name) == value
        number = counts.get(value, 0)
        if number or is_active:
            query = chosen.query_string(**{name: "" if is_active else value})
            has_more = is_partial or number > COUNT_LIMIT
            count = min(number, COUNT_LIMIT)
            offered.append(FacetValue(value, value_label, count, has_more, is_active, query))
    return Facet(name, label, tuple(offered))


def distinct_agents(sessions: SessionQuerySet, limit: int = 20) -> list[str]:
    """The agents there are, found by stepping through the index from one to the next."""
    found: list[str] = []
    while len(found) < limit:
        last = found[-1] if found else ""
        agent = sessions.filter(agent__gt=last).order_by("agent").values_list("agent", flat=True).first()
        if agent is None:
            break
        found.append(agent)
    return found


def first_tags(chosen: str = "", limit: int = 20) -> list[str]:
    """Tags by their names, with the one that is chosen wherever it stands."""
    names = list(Tag.objects.order_by("name").values_list("name", flat=True)[:limit])
    return names if not chosen or chosen in names else [chosen, *names]


def recent_projects(
    sessions: SessionQuerySet, chosen: SessionFilter, limit: int = 12
) -> list[tuple[str, str]]:
    """Projects of the newest sessions on the chosen shelf, the most recent first, as (id, name)."""
    # Each shelf has an index in this order; all of them together have none, and a million would be sorted.
    shelves = ("", "archived") if chosen.show == "all" else (chosen.show,)
    found: dict[tuple[str, str], None] = {}
    for show in shelves:
        newest = replace(chosen, show=show).shelf(sessions).newest_first()[:500]
        found |= dict.fromkeys(
            (str(pk), str(name)) for pk, name in newest.values_list("project_id", "project__name") if name
        )
    return list(found)[:limit]
