"""Who tried what they may not do: written down, but not so often that the log could be flooded with it."""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from django.db import DatabaseError

from audit.actors import Actor
from audit.record import Draft, Target, append_apart
from dashboard.lib.background import BackgroundThread
from dashboard.lib.db import write_transaction
from sessions_app.token_text import without_tokens

WINDOW_S: Final = 60.0
MOST_IN_WINDOW: Final = 30
_MOST_ACTORS: Final = 1_000
_LOOK_S: Final = 5.0
# The address of a set-up link is its secret; it may still work when a form on its page is refused.
_SETUP_LINK: Final = re.compile(r"\A(/setup/)[^/]+")

type _Who = tuple[bool, str, str, str]
type _What = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One that becomes `request.denied`, or `sign_in.delayed` when it `is_delay`."""

    actor: Actor
    target: Target | None
    details: Mapping[str, str]
    is_delay: bool = False

    @property
    def who(self) -> _Who:
        """Whose thirty a minute it counts for: addresses cost nothing, so all that are not known share them."""
        if self.actor.type == "anonymous":
            return self.is_delay, "anonymous", "", ""
        return self.is_delay, self.actor.type, self.actor.id, self.actor.label

    @property
    def what(self) -> _What:
        """Of which one a minute is enough."""
        label = self.target.label if self.target else ""
        return self.actor.label, self.details.get("method", ""), label


@dataclass(slots=True)
class _Window:
    since: float
    written: set[_What] = field(default_factory=set)


@dataclass(slots=True)
class _Withheld:
    count: int
    last: Refusal


class DenialLimit:
    """Lets an actor's refusals through: of one method and path the first of a minute, of all of them thirty.

    Those that are withheld are counted; the actor's next entry says how many they were. Where none follows within
    the minute, the last of them is `next_due`. Delays of sign-ins are counted apart.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: OrderedDict[_Who, _Window] = OrderedDict()
        self._withheld: dict[_Who, _Withheld] = {}

    def take(self, refusal: Refusal) -> int | None:
        """How many were withheld before this one; None when it is withheld itself."""
        with self._lock:
            window = self._window(refusal.who)
            if refusal.what in window.written or len(window.written) >= MOST_IN_WINDOW:
                self._count(refusal, 1)
                return None
            window.written.add(refusal.what)
            found = self._withheld.pop(refusal.who, None)
            return found.count if found else 0

    def next_due(self, *, everything: bool = False) -> tuple[Refusal, int] | None:
        """One that was withheld and whose minute is over, or any; it counts as written.

        With it comes how many were withheld before it.
        """
        with self._lock:
            for who, withheld in self._withheld.items():
                window = self._windows.get(who)
                if everything or window is None or self._is_over(window):
                    del self._withheld[who]
                    if window is not None:
                        self._window(who).written.add(withheld.last.what)
                    return withheld.last, withheld.count - 1
        return None

    def give_back(self, refusal: Refusal, withheld: int) -> None:
        """It could not be written: the next one is not withheld for it, and tells of it."""
        with self._lock:
            if refusal.who in self._windows:
                self._windows[refusal.who].written.discard(refusal.what)
            self._count(refusal, withheld + 1)

    def _count(self, refusal: Refusal, number: int) -> None:
        earlier = self._withheld.get(refusal.who)
        self._withheld[refusal.who] = _Withheld(number + (earlier.count if earlier else 0), refusal)

    def _is_over(self, window: _Window) -> bool:
        return self._clock() - window.since >= WINDOW_S

    def _window(self, who: _Who) -> _Window:
        window = self._windows.pop(who, None)
        if window is None or self._is_over(window):
            window = _Window(self._clock())
        self._windows[who] = window
        if len(self._windows) > _MOST_ACTORS:
            # What was withheld of them stays, and is due at once.
            self._windows.popitem(last=False)
        return window


_limit: Final = DenialLimit()


def note_denied(
    method: str,
    path: str,
    right: str,
    *,
    actor: Actor,
    details: Mapping[str, str] | None = None,
    limit: DenialLimit = _limit,
) -> bool:
    """Write down that the actor was refused; whether it was written or only counted. Raises DatabaseError.

    `path` has no query; what is secret in it is left out here. `right` says what was missing.
    """
    target = Target("page", "", path_without_secrets(path)[:300])
    return _note(Refusal(actor, target, {**(details or {}), "method": method, "right": right}), limit)


def note_delayed(actor: Actor, target: Target | None, *, address: str, limit: DenialLimit = _limit) -> bool:
    """Write down that a password was not looked at, so soon after wrong ones. As note_denied."""
    return _note(Refusal(actor, target, {"address": address}, is_delay=True), limit)


def write_withheld(limit: DenialLimit = _limit, *, everything: bool = False) -> None:
    """Write what was withheld and nothing has told of within its minute. Raises DatabaseError."""
    while (due := limit.next_due(everything=everything)) is not None:
        _write(*due, limit)


def path_without_secrets(path: str) -> str:
    return _SETUP_LINK.sub(r"\1…", without_tokens(path))


class WithheldDenials(BackgroundThread):
    """Of a server: no count of refusals waits longer than its minute for somebody to be refused again."""

    def __init__(self, limit: DenialLimit = _limit, every_s: float = _LOOK_S) -> None:
        super().__init__("withheld-denials", every_s)
        self._limit = limit

    def look(self) -> None:
        write_withheld(self._limit)

    def ended(self) -> None:
        try:
            write_withheld(self._limit, everything=True)
        except DatabaseError as error:
            self.failed(error)


def _note(refusal: Refusal, limit: DenialLimit) -> bool:
    withheld = limit.take(refusal)
    if withheld is None:
        return False
    _write(refusal, withheld, limit)
    return True


def _write(refusal: Refusal, withheld: int, limit: DenialLimit) -> None:
    try:
        with write_transaction():
            append_apart(
                [
                    Draft(
                        "sign_in.delayed" if refusal.is_delay else "request.denied",
                        refusal.actor,
                        refusal.target,
                        decision="deny",
                        details={**refusal.details, "withheld": withheld},
                    )
                ]
            )
    except DatabaseError:
        limit.give_back(refusal, withheld)
        raise
