"""Where the engine could not draw a screen a moment ago."""

import threading
import time
import uuid
from typing import NamedTuple


class _Stretch(NamedTuple):
    first: int
    last: int
    until_s: float


class Refusals:
    """Of each terminal the stretch of output in which a try is not worth its price for some seconds.

    One costs what a processor does in a second, and a new engine process. Threads may share it.
    """

    def __init__(self, *, last_s: float) -> None:
        self._last_s = last_s
        self._lock = threading.Lock()
        self._stretches: dict[uuid.UUID, _Stretch] = {}

    def add(self, terminal_id: uuid.UUID, first: int, last: int) -> None:
        """From now on, and for `last_s` seconds, nothing is drawn at offsets from `first` to `last`."""
        now = time.monotonic()
        with self._lock:
            self._stretches = {pk: one for pk, one in self._stretches.items() if one.until_s > now}
            self._stretches[terminal_id] = _Stretch(first, last, now + self._last_s)

    def hold_at(self, terminal_id: uuid.UUID, offset: int) -> bool:
        """Whether there is no use in drawing at this offset now."""
        found = self._stretches.get(terminal_id)
        return found is not None and found.first <= offset <= found.last and time.monotonic() < found.until_s
