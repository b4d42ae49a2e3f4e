"""How far sessions, sources and terminals are sealed: what their rows say, held against what entries of the log say.

The entries are the authority. A row that says more would keep what was never hashed from being sealed at all; one that
says less would have it hashed anew as it is now.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import batched
from typing import Any, Final

from audit.covers import Commitment, Malformed, Misfit, Survey, commitments
from audit.models import Entry
from sessions_app.audit_details import Bytes, OutputSealed, Rows, RowsUnsealed, read
from sessions_app.models import AgentSession, Source, Terminal

_ROWS_AT_ONCE: Final = 500
_MOST_TRIES: Final = 5

type Span = tuple[int, int]


@dataclass(slots=True)
class Extent:
    """What entries have sealed of one: its places from 0 up to `end`, but for the gaps. `idx` is the newest entry."""

    idx: int = 0
    end: int = 0
    gaps: list[Span] = field(default_factory=list)

    def seal(self, start: int, end: int) -> None:
        """What is sealed twice must be the same twice, which each entry is held against."""
        if start > self.end:
            self.gaps.append((self.end, start))
        left = [
            part for first, last in self.gaps for part in ((first, min(last, start)), (max(first, end), last))
        ]
        self.gaps = [(first, last) for first, last in left if first < last]
        self.end = max(self.end, end)

    def unseal(self, start: int) -> None:
        self.gaps = [(first, min(last, start)) for first, last in self.gaps if first < start]
        self.end = min(self.end, start)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Rows that say how far they are sealed; `columns` hold this and how far they reach."""

    name: str
    unit: str
    # What the first place is called.
    first: int
    rows: Any
    columns: tuple[str, str]
    actions: tuple[str, ...]
    take: Callable[[Extent, Commitment], None]

    def sealed(self, **filters: Any) -> Any:
        return self.rows.filter(**filters, **{f"{self.columns[0]}__gt": 0}).order_by("pk")


def _take_rows(extent: Extent, found: Commitment) -> None:
    if found.action == "session.unsealed":
        extent.unseal(read(found, RowsUnsealed).first_seq - 1)
    else:
        said = read(found, Rows)
        extent.seal(said.first_seq - 1, said.last_seq)


def _take_lines(extent: Extent, found: Commitment) -> None:
    said = read(found, Bytes)
    extent.seal(said.offset, said.offset + said.size)


def _take_segments(extent: Extent, found: Commitment) -> None:
    for said in read(found, OutputSealed).segments:
        extent.seal(said.offset, said.offset + said.size)


_KINDS: Final = (
    _Kind(
        "session", "row", 1, AgentSession.objects, ("sealed_seq", "last_seq"),
        ("session.sealed", "session.unsealed"), _take_rows,
    ),
    _Kind("source", "byte", 0, Source.objects, ("sealed_size", "read_offset"), ("source.sealed",), _take_lines),
    _Kind("terminal", "byte", 0, Terminal.objects, ("sealed_size", "size"), ("terminal.sealed",), _take_segments),
)  # fmt: skip


class _Extents:
    """Of all rows of a kind that any entry sealed, up to the newest entry there was."""

    def __init__(self, kind: _Kind) -> None:
        self.kind = kind
        self.found: dict[uuid.UUID, Extent] = {}
        #: Entries that say nothing which could be followed.
        self.malformed: list[Misfit] = []
        self._next_idx = 0

    def follow(self) -> Iterator[None]:
        """Take what was appended since. Entries become visible in their order, and with the rows they are about."""
        newest = Entry.objects.order_by("-idx").values_list("idx", flat=True).first()
        end = 0 if newest is None else newest + 1
        for one in commitments(self.kind.actions, self._next_idx, end):
            try:
                extent = self.found.setdefault(one.target, Extent())
                self.kind.take(extent, one)
                extent.idx = one.idx
            except Malformed as error:
                self.malformed.append(Misfit(one.idx, str(error)))
            yield
        self._next_idx = end

    def suspects(self) -> Iterator[list[uuid.UUID]]:
        """Rows that do not fit, or did not while somebody was sealing them."""
        for keys in batched(list(self.found), _ROWS_AT_ONCE):
            rows = self._read(list(keys))
            yield [key for key in keys if self._trouble(rows.get(key), self.found[key])]
        after, count = uuid.UUID(int=0), _ROWS_AT_ONCE
        # What is added at the end meanwhile is for the next look, or this one might never end.
        while count == _ROWS_AT_ONCE:
            page = list(self.kind.sealed(pk__gt=after).values_list("pk", flat=True)[:_ROWS_AT_ONCE])
            yield [key for key in page if key not in self.found]
            after, count = page[-1] if page else after, len(page)

    def misfit(self, key: uuid.UUID) -> Misfit | None:
        """What is wrong where nothing was appended about it while its row was read."""
        for _ in range(_MOST_TRIES):
            before = self._newest_of(key)
            row = self._read([key]).get(key)
            if self._newest_of(key) == before:
                trouble = self._trouble(row, self.found.get(key))
                return Misfit(before, f"{self.kind.name} {key} {trouble}") if trouble else None
        # Somebody is sealing it: the next look finds it at rest.
        return None

    def _newest_of(self, key: uuid.UUID) -> int | None:
        for _ in self.follow():
            pass
        return self.found[key].idx if key in self.found else None

    def _read(self, keys: list[uuid.UUID]) -> dict[uuid.UUID, Span]:
        rows = self.kind.rows.filter(pk__in=keys).values_list("pk", *self.kind.columns)
        return {key: (sealed, size) for key, sealed, size in rows}

    def _trouble(self, row: Span | None, extent: Extent | None) -> str:
        unit = self.kind.unit
        if row is None:
            return "is gone" if extent is not None else ""
        sealed, size = row
        if extent is None:
            return f"says that {sealed:,} {unit}s of it are sealed, and no entry sealed any" if sealed else ""
        if sealed != extent.end:
            return f"says that {sealed:,} {unit}s of it are sealed, and its entries sealed {extent.end:,}"
        if size < sealed:
            return f"says that it has {size:,} {unit}s, and {sealed:,} are sealed"
        if extent.gaps:
            first, end = extent.gaps[0][0] + self.kind.first, extent.gaps[0][1] + self.kind.first - 1
            return f"has {unit}s that no entry sealed before those that are: {first:,} to {end:,}"
        return ""


def _survey(kind: _Kind) -> Iterator[Misfit | None]:
    extents = _Extents(kind)
    for _ in extents.follow():
        yield None
    # First, as what they left out makes others seem not to fit.
    yield from extents.malformed
    for keys in extents.suspects():
        yield None
        for key in keys:
            yield extents.misfit(key)


SURVEYS: Final[dict[str, Survey]] = {kind.name: partial(_survey, kind) for kind in _KINDS}
