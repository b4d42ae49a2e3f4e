"""Rows that are changed after they got their places: a reply that grows, a call that ends, messages that are hidden.

What is sealed may be among them. The entry that takes the seal off is in the transaction of the change, so that
verifying does not take for damage what the program did.
"""

import uuid
from dataclasses import dataclass, field
from typing import Final

from django.db.models import F

from audit.actors import Actor
from audit.record import Draft
from sessions_app.actions.sessions import target_of
from sessions_app.models import AgentSession
from sessions_app.sealed_rows import first_of_piece

GREW: Final = "a message grew"
GOT_RESULT: Final = "a tool call got its result"
HIDDEN: Final = "its writer hid messages, or showed them again"


@dataclass
class _Change:
    """The first row of a session that is changed."""

    seq: int
    reasons: set[str] = field(default_factory=set)


class Rewriting:
    """What one transaction changes of rows that stood there before it."""

    def __init__(self) -> None:
        self._changes: dict[uuid.UUID, _Change] = {}

    def note(self, session_id: uuid.UUID, seq: int, why: str) -> None:
        """The row at `seq` is changed. A fork may bring the end of a call that stands in its origin."""
        change = self._changes.setdefault(session_id, _Change(seq))
        change.seq = min(change.seq, seq)
        change.reasons.add(why)

    def unseal(self, actor: Actor) -> list[Draft]:
        """Take the seals off, before the transaction ends; returns the entries that belong into it."""
        if not self._changes:
            return []
        changed = AgentSession.objects.filter(pk__in=list(self._changes))
        # Whoever is hashing them has to notice, whether they are sealed or not.
        changed.update(rewrite_count=F("rewrite_count") + 1)
        drafts = []
        for session in changed.filter(sealed_seq__gt=0).order_by("pk"):
            change = self._changes[session.pk]
            if change.seq <= session.sealed_seq:
                # Whole pieces, so that what is sealed anew takes their place.
                first = first_of_piece(change.seq)
                AgentSession.objects.filter(pk=session.pk).update(sealed_seq=first - 1)
                drafts.append(_draft(session, first, change, actor))
        return drafts


def _draft(session: AgentSession, first: int, change: _Change, actor: Actor) -> Draft:
    details = {
        "first_seq": first,
        "last_seq": session.sealed_seq,
        "changed_seq": change.seq,
        "why": "; ".join(sorted(change.reasons)),
    }
    return Draft("session.unsealed", actor, target_of(session), session_id=session.pk, details=details)
