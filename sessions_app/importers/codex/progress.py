"""How far the thread has come, by what its records say last."""

from typing import Any, Literal

from dashboard.lib.clock import ms_to_iso
from sessions_app.drafts import StatusName

type Standing = Literal["", "open", "ended", "aborted", "failed", "waiting"]

_SESSION_STATUS: dict[Standing, StatusName] = {
    "ended": "idle",
    "aborted": "idle",
    "failed": "failed",
    "waiting": "waiting",
}
_SUBAGENT_STATUS: dict[Standing, StatusName] = {
    "ended": "completed",
    "aborted": "cancelled",
    "failed": "failed",
    "waiting": "waiting",
}


class Progress:
    """The newest evidence: what stands, which record says so, and when it was written."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.standing: Standing = state.get("standing", "")
        self.evidence: str = state.get("evidence", "")
        self.at_ms: int = state.get("at_ms", 0)

    def state(self) -> dict[str, Any]:
        return {"standing": self.standing, "evidence": self.evidence, "at_ms": self.at_ms}

    def note(self, standing: Standing, evidence: str, at_ms: int) -> None:
        self.standing, self.evidence, self.at_ms = standing, evidence, at_ms

    def end(self, evidence: str, at_ms: int) -> None:
        """A turn that reported an error has failed, although its end is recorded as well."""
        if self.standing != "failed":
            self.note("ended", evidence, at_ms)

    def status(self, *, following: bool, is_subagent: bool) -> StatusName | None:
        """None before any record says something."""
        if not self.standing:
            return None
        if self.standing == "open":
            return "running" if following else "unfinished"
        return (_SUBAGENT_STATUS if is_subagent else _SESSION_STATUS)[self.standing]

    def sentence(self) -> str:
        return f"{self.evidence}, recorded {ms_to_iso(self.at_ms)}"
