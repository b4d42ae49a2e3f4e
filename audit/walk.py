"""Finding the next entries that match, from any place in the log, however long it is.

A filter may fit every entry or none, and no index helps with all of them. So the log is looked through in spans
that grow: what is common is found in the first, what is rare soon reaches spans in which an index pays. A look
ends after a while and says how far it came; nothing is sorted that a page does not need.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import F, Max, Min

from audit.matching import condition
from audit.models import Entry, EntryQuerySet, Log
from audit.query import Query

_FIRST_SPAN: Final = 4_096
_LONGEST_SPAN: Final = 131_072
#: A page waits for a look so long at most.
LOOK_S: Final = 0.6


@dataclass(frozen=True, slots=True)
class Found:
    """`rows` in the order of the walk. Everything between the start and `reached` was looked at (that included)."""

    rows: list[Any]
    reached: int
    # Nothing further on can match.
    is_end: bool


def log_size() -> int:
    return Log.objects.filter(pk=Log.THE_ONE).values_list("size", flat=True).first() or 0


def older(
    query: Query,
    below: int,
    limit: int,
    *,
    rows: Callable[[EntryQuerySet], Any],
    within_s: float | None = None,
) -> Found:
    """Up to `limit` entries below this index, the newest first; `rows` says what is read of them."""
    first, end = bounds(query)
    spans = _spans(min(below, end), first, down=True)
    return _walk(query, spans, limit, rows, within_s, "-idx", first)


def newer(
    query: Query,
    above: int,
    limit: int,
    *,
    rows: Callable[[EntryQuerySet], Any],
    within_s: float | None = None,
) -> Found:
    """The same above an index, the oldest first."""
    first, end = bounds(query)
    spans = _spans(max(above + 1, first), end, down=False)
    return _walk(query, spans, limit, rows, within_s, "idx", end - 1)


def _walk(
    query: Query,
    spans: Iterator[tuple[int, int]],
    limit: int,
    rows: Callable[[EntryQuerySet], Any],
    within_s: float | None,
    order: str,
    last: int,
) -> Found:
    matching = Entry.objects.filter(condition(query)).order_by(order)
    deadline = time.monotonic() + (LOOK_S if within_s is None else within_s)
    found: list[Any] = []
    for start, end in spans:
        # One more than was asked for tells that the walk goes on.
        found += rows(matching.filter(idx__gte=start, idx__lt=end))[: limit + 1 - len(found)]
        reached = start if order == "-idx" else end - 1
        if len(found) > limit:
            return Found(found[:limit], reached, is_end=False)
        if time.monotonic() >= deadline and reached != last:
            return Found(found, reached, is_end=False)
    return Found(found, last, is_end=True)


def _spans(start: int, end: int, *, down: bool) -> Iterator[tuple[int, int]]:
    """Growing spans (first, behind the last) from `start` to `end`."""
    length = _FIRST_SPAN
    while start > end if down else start < end:
        following = max(end, start - length) if down else min(end, start + length)
        yield (following, start) if down else (start, following)
        start, length = following, min(length * 4, _LONGEST_SPAN)


def bounds(query: Query) -> tuple[int, int]:
    """The first index that can match, and the one behind the last."""
    log = Log.objects.filter(pk=Log.THE_ONE).first()
    if log is None:
        return 0, 0
    first, end = 0, log.size
    for term in query.terms:
        if term.name == "after":
            first = max(first, _first_since(term.moment_ms, log))
        elif term.name == "before":
            end = min(end, _end_before(term.moment_ms, log))
    numbers = [term.numbers for term in query.named("idx") if not term.negated]
    if numbers:
        first = max(first, min(low for low, _ in numbers))
        end = min(end, max(high for _, high in numbers) + 1)
    return first, max(first, end)


# The clock of a machine may be set back, so the order of the indices need not be that of the times: the whole index
# of times is asked, once for each moment. Entries never change, so that later only the new ones are looked at.
# {(log, is it the end, moment): (what was found, the size of the log then)}
_known: dict[tuple[uuid.UUID, bool, int], tuple[int | None, int]] = {}
_MOST_KNOWN: Final = 500


def _first_since(moment_ms: int, log: Log) -> int:
    place = log.log_id, False, moment_ms
    found, seen = _known.get(place, (None, 0))
    if found is None or seen > log.size:
        found = (
            _entries(seen, log.size).filter(at_ms__gte=moment_ms).aggregate(found=Min(F("idx") + 0))["found"]
        )
        _remember(place, found, log.size)
    return log.size if found is None else found


def _end_before(moment_ms: int, log: Log) -> int:
    place = log.log_id, True, moment_ms
    found, seen = _known.get(place, (None, 0))
    if seen < log.size or found is None:
        # `+ 0` keeps the engines from walking down the entries themselves to the first that fits.
        newest = (
            _entries(seen, log.size).filter(at_ms__lt=moment_ms).aggregate(found=Max(F("idx") + 0))["found"]
        )
        found = (found or 0) if newest is None else newest + 1
        _remember(place, found, log.size)
    return found


def _entries(seen: int, size: int) -> EntryQuerySet:
    rows = Entry.objects.filter(idx__lt=size)
    return rows.filter(idx__gte=seen) if seen else rows


def _remember(place: tuple[uuid.UUID, bool, int], found: int | None, size: int) -> None:
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[place] = found, size
