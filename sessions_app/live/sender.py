"""What one viewer of a terminal is sent next, decided without any input or output.

The consumer does what `next` says and tells how it went; tests do the same with a clock and a network of
their own.
"""

from dataclasses import dataclass

from sessions_app.actions.terminals.starting import NEAR_BYTES, REACH_BYTES
from sessions_app.live.lag import Lag
from sessions_app.live.window import Window

# A viewer this far behind, in bytes or in time, is taken near the end instead of through everything.
LAG_BYTES = 4 * 1024 * 1024
LAG_S = 2.0
# Less than this is sent faster than a screen; and where there is no screen, so much of the end is shown.
RESUME_BYTES = 256 * 1024
STEP_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Send:
    """Output [start, end), with the events behind number `event` up to `last_event`."""

    start: int
    end: int
    event: int
    last_event: int


@dataclass(frozen=True, slots=True)
class Skip:
    """Go on with a screen near `end`; where there is none, with the last `unaided_bytes`."""

    end: int
    unaided_bytes: int


class Wait:
    """There is more, and no room for it until the viewer has answered."""


class Done:
    """Everything was sent."""


def step_end(start: int, size: int) -> int:
    """Where a step ends that begins at `start`: at the same places for everybody, so that one read serves all."""
    return max(start, min(size, start - start % STEP_BYTES + STEP_BYTES))


class Sender:
    """One connection of one viewer, who has `offset` bytes and was sent the events up to number `event`."""

    def __init__(self, offset: int, event: int, size: int, events: int) -> None:
        """The terminal has `size` bytes and `events` events now."""
        self.window = Window(offset)
        self._event = event
        self._size = size
        self._events = events
        self._lag = Lag(size)
        self._has_begun = False
        # No screen was worth it when the terminal had so many bytes.
        self._stayed_at = -1

    @property
    def position(self) -> int:
        """Where the viewer stands once all that was sent has arrived."""
        return self.window.position

    def grew(self, size: int, events: int, now: float) -> None:
        """What the terminal has now (seconds of any steady clock)."""
        self._size, self._events = size, events
        self._lag.grew(size, now)

    def next(self, now: float) -> Send | Skip | Wait | Done:
        """What to do; `skip`, `stay` or `sent` says that it was done."""
        if not self._has_begun:
            self._has_begun = True
            if self._size - self.position > NEAR_BYTES:
                return Skip(self._size, REACH_BYTES)
        if self.position >= self._size and self._event >= self._events:
            return Done()
        if self.window.room < STEP_BYTES:
            return Wait()
        if self._size != self._stayed_at and self._is_left_behind(now):
            return Skip(self._size, RESUME_BYTES)
        start = self.position
        return Send(start, step_end(start, self._size), self._event, self._events)

    def is_worth_it(self, to: int) -> bool:
        """Whether a screen at `to` saves more than a gap costs. If not, the viewer goes on as it was."""
        if to - self.position > RESUME_BYTES:
            return True
        self._stayed_at = self._size
        return False

    def sent(self, to: int, event: int, size: int) -> None:
        """Frames of `size` bytes, behind which the viewer stands at `to` and knows the events up to `event`."""
        self.window.sent(to, size)
        self._event = event

    def _is_left_behind(self, now: float) -> bool:
        behind = self._size - self.position
        if behind <= RESUME_BYTES:
            return False
        return behind > LAG_BYTES or self._lag.seconds(self.position, now) > LAG_S
