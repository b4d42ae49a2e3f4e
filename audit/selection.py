"""Which entries are meant: what a list shows, and what an export takes along."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from audit.matching import condition
from audit.models import Entry, EntryQuerySet
from audit.query import Query


@dataclass(frozen=True, slots=True)
class Selection:
    """All entries, or those that meet every condition that is given."""

    #: One action, or a family written `checkpoint.*`.
    action: str = ""
    actor: str = ""
    session: uuid.UUID | None = None
    since_ms: int | None = None
    #: Not itself within.
    until_ms: int | None = None
    #: As the page's box reads it.
    query: Query = field(default_factory=Query)

    @property
    def is_whole(self) -> bool:
        return self == Selection()

    def entries(self) -> EntryQuerySet:
        found = Entry.objects.with_action(self.action).by_actor(self.actor)
        if self.session is not None:
            found = found.filter(session_id=self.session)
        if self.since_ms is not None:
            found = found.filter(at_ms__gte=self.since_ms)
        if self.until_ms is not None:
            found = found.filter(at_ms__lt=self.until_ms)
        return found.filter(condition(self.query))

    def conditions(self) -> dict[str, Any]:
        """Those that are given, by name, as JSON has them."""
        named = {
            "action": self.action,
            "actor": self.actor,
            "session": str(self.session) if self.session else "",
            "since_ms": self.since_ms,
            "until_ms": self.until_ms,
            "query": str(self.query),
        }
        return {name: value for name, value in named.items() if value not in ("", None)}


def in_order(
    entries: EntryQuerySet, size: int, *columns: str, rows: int = 4096
) -> Iterator[list[tuple[Any, ...]]]:
    """The columns of the chosen ones among the first `size` entries, a range of `rows` indices at a time.

    No cursor stays open meanwhile: whoever reads slowly holds nothing up.
    """
    for start in range(0, size, rows):
        within = entries.filter(idx__gte=start, idx__lt=min(start + rows, size)).order_by("idx")
        yield list(within.values_list(*columns))
