"""What the list can be narrowed to, with counts."""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from audit.query import Query
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
        found.append(Facet(name, NAMES[name], tuple(_choices(name, query, counted[others][0]))))
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


def _choices(name: str, query: Query, rows: list[Any]) -> Iterable[Choice]:
    if name == "project":
        counts, labels = _projects(rows)
    else:
        counts = Counter(str(value) for row in rows if (value := row[_COLUMNS[name]]))
        labels = _session_labels(counts) if name == "session" else {}
    chosen = set(query.chosen(name))
    listed = [value for value, _ in counts.most_common(_MOST_VALUES)]
    if name == "action":
        families = Counter({f"{action.partition('.')[0]}.*": 0 for action in counts})
        for action, number in counts.items():
            families[f"{action.partition('.')[0]}.*"] += number
        yield from (
            _choice(name, family, "", number, query, chosen) for family, number in families.most_common()
        )
        listed.sort()
    listed += sorted(value for value in chosen - set(listed) if not value.endswith(".*") or name != "action")
    for value in listed:
        yield _choice(name, value, labels.get(value, ""), counts[value], query, chosen)


def _choice(name: str, value: str, label: str, number: int, query: Query, chosen: set[str]) -> Choice:
    is_chosen = value in chosen
    changed = query.without(name) if is_chosen else query.with_only(name, value)
    return Choice(value, label or value, number, is_chosen, str(changed), value.endswith(".*"))


def _projects(rows: list[Any]) -> tuple[Counter[str], dict[str, str]]:
    sessions = Counter(row[3] for row in rows if row[3] is not None)
    names = surroundings().names_of(list(sessions))
    counts: Counter[str] = Counter()
    for session, number in sessions.items():
        if session in names and names[session].project:
            counts[names[session].project] += number
    return counts, {}


def _session_labels(counts: Counter[str]) -> dict[str, str]:
    shown = [uuid.UUID(value) for value, _ in counts.most_common(_MOST_VALUES)]
    return {str(session): found.name for session, found in surroundings().names_of(shown).items()}
