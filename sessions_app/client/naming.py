"""Which session or recording a person means by a piece of its id."""

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sessions_app.client.home import TargetChoice, find_target

# A person waits for it before their program starts.
_PATIENCE_S: Final = 5.0
#: As in every other command.
_FEWEST_DIGITS: Final = 4


class NotNamed(Exception):
    """Nothing is called that, or several are; the message says which."""


def session_named(name: str, choice: TargetChoice, directory: Path) -> str:
    """The whole id of a session. For all but a whole one the server is asked.

    Raises NotNamed, and TargetError for a server or token that can never work.
    """
    try:
        return str(uuid.UUID(name))
    except ValueError:
        pass
    # A recorder that has a whole id, or none, starts without all that speaking to a server takes.
    from sessions_app.client.api import Client, Problem, Unavailable

    target = find_target(choice, directory)
    if target is None:
        raise NotNamed(f"no server was found that knows a session {name!r}: start it, or give the whole id")
    client = Client(target, _PATIENCE_S)
    try:
        answer = client.get(f"/api/v1/sessions/named?name={quote(name, safe='', errors='replace')}")
    except Unavailable as error:
        raise NotNamed(
            f"the server cannot be asked which session {name!r} is ({error}): give the whole id"
        ) from error
    except Problem as problem:
        raise NotNamed(str(problem.members.get("detail") or problem)) from problem
    finally:
        client.close()
    return str(answer["id"])


class NotWaiting(NotNamed):
    """No recording is called so: it was sent meanwhile, or never was."""


def recording_named(name: str, ids: Iterable[str]) -> str:
    """The one of these ids that is this, or begins or ends with it.

    Raises NotWaiting, and NotNamed where it may be several.
    """
    digits = name.replace("-", "").lower()
    found = []
    for known in ids:
        spelled = known.replace("-", "")
        if spelled == digits:
            return known
        if len(digits) >= _FEWEST_DIGITS and (spelled.startswith(digits) or spelled.endswith(digits)):
            found.append(known)
    if len(found) == 1:
        return found[0]
    if found:
        lines = [
            f"{name!r} may be any of these; say more of the id:",
            *(f"  {known}" for known in sorted(found)),
        ]
        raise NotNamed("\n".join(lines))
    raise NotWaiting(f"no recording called {name!r} waits here to be sent")
