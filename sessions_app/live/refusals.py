"""Sockets that were not let in, in the audit log."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from django.db import DatabaseError

from audit.actors import Actor, anonymous
from dashboard.lib.db import explain
from sessions_app.actions.denials import note_denied
from sessions_app.live.reading import in_database

logger = logging.getLogger(__name__)

#: What stands where requests have their method.
METHOD: Final = "WEBSOCKET"


async def note_refused(
    scope: Any, right: str, *, actor: Actor | None = None, details: Mapping[str, str] | None = None
) -> None:
    """Write down that a socket is refused, before it is closed; a page of the peer's address without an `actor`.

    It is refused also when nothing can be written: the next entry then says how many there were.
    """
    peer = scope.get("client") or ("",)
    who = actor or anonymous(str(peer[0]))
    try:
        await in_database(note_denied, METHOD, scope["path"], right, actor=who, details=details)
    except DatabaseError as error:
        logger.warning("A refused socket is not in the audit log yet: %s", explain(error))
