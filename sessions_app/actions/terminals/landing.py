"""The moment that a hit opens: the first at which its line stands on the screen, found with the screens themselves."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from sessions_app.actions.terminals.screens import screen_at, time_at
from sessions_app.models import Terminal
from sessions_app.terminal.engine.model import EngineError, Line
from sessions_app.terminal.line_place import is_cut, text_around
from sessions_app.terminal.line_search import LineHit

# Somebody waits for the hit. A screen takes some milliseconds, and forty of them are the most that are needed mostly.
_MOST_SCREENS = 100
_DEADLINE_S = 5.0
_KB = 1024
# How far from where the search has a line it is looked for: mostly what stood there before is just not erased yet.
_BEHIND = (16, 64, 256, _KB, 4 * _KB, 16 * _KB, 64 * _KB)
_AHEAD = (64, 128, 256, 512, *range(_KB, 16 * _KB + 1, _KB), *range(20 * _KB, 64 * _KB + 1, 4 * _KB))

# How often what is looked for stands in rows without blanks.
type _Counter = Callable[[Sequence[str]], int]


def first_shown(terminal: Terminal, hit: LineHit) -> Line | None:
    """The line of the hit at the first offset where it stands on the screen, and not one byte before.

    Where it never stands there whole within 64 KB, the part that matched counts. Of lines that are alike it is the
    one nearest to where the search has the hit. None where it is not found, in time or with this engine. Raises
    CorruptData.
    """
    looks = _Looks(terminal)
    near = min(hit.line.offset, terminal.size)
    try:
        for counter in _counters(hit):
            offset = _first(partial(looks.count, counter), near, terminal.size)
            if offset is not None:
                return Line(offset, time_at(terminal, offset), hit.line.text)
    except EngineError:
        return None
    return None


def _counters(hit: LineHit) -> Iterator[_Counter]:
    """Ways to look for a hit, the best first."""
    text, part = _squeezed(text_around(hit)), _squeezed(hit.line.text[hit.start : hit.end])
    if text:
        yield (
            (lambda rows: "".join(rows).count(text)) if is_cut(hit) else (lambda rows: _lines_of(rows, text))
        )
    if part:
        yield lambda rows: "".join(rows).count(part)


def _lines_of(rows: Sequence[str], text: str) -> int:
    """How many lines are this one: a row, or rows that follow one another where it was too long for one."""
    return sum(_is_line(rows, first, text) for first in range(len(rows)))


def _is_line(rows: Sequence[str], first: int, text: str) -> bool:
    position = 0
    for number in range(first, len(rows)):
        row = rows[number]
        if not row or not text.startswith(row, position):
            return False
        position += len(row)
        if position == len(text):
            return True
    return False


def _first(count: Callable[[int], int], near: int, size: int) -> int | None:
    if count(near):
        return _beginning(count, near)
    hidden = near
    for distance in _BEHIND:
        at = min(near + distance, size)
        if count(at):
            return _edge(count, hidden, at)
        hidden = at
    for distance in _AHEAD:
        if distance < near and count(near - distance):
            return _beginning(count, near - distance)
    return None


def _beginning(count: Callable[[int], int], shown: int) -> int:
    """Since when there are as many as at `shown`: the same line may have stood on the screen before."""
    wanted, distance = count(shown), 1
    # Before the first byte there is nothing.
    while (hidden := max(0, shown - distance)) and count(hidden) >= wanted:
        shown, distance = hidden, 4 * distance
    return _edge(count, hidden, shown)


def _edge(count: Callable[[int], int], hidden: int, shown: int) -> int:
    """An offset between the two where there are as many as at `shown`, and one byte before fewer."""
    wanted = count(shown)
    while shown - hidden > 1:
        middle = (hidden + shown) // 2
        if count(middle) >= wanted:
            shown = middle
        else:
            hidden = middle
    return shown


def _squeezed(text: str) -> str:
    return "".join(text.split())


class _Looks:
    """Screens of one terminal, each made once, and no more of them than somebody would wait for."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._until = time.monotonic() + _DEADLINE_S
        self._rows: dict[int, tuple[str, ...]] = {}

    def count(self, counter: _Counter, offset: int) -> int:
        """How often it stood on the screen once `offset` bytes were out. Raises EngineError, CorruptData."""
        rows = self._rows.get(offset)
        if rows is None:
            if len(self._rows) >= _MOST_SCREENS or time.monotonic() > self._until:
                raise EngineError("the line was not found in time")
            rows = tuple(map(_squeezed, screen_at(self._terminal, offset).rows))
            self._rows[offset] = rows
        return counter(rows)
