"""When a line that a search found was on the screen, to the byte."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals.reading import StoredStretch, read_stretches
from sessions_app.actions.terminals.screens import screen_at
from sessions_app.actions.terminals.times import timing_of
from sessions_app.models import Terminal
from sessions_app.search.find import Hit
from sessions_app.terminal.engine.model import EngineError, Line
from sessions_app.terminal.line_place import places_in
from sessions_app.terminal.line_search import LineHit
from sessions_app.terminal.timing import Timing

# A line that left the screen was written some slices before, with the rest of the screen behind it.
_WINDOW_BYTES = 64 * 1024
# Within so much output lines were listed before, where it is not known when.
_SLICE_BYTES = 16 * 1024
# Screens that are looked at for one search, at some milliseconds each.
_MOST_SCREENS = 20


class Moments:
    """Places of hits in one terminal, given in their order."""

    def __init__(self, terminal: Terminal, *, deadline: float = math.inf) -> None:
        """`deadline` on the monotonic clock: hits that come later stay where they were listed."""
        self._terminal = terminal
        self._output = _Output(terminal)
        self._screens = _MOST_SCREENS
        self._deadline = deadline
        self.is_damaged = False

    def exact(self, hits: Sequence[LineHit]) -> Iterator[LineHit]:
        """The same hits, each where the output has its line whole since lines were listed before, and at its time.

        That is the first place on a screen that is redrawn, else the last. A line that the output does not hold in
        one piece stays where it was listed, unless it is to be seen there no more and its match is found in the
        output. What the screen showed decides when a hit is opened (landing.py). Where that is damaged they stay where
        they were listed too, and `is_damaged` says so.
        """
        for offset, group in groupby(hits, key=lambda hit: hit.line.offset):
            together = list(group)
            if time.monotonic() <= self._deadline:
                try:
                    together = self._at_their_places(offset, together)
                except CorruptData:
                    self.is_damaged = True
            yield from together

    def _at_their_places(self, offset: int, together: list[LineHit]) -> list[LineHit]:
        start = max(0, offset - _WINDOW_BYTES)
        output = self._output.between(start, offset)
        looked = min(max(_listed_before(together[0]), start), offset) - start
        moved = []
        for hit, place in zip(together, places_in(output, together, looked), strict=True):
            if place is None and not self._is_shown(hit):
                place = places_in(output, [_match_of(hit)], looked)[0]
            moved.append(hit if place is None else self._moved(hit, start + place))
        return moved

    def _moved(self, hit: LineHit, offset: int) -> LineHit:
        return replace(hit, line=Line(offset, self._output.time_at(offset), hit.line.text))

    def _is_shown(self, hit: LineHit) -> bool:
        """Whether the line is on the screen where it was listed, as those of redrawn screens are."""
        if not self._screens:
            return True
        self._screens -= 1
        try:
            rows = screen_at(self._terminal, hit.line.offset).rows
        except EngineError:
            return True
        return "".join(hit.line.text.split()) in "".join("".join(rows).split())


def _listed_before(hit: LineHit) -> int:
    return hit.line.offset - _SLICE_BYTES if hit.since is None else hit.since


def _match_of(hit: LineHit) -> LineHit:
    text = hit.line.text[hit.start : hit.end]
    return LineHit(Line(hit.line.offset, hit.line.time_us, text), 0, len(text))


def with_moments(hits: Sequence[Hit]) -> list[Hit]:
    """Results of the search over everything, those in terminals at their exact moments."""
    return [_with_moment(hit) for hit in hits]


def _with_moment(hit: Hit) -> Hit:
    if hit.terminal is None or hit.found is None:
        return hit
    (found,) = Moments(hit.terminal).exact([hit.found])
    return replace(hit, found=found, at_ms=hit.terminal.started_ms + found.line.time_us // 1000)


class _Output:
    """Output near the hits: they come in order, so what was read for one is often there for the next."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._held: list[StoredStretch] = []
        self._timings: dict[int, Timing] = {}

    def between(self, start: int, end: int) -> bytes:
        end = min(end, self._terminal.size)
        if not self._held or start < self._held[0].offset or end > self._held[-1].end:
            self._held = list(read_stretches(self._terminal.pk, start, end))
            self._timings.clear()
        return b"".join(
            stretch.data[max(0, start - stretch.offset) : max(0, end - stretch.offset)]
            for stretch in self._held
        )

    def time_at(self, offset: int) -> int:
        """When the first `offset` bytes were out."""
        written = max(0, offset - 1)
        for stretch in self._held:
            if stretch.offset <= written < stretch.end:
                timing = self._timings.get(stretch.offset)
                if timing is None:
                    timing = timing_of(stretch.timing, stretch.first_us, stretch.offset - stretch.skipped)
                    self._timings[stretch.offset] = timing
                return timing.time_at(written)
        return 0
