"""Whether somebody waits for a page: long work beside the server goes on when nobody does.

Threads of one process take turns at the interpreter, so work in a thread makes every page slower, however small its
share of the processor.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_POLL_S: Final = 0.02


class Traffic:
    """Counts the requests that are being answered."""

    def __init__(self, *, quiet_s: float = 0.3, longest_s: float = 3.0) -> None:
        """It is quiet `quiet_s` after the last answer; nobody waits for that longer than `longest_s`."""
        self._quiet_s = quiet_s
        self._longest_s = longest_s
        self._lock = threading.Lock()
        self._answering = 0
        self._ended = float("-inf")

    @contextmanager
    def answering(self) -> Iterator[None]:
        with self._lock:
            self._answering += 1
        try:
            yield
        finally:
            with self._lock:
                self._answering -= 1
                self._ended = time.monotonic()

    @property
    def is_quiet(self) -> bool:
        return not self._answering and time.monotonic() - self._ended >= self._quiet_s

    def wait_until_quiet(self, stopping: threading.Event) -> bool:
        """True when `stopping` was set meanwhile."""
        until = time.monotonic() + self._longest_s
        while not self.is_quiet and time.monotonic() < until:
            if stopping.wait(_POLL_S):
                return True
        return stopping.is_set()


#: Of this process.
TRAFFIC: Final = Traffic()
