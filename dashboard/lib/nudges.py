"""News inside this process that something was committed.

A nudge carries nothing and may be lost: whoever listens reads the database from its own cursor. It only
spares the wait for the next look of dashboard.lib.db.ChangeDetector, which sees every process.

What somebody marks for themselves alone changes no row that others are shown, so no look finds it, and a nudge of its
own names it. Other processes hear nothing of it.
"""

import uuid
from collections.abc import Callable

from dashboard.lib.db import after_commit

# A session and its last place; None is all of them.
type Marked = tuple[uuid.UUID, int] | None
type PersonalListener = Callable[[uuid.UUID, Marked], None]

_listeners: set[Callable[[], None]] = set()
_personal_listeners: set[PersonalListener] = set()


def listen(callback: Callable[[], None]) -> Callable[[], None]:
    """Call `callback` (from any thread; it must not block) after each nudged commit. Returns the way to stop."""
    _listeners.add(callback)
    return lambda: _listeners.discard(callback)


def nudge() -> None:
    """Wake the listeners once the surrounding transaction has committed."""
    if _listeners:
        after_commit(_wake)


def listen_personally(callback: PersonalListener) -> Callable[[], None]:
    """Call `callback(person_id, marked)` after each commit of a mark, as `listen` does."""
    _personal_listeners.add(callback)
    return lambda: _personal_listeners.discard(callback)


def nudge_person(person_id: uuid.UUID, marked: Marked) -> None:
    """Tell the listeners what this person marked once the surrounding transaction has committed."""

    def tell() -> None:
        for callback in tuple(_personal_listeners):
            callback(person_id, marked)

    if _personal_listeners:
        after_commit(tell)


def _wake() -> None:
    for callback in tuple(_listeners):
        callback()
