"""Ctrl C while something long is done piece by piece.

Python raises KeyboardInterrupt wherever the program happens to be, and one that is raised while an object is being
removed is dropped: Django's models do that with each row. Here the first one is kept until the work is between two
pieces, where it can neither be lost nor cut something in two; a second one is raised at once.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Whether somebody pressed Ctrl C meanwhile."""

    def __init__(self) -> None:
        self._came = False

    def check(self) -> None:
        """For the moments between two pieces. Raises KeyboardInterrupt."""
        if self._came:
            raise KeyboardInterrupt

    def take(self, _number: int, _frame: FrameType | None) -> None:
        self.check()
        self._came = True


@contextmanager
def held_interrupts() -> Iterator[Interrupts]:
    """Keep the first Ctrl C until `check` is asked, or until the end.

    Only where it would be a KeyboardInterrupt: a server and its threads have a way of their own to be stopped.
    """
    interrupts = Interrupts()
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield interrupts
        return
    signal.signal(signal.SIGINT, interrupts.take)
    try:
        yield interrupts
        interrupts.check()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
