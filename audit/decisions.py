"""What was decided, as the badges and the exports tell it."""

from typing import Final, Protocol

REFUSALS: Final = frozenset({"deny", "denied", "reject", "rejected", "block", "blocked"})
_STATUSES: Final = {
    "allow": "allowed", "allowed": "allowed", "approve": "approved", "approved": "approved", "deny": "denied",
    "denied": "denied", "block": "denied", "blocked": "denied", "reject": "rejected", "rejected": "rejected",
}  # fmt: skip


class Decided(Protocol):
    @property
    def action(self) -> str: ...
    @property
    def decision(self) -> str: ...


def is_refusal(entry: Decided) -> bool:
    """Something was tried and did not happen."""
    return entry.decision in REFUSALS or entry.action.endswith((".denied", ".failed"))


def badge_of(entry: Decided) -> tuple[str, str]:
    """A status of the console and a word for it ("" for its own); ("", "") where nothing was decided."""
    if entry.decision:
        status = _STATUSES.get(entry.decision)
        return (status, "") if status else ("decided", entry.decision)
    if entry.action.endswith(".denied"):
        return "denied", ""
    return ("failed", "") if entry.action.endswith(".failed") else ("", "")
