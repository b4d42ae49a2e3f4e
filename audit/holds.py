"""Legal holds: entries that name a range of the log whose payloads stay until the hold is released."""

from dataclasses import dataclass
from typing import Any, Final

from audit.actors import Actor
from audit.columns import details_of
from audit.models import Entry
from audit.record import lock_log, record
from audit.segments import HOLD_PLACED, HOLD_RELEASED
from dashboard.lib.db import write_transaction
from dashboard.lib.errors import Refused

# Beyond it an integer becomes text in an entry, and would hold nothing.
LAST_IDX: Final = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Hold:
    """`idx` is of the entry that placed it, and names it."""

    idx: int
    first_idx: int
    last_idx: int
    why: str

    def keeps(self, idx: int) -> bool:
        return self.first_idx <= idx <= self.last_idx


def holds_in_force() -> list[Hold]:
    """Those not released yet, oldest first. Only under `lock_log()` are they still so at the commit.

    Raises Refused where one cannot be read: it might keep anything.
    """
    found: dict[int, Hold] = {}
    rows = Entry.objects.filter(action__in=(HOLD_PLACED, HOLD_RELEASED)).order_by("idx")
    for idx, action, body in rows.values_list("idx", "action", "body"):
        details = details_of(body)
        if action == HOLD_PLACED:
            found[idx] = _placed(idx, details)
        elif type(details.get("hold")) is int:
            found.pop(details["hold"], None)
    return list(found.values())


def _placed(idx: int, details: dict[str, Any]) -> Hold:
    first, last, why = details.get("first_idx"), details.get("last_idx"), details.get("why")
    if type(first) is not int or type(last) is not int:
        raise Refused(
            f"Entry {idx:,} places a legal hold, and what it holds cannot be read: nothing is released or removed "
            "before that is cleared up. Run `scrollback audit verify`."
        )
    return Hold(idx, first, last, why if isinstance(why, str) else "")


def place_hold(first_idx: int, last_idx: int, why: str, *, actor: Actor) -> Entry:
    """Keep the payloads of these entries; also of entries that are yet to come. Raises Refused."""
    if not 0 <= first_idx <= last_idx <= LAST_IDX:
        raise Refused(f"No entries are from {first_idx} to {last_idx}: name the first one and the last one.")
    details = {"first_idx": first_idx, "last_idx": last_idx, "why": why}
    with write_transaction():
        return record("hold.placed", actor=actor, details=details)


def release_hold(hold: int, why: str, *, actor: Actor) -> Entry:
    """`hold` is the entry that placed it. Raises Refused."""
    with write_transaction():
        lock_log()
        if hold not in {found.idx for found in holds_in_force()}:
            raise Refused(f"Entry {hold} is no legal hold that is in force.")
        return record("hold.released", actor=actor, details={"hold": hold, "why": why})
