"""How far one viewer is behind what the program writes."""

from collections import deque

# Output within so short a time counts as having come at once.
_GRAIN_S = 0.1


class Lag:
    """Remembers when output came that the viewer was not sent yet.

    History that was there before the viewer does not count: who reads that slowly is not behind anybody.
    Times are seconds of any steady clock.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        # When output came, and how much there was before it.
        self._came: deque[tuple[float, int]] = deque()

    def grew(self, size: int, now: float) -> None:
        """The terminal has `size` bytes now."""
        if size > self._size and (not self._came or now - self._came[-1][0] >= _GRAIN_S):
            self._came.append((now, self._size))
        self._size = max(size, self._size)

    def seconds(self, position: int, now: float) -> float:
        """How long ago the oldest output came that a viewer at `position` was not sent."""
        if position >= self._size:
            self._came.clear()
        while len(self._came) > 1 and self._came[1][1] <= position:
            self._came.popleft()
        return now - self._came[0][0] if self._came else 0.0
