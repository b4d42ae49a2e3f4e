"""Search inside one terminal: the lines that were derived from its output, then what is newer than those."""

import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from sessions_app.actions.terminals.moments import Moments
from sessions_app.actions.terminals.reading import read_bytes, read_stretches
from sessions_app.actions.terminals.screens import screen_at
from sessions_app.models import Terminal
from sessions_app.search.terminals import Searched, search_text
from sessions_app.terminal.engine.model import EngineError, Line
from sessions_app.terminal.line_search import LineHit, Pattern, TimeIsUp, find_in_lines
from sessions_app.terminal.plaintext import PlainText

MAX_HITS = 1_000
DEADLINE_S = 10.0
# The newest output is made lines of in steps of this size.
_STEP_BYTES = 16 * 1024
# The first line of what is not derived may have begun this much earlier.
_LINE_BYTES = 4 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a search ended: `is_cut` at the limit of hits; `searched` is below 1, a share, when time was up.

    `next` is the byte at which a search goes on that looks at the rest; None where there is no rest. With `damaged`
    some of what is stored before that could not be read.
    """

    hits: int
    is_cut: bool
    searched: float
    next: int | None = None
    damaged: bool = False


class TerminalSearch:
    """One search, oldest first. `outcome` is there once all hits were taken."""

    outcome: Outcome

    def __init__(
        self,
        terminal: Terminal,
        pattern: Pattern,
        *,
        start: int = 0,
        limit: int = MAX_HITS,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Looks at lines that were to be read at byte `start` or later.

        Of those that became readable together it finds all, so there may be some more than `limit`.
        """
        self.terminal_id = terminal.pk
        self._terminal = terminal
        self._pattern = pattern
        self._start = start
        self._limit = limit
        self._deadline = time.monotonic() + deadline_s
        self._texts: set[str] = set()

    def batches(self) -> Iterator[list[LineHit]]:
        """Lines that match, each at the moment when it was on the screen, as they are found.

        A batch may be empty: whoever takes them can stop between any two. Raises CorruptData where output that is not
        derived is damaged.
        """
        count, following, is_damaged = 0, self._start, False
        moments = Moments(self._terminal, deadline=self._deadline)
        try:
            for searched in chain(self._derived(), self._newest()):
                is_damaged |= searched.damaged
                found = _first_of(searched.hits, self._limit - count)
                self._texts.update(hit.line.text.strip() for hit in found)
                count += len(found)
                yield list(moments.exact(found))
                is_damaged |= moments.is_damaged
                if count >= self._limit:
                    self.outcome = Outcome(count, True, 1.0, found[-1].line.offset + 1, is_damaged)
                    return
                following = searched.end + 1
        except TimeIsUp:
            self.outcome = Outcome(count, False, self._share(following), following, is_damaged)
            return
        self.outcome = Outcome(count, False, 1.0, damaged=is_damaged)

    def _share(self, reached: int) -> float:
        whole = self._terminal.size - self._start
        return min(1.0, max(0.0, (reached - self._start) / whole)) if whole > 0 else 1.0

    def _derived(self) -> Iterator[Searched]:
        # What another process derives meanwhile is among the newest for this search.
        end = self._terminal.derived_size
        if end < 0:
            # What is still there is being removed; all of it is searched as it was printed.
            return
        for searched in search_text(
            self._terminal.pk, self._pattern, after=self._start - 1, deadline=self._deadline
        ):
            hits = [hit for hit in searched.hits if hit.line.offset <= end]
            yield Searched(searched.end, hits, searched.damaged)

    def _newest(self) -> Iterator[Searched]:
        """What is not derived yet: its lines as they were printed, and what the screen shows in the end."""
        terminal = self._terminal
        if terminal.derived_end and terminal.derived_size >= terminal.size:
            return
        before, parts = self._texts.copy(), set[str]()
        # A line that is to be read at byte `start` ends with the byte before.
        for lines in self._newest_lines(max(self._start - 1, terminal.derived_size, 0)):
            hits = self._unknown(lines, before)
            before = {line.text.strip() for line in lines}
            parts.update(hit.line.text.strip() for hit in hits)
            yield Searched(lines[-1].offset, hits)
        on_screen = self._unknown(self._screen_lines(), self._texts)
        # What was printed may be a part of what the screen shows in that row.
        on_screen = [hit for hit in on_screen if not any(part in hit.line.text for part in parts)]
        yield Searched(terminal.size, on_screen)

    def _newest_lines(self, start: int) -> Iterator[list[Line]]:
        terminal = self._terminal
        if start >= terminal.size:
            return
        plain = PlainText()
        before = read_bytes(terminal.pk, max(0, start - _LINE_BYTES), start)
        plain.feed(before[before.rfind(b"\n") + 1 :])
        for stretch in read_stretches(terminal.pk, start, terminal.size):
            for position in range(0, len(stretch.data), _STEP_BYTES):
                if time.monotonic() > self._deadline:
                    raise TimeIsUp
                step = stretch.data[position : position + _STEP_BYTES]
                offset = min(stretch.offset + position + len(step), terminal.size)
                texts = plain.feed(step)
                yield [Line(offset, stretch.last_us, text) for text in texts or [""]]
        yield [Line(terminal.size, terminal.duration_us, text) for text in plain.finish() or [""]]

    def _screen_lines(self) -> list[Line]:
        """Rows of the screen at the end, those that run over into the next one joined."""
        terminal = self._terminal
        try:
            screen = screen_at(terminal, terminal.size)
        except EngineError:
            return []
        texts = [""]
        for row in screen.rows:
            texts[-1] += row
            if len(row) < screen.cols:
                texts.append("")
        return [Line(terminal.size, terminal.duration_us, text) for text in texts]

    def _unknown(self, lines: Sequence[Line], known: Container[str]) -> list[LineHit]:
        """The first match of each text that is not known: a screen that is redrawn is printed again and again."""
        unknown: dict[str, LineHit] = {}
        for hit in find_in_lines(lines, self._pattern, deadline=self._deadline):
            text = hit.line.text.strip()
            if text not in known:
                unknown.setdefault(text, hit)
        return list(unknown.values())


def _first_of(hits: Sequence[LineHit], most: int) -> list[LineHit]:
    """So many of them, and with the last one those that were listed together with it."""
    end = most
    while 0 < end < len(hits) and hits[end].line.offset == hits[end - 1].line.offset:
        end += 1
    return list(hits[:end])
