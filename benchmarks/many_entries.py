"""An audit log as a busy console writes it in a year, through the log's own door. Deterministic."""

import random
import uuid
from itertools import groupby
from typing import Any, Final

from audit import catalog
from audit.actors import Actor
from audit.record import Draft, Target, append, append_apart
from dashboard.lib.db import write_transaction

ENTRIES_PER_TRANSACTION: Final = 5_000
_SESSIONS: Final = 5_000
#: {action: how many of ten thousand}
_ACTIONS: Final = {
    "token.used": 3_000, "terminal.opened": 1_500, "terminal.closed": 1_500, "source.imported": 2_000,
    "session.tagged": 700, "session.archived": 600, "sign_in.succeeded": 300, "sign_in.failed": 180,
    "secret.masked": 150, "request.denied": 60, "person.role_changed": 9, "person.created": 1,
}  # fmt: skip
_ACTORS: Final = {"ada": 40, "ben": 30, "grace": 20, "ci (sbk_1a2b)": 9, "eve": 1}
_IN_SESSIONS: Final = ("terminal.", "session.", "source.", "secret.")


def write_entries(count: int) -> list[uuid.UUID]:
    """Append so many; returns the sessions that they name."""
    chance = random.Random(11)
    sessions = [uuid.UUID(int=chance.getrandbits(128), version=4) for _ in range(_SESSIONS)]
    for start in range(0, count, ENTRIES_PER_TRANSACTION):
        number = min(ENTRIES_PER_TRANSACTION, count - start)
        actions = chance.choices(list(_ACTIONS), list(_ACTIONS.values()), k=number)
        actors = chance.choices(list(_ACTORS), list(_ACTORS.values()), k=number)
        drafts = [_draft(*pair, chance, sessions) for pair in zip(actions, actors, strict=True)]
        with write_transaction():
            for is_strict, some in groupby(drafts, lambda one: catalog.action(one.action).is_strict):
                (append if is_strict else append_apart)(list(some))
    return sessions


def _draft(action: str, actor: str, chance: random.Random, sessions: list[uuid.UUID]) -> Draft:
    session = chance.choice(sessions) if action.startswith(_IN_SESSIONS) else None
    details: dict[str, Any] = {
        "address": "192.0.2.7",
        "bytes": chance.randrange(10**9),
        "why": "as it was asked for",
    }
    return Draft(
        action,
        Actor("person", actor, actor),
        Target(
            action.partition(".")[0],
            str(session or chance.randrange(10**6)),
            f"number {chance.randrange(10**4)}",
        ),
        session_id=session,
        decision="deny" if action == "request.denied" else "",
        details=details,
    )
