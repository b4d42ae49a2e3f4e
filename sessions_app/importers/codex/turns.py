"""Counting turns: by their own marks where the file has them, else by what the person wrote."""

from typing import Any

# Ids of turns are remembered because a resumed file names the turn it goes on with again.
_REMEMBERED = 512


class Turns:
    """`number` counts from 1; 0 before the first turn."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.number: int = state.get("number", 0)
        self.id: str = state.get("id", "")
        self.is_open: bool = state.get("is_open", False)
        # The file marks its turns; where it does not, each prompt after a reply begins one.
        self.are_marked: bool = state.get("are_marked", False)
        self._has_reply: bool = state.get("has_reply", False)
        self._ids: dict[str, None] = dict.fromkeys(state.get("ids", []))

    def state(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "id": self.id,
            "is_open": self.is_open,
            "are_marked": self.are_marked,
            "has_reply": self._has_reply,
            "ids": list(self._ids),
        }

    def start(self, turn_id: str) -> bool:
        """A mark says that this turn begins or goes on. True when the turn is new."""
        self.are_marked = True
        if turn_id and turn_id in self._ids:
            self.id, self.is_open = turn_id, True
            return False
        if self.is_open and not self.id and not self._has_reply:
            # The prompt stands before the mark of the turn that it began.
            self._remember(turn_id)
            return False
        self._open(turn_id)
        return True

    def context(self, turn_id: str) -> bool:
        """Settings of a call of the model, which name the turn. True when they begin a new one."""
        return bool(turn_id) and turn_id != self.id and self.start(turn_id)

    def prompt(self) -> bool:
        """A person wrote something. True when that begins a new turn."""
        if self.is_open and (self.are_marked or not self._has_reply):
            return False
        self._open("")
        return True

    def reply(self) -> None:
        self._has_reply = True

    def end(self) -> None:
        self.is_open = False

    def _open(self, turn_id: str) -> None:
        self.number += 1
        self.is_open, self._has_reply = True, False
        self._remember(turn_id)

    def _remember(self, turn_id: str) -> None:
        self.id = turn_id
        if turn_id:
            self._ids[turn_id] = None
            if len(self._ids) > _REMEMBERED:
                del self._ids[next(iter(self._ids))]
