"""News inside this process that something was committed.

A nudge carries nothing and may be lost: whoever listens reads the database from its own cursor. It only
spares the wait for the next look of dashboard.lib.db.ChangeDetector, which sees every process.
"""

from collections.abc import Callable

from dashboard.lib.db import after_commit

_listeners: set[Callable[[], None]] = set()


def listen(callback: Callable[[], None]) -> Callable[[], None]:
    """Call `callback` (from any thread; it must not block) after each nudged commit. Returns the way to stop."""
    _listeners.add(callback)
    return lambda: _listeners.discard(callback)


def nudge() -> None:
    """Wake the listeners once the surrounding transaction has committed."""
    if _listeners:
        after_commit(_wake)


def _wake() -> None:
    for callback in tuple(_listeners):
        callback()
