"""How much may be on its way to one viewer."""

from collections import deque
from dataclasses import dataclass, field

WINDOW_BYTES = 1024 * 1024


class WrongAck(Exception):
    """The viewer acknowledged what it cannot have."""


@dataclass
class Window:
    """What was sent to one viewer, and what it says is on its screen. Sending stops without room.

    The ASGI server takes whatever it is given into memory, so this is the only bound on a stalled viewer.
    Every frame counts with all of its bytes, screens and events too. Nobody can wait for ever: whatever was
    sent can be acknowledged, and with nothing on its way there is room for anything.
    """

    position: int
    acknowledged: int = field(init=False)
    in_flight: int = field(default=0, init=False)
    # Frames on their way, as (offset behind them, bytes).
    _frames: deque[tuple[int, int]] = field(default_factory=deque, init=False)

    def __post_init__(self) -> None:
        self.acknowledged = self.position

    @property
    def room(self) -> int:
        return WINDOW_BYTES - self.in_flight

    def sent(self, to: int, size: int) -> None:
        """A frame of `size` bytes, behind which the viewer stands at `to`."""
        self.position = to
        self._frames.append((to, size))
        self.in_flight += size

    def acknowledge(self, offset: int) -> None:
        """Everything before `offset` is on the viewer's screen. Raises WrongAck when it was not sent.

        An event at an offset is acknowledged with that offset, which may therefore be said again.
        """
        if not self.acknowledged <= offset <= self.position:
            raise WrongAck
        self.acknowledged = offset
        while self._frames and self._frames[0][0] <= offset:
            self.in_flight -= self._frames.popleft()[1]
