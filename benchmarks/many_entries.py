"""An audit log as a busy console writes it in a year, through the log's own door. Deterministic."""

import random
import uuid
from itertools import groupby
from typing import Any, Final, NamedTuple

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
#: {project: how many of a hundred sessions}; the first session alone is in the one that none of these is.
_PROJECTS: Final = {"atlas": 45, "beacon": 25, "cellar": 15, "delta": 9, "ember": 5, "": 1}
RARE_PROJECT: Final = "once"
_TRASHED: Final = 20


class Scene(NamedTuple):
    """Where entries happened."""

    session: uuid.UUID
    run: uuid.UUID


def write_sessions(scenes: list[Scene]) -> None:
    """The sessions that entries name, in a few projects, one of twenty in the trash."""
    from sessions_app.models import AgentSession, Project

    chance = random.Random(12)
    projects = {name: Project(path=f"/srv/{name}", name=name) for name in (*_PROJECTS, RARE_PROJECT) if name}
    chosen = chance.choices(list(_PROJECTS), list(_PROJECTS.values()), k=len(scenes))
    chosen[0] = RARE_PROJECT
    times = dict.fromkeys(("started_ms", "last_activity_ms", "updated_ms"), 1_795_132_800_000)
    with write_transaction():
        Project.objects.bulk_create(projects.values())
        AgentSession.objects.bulk_create(
            [
                AgentSession(
                    pk=scene.session,
                    project=projects.get(name),
                    agent="claude-code",
                    external_id=str(scene.session),
                    title=f"Fix the login form, part {number}",
                    deleted_ms=times["started_ms"] if number % _TRASHED == 1 else None,
                    **times,
                )
                for number, (scene, name) in enumerate(zip(scenes, chosen, strict=True))
            ],
            batch_size=500,
        )


def write_entries(count: int) -> list[Scene]:
    """Append so many; returns where they happened, of which the database knows nothing yet."""
    chance = random.Random(11)
    scenes = [Scene(_id(chance), _id(chance)) for _ in range(_SESSIONS)]
    for start in range(0, count, ENTRIES_PER_TRANSACTION):
        number = min(ENTRIES_PER_TRANSACTION, count - start)
        actions = chance.choices(list(_ACTIONS), list(_ACTIONS.values()), k=number)
        actors = chance.choices(list(_ACTORS), list(_ACTORS.values()), k=number)
        drafts = [_draft(*pair, chance, scenes) for pair in zip(actions, actors, strict=True)]
        with write_transaction():
            for is_strict, some in groupby(drafts, lambda one: catalog.action(one.action).is_strict):
                (append if is_strict else append_apart)(list(some))
    return scenes


def _id(chance: random.Random) -> uuid.UUID:
    return uuid.UUID(int=chance.getrandbits(128), version=4)


def _draft(action: str, actor: str, chance: random.Random, scenes: list[Scene]) -> Draft:
    scene = chance.choice(scenes) if action.startswith(_IN_SESSIONS) else None
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
            str(scene.session if scene else chance.randrange(10**6)),
            f"number {chance.randrange(10**4)}",
        ),
        session_id=scene.session if scene else None,
        run_id=scene.run if scene else None,
        decision="deny" if action == "request.denied" else "",
        details=details,
    )
