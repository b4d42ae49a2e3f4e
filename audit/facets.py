"""What the list can be narrowed to, with counts."""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from audit.query import Query, Term
from audit.surroundings import surroundings
from audit.walk import bounds, older

#: Counts are of so many matching entries, the newest: of a long log no person needs the rest to choose by.
COUNTED: Final = 5_000
_WITHIN_S: Final = 0.15
_MOST_VALUES: Final = 40

NAMES: Final[dict[str, str]] = {
    "action": "Action",
    "actor": "Actor",
    "decision": "Decision",
    "project": "Project",
    "session": "Session",
}
_COLUMNS: Final = {"action": 0, "actor": 1, "decision": 2, "session": 3}


@dataclass(frozen=True, slots=True)
class Choice:
    """One link: `query` is the list with it chosen, or without where it is chosen already."""

    value: str
    label: str
    count: int
    is_chosen: bool
    query: str
    is_family: bool = False


@dataclass(frozen=True, slots=True)
class Facet:
    name: str
    label: str
    choices: tuple[Choice, ...]
    # So many values are left out, those with the fewest entries.
    more: int

    @property
    def is_chosen(self) -> bool:
        return any(choice.is_chosen for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Facets:
    facets: tuple[Facet, ...]
    # Some counts are of the newest entries alone.
    is_bounded: bool


def facets_of(query: Query) -> Facets:
    """Each facet with what its links would show, its own choice left aside."""
    counted: dict[Query, tuple[list[Any], bool]] = {}
    found = []
    for name in NAMES:
        others = query.without(name)
        if others not in counted:
            counted[others] = _newest(others)
        found.append(_facet(name, query, counted[others][0]))
    return Facets(tuple(found), is_bounded=not all(is_end for _, is_end in counted.values()))


def _newest(query: Query) -> tuple[list[Any], bool]:
    _, end = bounds(query)
    walked = older(
        query,
        end,
        COUNTED,
        rows=lambda entries: list(
            entries.values_list("action", "actor_label", "decision", "session_id")[: COUNTED + 1]
        ),
        within_s=_WITHIN_S,
    )
    return walked.rows, walked.is_end


def _facet(name: str, query: Query, rows: list[Any]) -> Facet:
    if name == "project":
        counts = _projects(rows)
    else:
        counts = Counter(str(value) for row in rows if (value := row[_COLUMNS[name]]))
    listed = [value for value, _ in counts.most_common(_MOST_VALUES)]
    more = len(counts) - len(listed)
    labels = _session_names(listed) if name == "session" else {}
    if name == "action":
        listed.sort()
    terms = [*_families(counts)] if name == "action" else []
    terms += [Term.exactly(name, value) for value in listed]
    # What was chosen stays to be taken back, whether or not anything has it.
    chosen = {term for term in query.named(name) if not term.negated}
    terms += sorted(chosen - set(terms), key=str)
    choices = [_choice(term, labels.get(term.value, ""), _number(term, counts), query) for term in terms]
    return Facet(name, NAMES[name], tuple(choices), more)


def _families(actions: Counter[str]) -> Iterable[Term]:
    """Those with the most first."""
    families: Counter[str] = Counter()
    for action, number in actions.items():
        families[f"{action.partition('.')[0]}.*"] += number
    return [Term("action", family) for family, _ in families.most_common()]


def _number(term: Term, counts: Counter[str]) -> int:
    if term.beginning is None:
        return counts[term.value]
    return sum(number for value, number in counts.items() if value.startswith(term.beginning))


def _choice(term: Term, label: str, number: int, query: Query) -> Choice:
    is_chosen = term in query.terms
    changed = query.without(term.name) if is_chosen else query.with_only(term)
    is_family = term.name == "action" and term.beginning is not None
    return Choice(term.value, label or term.value, number, is_chosen, str(changed), is_family)


def _projects(rows: list[Any]) -> Counter[str]:
    sessions = Counter(row[_COLUMNS["session"]] for row in rows if row[_COLUMNS["session"]] is not None)
    counts: Counter[str] = Counter()
    for session, project in surroundings().projects_of(list(sessions)).items():
        counts[project] += sessions[session]
    return counts


def _session_names(sessions: list[str]) -> dict[str, str]:
    found = surroundings().names_of([uuid.UUID(session) for session in sessions])
    return {str(session): said.name for session, said in found.items()}
