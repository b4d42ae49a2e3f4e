"""When nothing was recorded in a session, found without reading its rows.

Every place of a timeline is one row's, and the moments rise with the places but where another source's rows follow.
So a few rows spread over the timeline tell where the time went, and only the long stretches between two of them are
looked into: some indexed statements, however many rows there are.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from sessions_app.models import AgentSession

type Stretch = tuple[int, int]
# A row's place and moment, and two rows that one looks between.
type Row = tuple[int, int]
type Between = tuple[Row, Row]

# Below this a person reads, thinks or waits for a tool; it is part of how a session goes.
LEAST_PAUSE_MS: Final = 10 * 60_000
# Rows that are looked at together, and how many stretches are looked into further, the longest.
_ROWS: Final = 128
_STRETCHES: Final = 32
# Of the time that is not known to be a pause: a dozen that are shorter would win nothing.
_LEAST_SHARE: Final = 0.01
# More than any timeline takes; it ends at the latest where places are missing.
_LOOKS: Final = 16


def pauses_of(session: AgentSession, others: Iterable[Stretch], until_ms: int) -> list[Stretch]:
    """Stretches (from, to; Unix milliseconds) longer than LEAST_PAUSE_MS without a row and outside all `others`.

    In a session with more of them than are looked for, some of the shorter ones are left out, and those of less than
    1 % of the time that remains beside the long ones.
    """
    start_ms = session.started_ms
    if until_ms - start_ms <= LEAST_PAUSE_MS:
        return []
    busy = [(start_ms, start_ms), (until_ms, until_ms), *others]
    busy += _busy_with_rows(session, busy)
    return [
        (max(before, start_ms), min(after, until_ms))
        for before, after in _between(busy)
        if min(after, until_ms) - max(before, start_ms) > LEAST_PAUSE_MS
    ]


def _busy_with_rows(session: AgentSession, others: Sequence[Stretch]) -> list[Stretch]:
    """Stretches that are full of rows, as far as one need know."""
    places = {1, session.last_seq, *_spread(1, session.last_seq, _ROWS)}
    known = _moments(session, sorted(places))
    busy = [(at_ms, at_ms) for _, at_ms in known]
    fresh, unknown = list(pairwise(known)), list[Between]()
    rest_ms = max(last for _, last in others) - session.started_ms
    for _ in range(_LOOKS):
        for one, two in fresh:
            if two[0] - one[0] > 1 and not any(_covers(other, (one, two)) for other in others):
                unknown.append((one, two))
            elif _length(one, two) <= LEAST_PAUSE_MS:
                busy.append(_stretch(one, two))
            else:
                rest_ms -= _length(one, two)
        least_ms = max(LEAST_PAUSE_MS, rest_ms * _LEAST_SHARE)
        unknown.sort(key=lambda ends: _length(*ends), reverse=True)
        long = [ends for ends in unknown[:_STRETCHES] if _length(*ends) > least_ms]
        if not long:
            break
        unknown = unknown[len(long) :]
        inside = [_spread(one[0] + 1, two[0] - 1, max(1, _ROWS // len(long))) for one, two in long]
        found = dict(_moments(session, [seq for seqs in inside for seq in seqs]))
        fresh = []
        for (one, two), seqs in zip(long, inside, strict=True):
            rows = [one, *((seq, found[seq]) for seq in seqs if seq in found), two]
            fresh += pairwise(rows)
            busy += [(at_ms, at_ms) for _, at_ms in rows]
    else:
        unknown += fresh
    # What was not looked into counts as work.
    return busy + [_stretch(*ends) for ends in unknown]


def _length(one: Row, two: Row) -> int:
    return abs(two[1] - one[1])


def _stretch(one: Row, two: Row) -> Stretch:
    return min(one[1], two[1]), max(one[1], two[1])


def _covers(other: Stretch, ends: Between) -> bool:
    first, last = _stretch(*ends)
    return other[0] <= first and last <= other[1]


def _spread(first: int, last: int, count: int) -> list[int]:
    """At most `count` places from `first` to `last`, as far from each other and from what lies around as can be."""
    number = last - first + 1
    if number <= count:
        return list(range(first, last + 1))
    return [first + place * number // (count + 1) for place in range(1, count + 1)]


def _moments(session: AgentSession, seqs: Sequence[int]) -> list[tuple[int, int]]:
    """(seq, at_ms) of the rows at these places, in their order; the index of each table leads to its own."""
    messages, calls, events = (
        rows.filter(seq__in=seqs).order_by().values_list("seq", "at_ms")
        for rows in (session.messages, session.toolcalls, session.events)
    )
    return sorted(messages.union(calls, events, all=True))


def _between(busy: Iterable[Stretch]) -> Iterator[Stretch]:
    """The gaps that all of them leave."""
    reached: int | None = None
    for first, last in sorted(busy):
        if reached is not None and first > reached:
            yield reached, first
        reached = last if reached is None else max(reached, last)
