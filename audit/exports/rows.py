"""What every form of export is made of: entries in the order of their indices, a span of the log at a time."""

from collections.abc import Iterator
from typing import Final, NamedTuple
from uuid import UUID

from audit.matching import condition
from audit.models import Entry
from audit.query import Query
from audit.walk import bounds

_SPAN: Final = 2_000
_COLUMNS: Final = (
    "idx", "id", "at_ms", "actor_type", "actor_id", "actor_label", "action", "target_type", "target_id", "target_label",
    "session_id", "run_id", "decision", "body", "leaf",
)  # fmt: skip


class Row(NamedTuple):
    """An entry without its model: a million of them are read one after another."""

    idx: int
    id: UUID
    at_ms: int
    actor_type: str
    actor_id: str
    actor_label: str
    action: str
    target_type: str
    target_id: str
    target_label: str
    session_id: UUID | None
    run_id: UUID | None
    decision: str
    body: str
    leaf: bytes

    @property
    def leaf_hex(self) -> str:
        return bytes(self.leaf).hex()


def matching_rows(query: Query, size: int) -> Iterator[list[Row]]:
    """Everything that matches among the first `size` entries, the oldest first.

    Entries are never changed and never removed, so a long export needs no transaction to see one state of them.
    """
    first, end = bounds(query)
    end = min(end, size)
    rows = Entry.objects.filter(condition(query)).order_by("idx").values_list(*_COLUMNS)
    for start in range(first, end, _SPAN):
        found = rows.filter(idx__gte=start, idx__lt=min(end, start + _SPAN))
        if batch := [Row._make(row) for row in found]:
            yield batch
