"""The history that a fork, or a subagent that was given its parent's context, carries at its head.

Those lines belong to the parent's file, where they are read. They are written anew with the time of the fork,
so neither their time nor their place tells them apart. What does: a second `session_meta`, which is the
parent's; and the ids of turns, which are UUIDv7 and so tell when each turn was made.
"""

from typing import Any

from sessions_app.importers.codex.thread import Thread, identifier_of, made_ms
from sessions_app.importers.json_lines import text_of

# A prefix without such ids ends when the clock moves on: it is written in one go.
_WRITING_MS = 1000

_TURN_EVENTS = frozenset({"task_started", "turn_started", "task_complete", "turn_complete", "turn_aborted"})


class Prefix:
    def __init__(self, thread: Thread, state: dict[str, Any]) -> None:
        self._thread = thread
        self.is_open: bool = state.get("is_open", False)
        self._has_ended: bool = state.get("has_ended", False)
        self._has_dated_turns: bool = state.get("has_dated_turns", False)
        self._began_ms: int = state.get("began_ms", 0)

    def state(self) -> dict[str, Any]:
        return {
            "is_open": self.is_open,
            "has_ended": self._has_ended,
            "has_dated_turns": self._has_dated_turns,
            "began_ms": self._began_ms,
        }

    def begin(self) -> bool:
        """A `session_meta` of another thread was met. False when this thread's own turns have begun."""
        if self._has_ended:
            return False
        self.is_open, self._began_ms = True, self._thread.at_ms
        return True

    def holds(self, kind: str, payload: dict[str, Any]) -> bool:
        """Is this record a copy of one of the parent's?"""
        if self._has_ended:
            return False
        turn_id = _turn_id(kind, payload)
        turn_ms = made_ms(turn_id) if turn_id else None
        if turn_ms is not None:
            is_copy = turn_ms < self._thread.created_ms and (self.is_open or self._may_have_one())
            self._has_dated_turns |= is_copy
            self.is_open, self._has_ended = is_copy, not is_copy
            return is_copy
        if not self.is_open:
            # An own turn whose id tells no time.
            self._has_ended = bool(turn_id)
            return False
        if not self._has_dated_turns and self._thread.at_ms > self._began_ms + _WRITING_MS:
            self.is_open, self._has_ended = False, True
        return self.is_open

    def _may_have_one(self) -> bool:
        return bool(self._thread.forked_from or self._thread.is_subagent)


def _turn_id(kind: str, payload: dict[str, Any]) -> str:
    if kind == "turn_context" or (kind == "event_msg" and text_of(payload.get("type")) in _TURN_EVENTS):
        return identifier_of(payload.get("turn_id"))
    return ""
