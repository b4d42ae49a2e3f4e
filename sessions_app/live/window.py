"""How much may be on its way to one viewer."""

from dataclasses import dataclass, field

WINDOW_BYTES = 1024 * 1024


class WrongAck(Exception):
    """The viewer acknowledged what it cannot have."""


@dataclass
class Window:
    """Offsets of one viewer: what was sent, and what it says is on its screen. Sending stops without room.

    The ASGI server takes whatever it is given into memory, so this is the only bound on a stalled viewer.
    """

    position: int
    acknowledged: int = field(init=False)
    # Left out after `acknowledged`: never sent, so it takes no room.
    _skipped: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.acknowledged = self.position

    @property
    def in_flight(self) -> int:
        return self.position - self.acknowledged - sum(end - start for start, end in self._skipped)

    @property
    def room(self) -> int:
        return WINDOW_BYTES - self.in_flight

    def sent(self, to: int) -> None:
        self.position = to

    def skip(self, to: int) -> None:
        """Go on at `to`, with the bytes before it left out."""
        self._skipped.append((self.position, to))
        self.position = to

    def acknowledge(self, offset: int) -> None:
        """Everything before `offset` is on the viewer's screen. Raises WrongAck when it was not sent."""
        if not self.acknowledged <= offset <= self.position:
            raise WrongAck
        self.acknowledged = offset
        self._skipped = [(max(start, offset), end) for start, end in self._skipped if end > offset]
