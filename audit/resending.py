"""Telling what was sent before from what is new, so that sending it again records it once."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from audit.canonical import canonical
from audit.models import Entry
from audit.record import Draft, Target, lock_log
from dashboard.lib.text import storable

type Fate = Literal["recorded", "known", "conflict"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`conflict`: another entry has this id, so this one is not recorded."""

    fate: Fate


def sort_out(drafts: Sequence[Draft]) -> tuple[list[Draft], list[Outcome]]:
    """Those that are to be appended in this transaction, and what becomes of each."""
    lock_log()
    wanted = [draft.id for draft in drafts if draft.id]
    there: dict[uuid.UUID | int, str] = dict(Entry.objects.filter(id__in=wanted).values_list("id", "body"))
    new: dict[uuid.UUID | int, Draft] = {}
    outcomes = []
    for number, draft in enumerate(drafts):
        key = draft.id or number
        if key in there:
            is_same = _told(json.loads(there[key])) == _told_by(draft)
        elif key in new:
            is_same = _told_by(new[key]) == _told_by(draft)
        else:
            new[key] = draft
            outcomes.append(Outcome("recorded"))
            continue
        outcomes.append(Outcome("known" if is_same else "conflict"))
    return [*new.values()], outcomes


def _told_by(draft: Draft) -> str:
    target = draft.target or Target("", "", "")
    return _told(
        {
            "actor": {"type": draft.actor.type, "id": storable(draft.actor.id)[:64]},
            "action": draft.action,
            "target": {"type": storable(target.type)[:40], "id": storable(target.id)[:64]},
            "session": str(draft.session_id or ""),
            "run": str(draft.run_id or ""),
            "decision": draft.decision,
            "details": json.loads(canonical(draft.details)),
        }
    )


def _told(document: dict[str, Any]) -> str:
    """What an entry says, without its place, its time and what is cut."""
    actor, target = document["actor"], document["target"]
    facts = {name: document[name] for name in ("action", "session", "run", "decision", "details")}
    return canonical(
        {**facts, "actor": [actor["type"], actor["id"]], "target": [target["type"], target["id"]]}
    )
