"""Who tried what they may not do: written down, but not so often that the log could be flooded with it."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from django.db import DatabaseError

from audit.actors import Actor
from audit.record import Target, record
from dashboard.lib.db import write_transaction

WINDOW_S: Final = 60.0
MOST_IN_WINDOW: Final = 30
_MOST_ACTORS: Final = 1_000

type _Who = tuple[str, str, str]
_STRANGERS: Final = ("anonymous", "", "")


@dataclass(slots=True)
class _Window:
    since: float
    written: set[tuple[str, str]] = field(default_factory=set)


class DenialLimit:
    """Lets an actor's refusals through: of one method and path the first of a minute, of all of them thirty.

    Those that are withheld are counted; the actor's next entry says how many they were. Whoever is not known shares
    the thirty with all others who are not: addresses cost nothing.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: OrderedDict[_Who, _Window] = OrderedDict()
        self._withheld: dict[_Who, int] = {}

    def take(self, actor: Actor, method: str, path: str) -> int | None:
        """How many were withheld before this one; None when it is withheld itself."""
        who, what = _counted_as(actor, method, path)
        with self._lock:
            window = self._window(who)
            if what in window.written or len(window.written) >= MOST_IN_WINDOW:
                self._withheld[who] = self._withheld.get(who, 0) + 1
                return None
            window.written.add(what)
            return self._withheld.pop(who, 0)

    def give_back(self, actor: Actor, method: str, path: str, withheld: int) -> None:
        """It could not be written: the next one is not withheld for it, and tells of it."""
        who, what = _counted_as(actor, method, path)
        with self._lock:
            if who in self._windows:
                self._windows[who].written.discard(what)
            self._withheld[who] = self._withheld.get(who, 0) + withheld + 1

    def _window(self, who: _Who) -> _Window:
        now = self._clock()
        window = self._windows.pop(who, None)
        if window is None or now - window.since >= WINDOW_S:
            window = _Window(now)
        self._windows[who] = window
        if len(self._windows) > _MOST_ACTORS:
            oldest, _ = self._windows.popitem(last=False)
            self._withheld.pop(oldest, None)
        return window


def _counted_as(actor: Actor, method: str, path: str) -> tuple[_Who, tuple[str, str]]:
    if actor.type == "anonymous":
        return _STRANGERS, (method, f"{actor.label} {path}")
    return (actor.type, actor.id, actor.label), (method, path)


_limit: Final = DenialLimit()


def note_denied(method: str, path: str, right: str, *, actor: Actor, limit: DenialLimit = _limit) -> bool:
    """Write down that the actor was refused; whether it was written or only counted. Raises DatabaseError."""
    withheld = limit.take(actor, method, path)
    if withheld is None:
        return False
    try:
        with write_transaction():
            record(
                "request.denied",
                actor=actor,
                target=Target("page", "", path[:300]),
                decision="deny",
                details={"method": method, "right": right, "withheld": withheld},
            )
    except DatabaseError:
        limit.give_back(actor, method, path, withheld)
        raise
    return True
