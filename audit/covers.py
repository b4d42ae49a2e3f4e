"""Whether what entries have committed to is still so: their hashes, held against what is stored beside the log.

The log knows nothing of what it is about. The app that stores it registers, for each action whose entries commit to
something, a check of one such entry, and surveys: what rows say that no single entry could be held against, such as
how far they are sealed.
"""

import heapq
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from audit.columns import details_of
from audit.models import Entry
from audit.verdicts import Finding, Verdict

# Bodies of 60 kB at most are read at once.
_ENTRIES_AT_ONCE: Final = 50
_NAMED: Final = 5


class Malformed(Exception):
    """An entry does not say what entries of its action say; the message says in what: "it names nothing …"."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """What an entry said of its target."""

    idx: int
    action: str
    target_id: str
    session_id: uuid.UUID | None
    details: dict[str, Any]

    @property
    def target(self) -> uuid.UUID:
        """Raises Malformed."""
        try:
            return uuid.UUID(self.target_id)
        except ValueError:
            raise Malformed(f"it names nothing that is sealed, but {self.target_id[:60]!r}") from None


#: Looks at the pieces that the entry names, a bounded one with each step; yields what is wrong with it, "" if nothing.
#: Raises Malformed.
type Check = Callable[[Commitment], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Misfit:
    """A row that does not fit the entries about it; `idx` is the newest of them, None where there is none."""

    idx: int | None
    text: str


#: Holds all rows of a kind against all entries about them, a bounded part with each step; yields what does not fit.
type Survey = Callable[[], Iterator[Misfit | None]]


@dataclass(frozen=True, slots=True)
class _Cover:
    check: Check
    ended_by: frozenset[str]


_covers: dict[str, _Cover] = {}
_surveys: dict[str, Survey] = {}


def register(action: str, check: Check, *, ended_by: Collection[str] = ()) -> None:
    """Entries of `action` commit to something, until an entry named in `ended_by` follows for the same target."""
    _covers[action] = _Cover(check, frozenset(ended_by))


def register_survey(name: str, survey: Survey) -> None:
    """`name` is of the kind of rows that it looks at."""
    _surveys[name] = survey


@dataclass(slots=True)
class Contents:
    """A look at what the entries from `next_idx` on have committed to; it can go on later from where it was."""

    next_idx: int = 0
    pieces: int = 0
    entries: int = 0
    finding: Finding | None = None
    broken: list[int] = field(default_factory=list)
    misfit: Misfit | None = None
    is_surveyed: bool = False

    def survey(self) -> Iterator[None]:
        """Look at the rows that say how far they are sealed, once. Raises DatabaseError; another call begins anew."""
        self.misfit = None
        for one in _surveys.values():
            for misfit in one():
                self.misfit = self.misfit or misfit
                yield
        self.is_surveyed = True

    @property
    def problem(self) -> str:
        """What is wrong, the damage to a piece before anything else; "" when nothing is."""
        if self.finding is not None:
            return self.finding.text
        return _said(self.misfit) if self.misfit is not None else ""

    @property
    def first_bad_idx(self) -> int | None:
        if self.finding is not None:
            return self.finding.first_idx
        return self.misfit.idx if self.misfit is not None else None

    def steps(self, end: int) -> Iterator[int]:
        """Check a piece with each step, of entries below `end`; yields the number of its entry.

        Raises DatabaseError; another call then begins with the entry that was not finished.
        """
        for found in commitments(_covers, self.next_idx, end):
            cover = _covers[found.action]
            if not _is_ended(found, cover):
                yield from self._pieces_of(found, cover)
                self.entries += 1
            self.next_idx = found.idx + 1
        self.next_idx = max(self.next_idx, end)

    def _pieces_of(self, found: Commitment, cover: _Cover) -> Iterator[int]:
        try:
            for trouble in cover.check(found):
                # What was changed with its entry, while this looked, is no damage.
                if trouble and not _is_ended(found, cover):
                    self._take(found.idx, trouble)
                    return
                self.pieces += 1
                yield found.idx
        except Malformed as error:
            self._take(found.idx, f"{error}.")

    def _take(self, idx: int, trouble: str) -> None:
        if self.finding is None:
            self.finding = Finding(
                "contents", idx, idx, f"Entry {idx:,} does not fit what is stored: {trouble}"
            )
        if len(self.broken) <= _NAMED:
            self.broken.append(idx)

    def verdict(self, reliable: int, size: int) -> Verdict:
        """`reliable` is up to where the entries themselves say what they said."""
        if self.finding is not None:
            others = [f"{idx:,}" for idx in self.broken[1:_NAMED]]
            more = " and others" if len(self.broken) > _NAMED else ""
            text = self.finding.text + (f" So it is with entry {', '.join(others)}{more}." if others else "")
            text += f" {_said(self.misfit)}" if self.misfit else ""
            return Verdict("contents", "broken", text, self.finding.first_idx, self.finding.last_idx)
        if self.misfit is not None:
            return Verdict("contents", "broken", _said(self.misfit), self.misfit.idx, self.misfit.idx)
        so_far = f"{self.pieces:,} sealed pieces are as {self.entries:,} entries committed to them."
        if reliable < size:
            text = f"{so_far} What the entries from {reliable:,} on say of others cannot be relied on."
            return Verdict("contents", "unchecked", text)
        return Verdict(
            "contents", "sound", so_far if self.pieces else "No entry commits to anything that is stored."
        )


def _said(misfit: Misfit) -> str:
    which = "The log" if misfit.idx is None else f"Entry {misfit.idx:,}"
    return f"{which} does not fit what is stored: {misfit.text}."


def commitments(actions: Iterable[str], start: int, end: int) -> Iterator[Commitment]:
    """Entries of these actions in the order of the log. Of each apart: the index that finds them is of one action."""
    return heapq.merge(
        *(_of_action(action, start, end) for action in sorted(actions)), key=lambda one: one.idx
    )


def _of_action(action: str, start: int, end: int) -> Iterator[Commitment]:
    while start < end:
        rows = Entry.objects.filter(action=action, idx__gte=start, idx__lt=end).order_by("idx")
        batch = list(rows.values_list("idx", "target_id", "session_id", "body")[:_ENTRIES_AT_ONCE])
        for idx, target_id, session_id, body in batch:
            yield Commitment(idx, action, target_id, session_id, details_of(body))
        if len(batch) < _ENTRIES_AT_ONCE:
            return
        start = batch[-1][0] + 1


def _is_ended(found: Commitment, cover: _Cover) -> bool:
    if not cover.ended_by:
        return False
    later = Entry.objects.filter(session_id=found.session_id, idx__gt=found.idx, target_id=found.target_id)
    return later.filter(action__in=cover.ended_by).exists()
