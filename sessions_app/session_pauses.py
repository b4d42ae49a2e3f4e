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

# Below this a person reads, thinks or waits for a tool; it is part of how a session goes.
LEAST_PAUSE_MS: Final = 10 * 60_000
# Rows that are looked at together, and how many stretches are looked into further, the longest.
_ROWS: Final = 128
_STRETCHES: Final = 32
# More than any timeline takes; it ends at the latest where places are missing.
_LOOKS: Final = 16


def pauses_of(session: AgentSession, others: Iterable[Stretch], until_ms: int) -> list[Stretch]:
    """Stretches (from, to; Unix milliseconds) longer than LEAST_PAUSE_MS without a row and outside all `others`.

    In a session with more of them than are looked for, some of the shorter ones are left out.
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
    busy: list[Stretch] = []
    known = _moments(session, _spread(1, session.last_seq, _ROWS))
    pending = list(pairwise(known))
    busy += [(at_ms, at_ms) for _, at_ms in known]
    for _ in range(_LOOKS):
        long = []
        for (seq, at_ms), (next_seq, next_ms) in pending:
            stretch = min(at_ms, next_ms), max(at_ms, next_ms)
            if stretch[1] - stretch[0] <= LEAST_PAUSE_MS:
                busy.append(stretch)
            elif next_seq - seq > 1 and not any(
                first <= stretch[0] and stretch[1] <= last for first, last in others
            ):
                long.append(((seq, at_ms), (next_seq, next_ms)))
        if not long:
            return busy
        long.sort(key=lambda ends: abs(ends[1][1] - ends[0][1]), reverse=True)
        # What there is no time to look into counts as work.
        busy += [(min(one[1], two[1]), max(one[1], two[1])) for one, two in long[_STRETCHES:]]
        long = long[:_STRETCHES]
        inside = [_spread(one[0] + 1, two[0] - 1, _ROWS // len(long)) for one, two in long]
        found = dict(_moments(session, [seq for seqs in inside for seq in seqs]))
        pending = []
        for (one, two), seqs in zip(long, inside, strict=True):
            rows = [one, *((seq, found[seq]) for seq in seqs if seq in found), two]
            pending += pairwise(rows)
            busy += [(at_ms, at_ms) for _, at_ms in rows]
    return busy + [(min(one[1], two[1]), max(one[1], two[1])) for one, two in pending]


def _spread(first: int, last: int, count: int) -> list[int]:
    """At most `count` places from `first` to `last`, evenly, with both ends."""
    number = last - first + 1
    if number <= count:
        return list(range(first, last + 1))
    return [first + place * (number - 1) // (count - 1) for place in range(count)]


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
